"""From pictures and questions to tensors: the tokenizer with our two tokens, and the processor."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from morelli.data_pipeline.answer import SEG, VERDICT_STEM, prefix
from morelli.data_pipeline.prompts import SYSTEM, question
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.model.config import ForgeryVLMConfig
from morelli.model.cpm import verdict_token_ids
from morelli.model.views import Layout, layout, pack, stack_maps

IMAGE = "<image>"
"""Text of the placeholder token; one stands for each image token."""


def load_tokenizer(folder: Path, config: ForgeryVLMConfig) -> PreTrainedTokenizerFast:
    """Read a pulled tokenizer, two of its reserved tokens renamed to `<image>` and `<seg>`.

    Reusing reserved tokens keeps the vocabulary, and so the base weights, as they are.

    Args:
        folder: with tokenizer.json, tokenizer_config.json and chat_template.jinja.
        config: whose `image_token_id` and `seg_token_id` are renamed.
    """
    layout_of = json.loads((folder / "tokenizer.json").read_text())
    names = {config.image_token_id: IMAGE, config.seg_token_id: SEG}
    for token in layout_of["added_tokens"]:
        if token["id"] in names:
            old = token["content"]
            token["content"] = names[token["id"]]
            vocabulary = layout_of["model"]["vocab"]
            if old in vocabulary:
                vocabulary[names[token["id"]]] = vocabulary.pop(old)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    special = {key: settings[key] for key in ("bos_token", "eos_token", "pad_token")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(layout_of)), padding_side="left", **special
    )
    tokenizer.chat_template = (folder / "chat_template.jinja").read_text()
    return tokenizer


def layout_for(config: ForgeryVLMConfig, height: int, width: int, scale: int = 0) -> Layout:
    """Return where the tiles of a picture of this size lie.

    Args:
        config: of the model.
        height: of the picture in pixels.
        width: of the picture in pixels.
        scale: of the views; 0 for the one that the configuration cuts this size at.
    """
    scale = scale or config.scale(height, width)
    return layout(height, width, scale * config.view_size, scale * config.tile_overlap)


class ForgeryProcessor:
    """Turn a picture, its measurements and a question into what ForgeryVLM takes."""

    def __init__(self, config: ForgeryVLMConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.verdict_ids = verdict_token_ids(tokenizer, config.verdict_words)

    def layout(self, height: int, width: int) -> Layout:
        """Return where the tiles of a picture of this size lie."""
        return layout_for(self.config, height, width)

    def pixel_values(
        self,
        pixels: NDArray[np.uint8],
        measurements: Sequence[Measurement],
        tiles: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Pack a picture and its instrument maps into (V, C, S, S) views.

        Args:
            pixels: (H, W, 3) uint8 sRGB in the image frame.
            measurements: whose maps become channels.
            tiles: indices of the tiles to take; all of them by default.
        """
        height, width = pixels.shape[:2]
        maps = stack_maps(measurements, self.config.map_names, height, width)
        return pack(pixels, maps, self.layout(height, width), tiles)

    def prompt(self, measurements: Sequence[Measurement], height: int, width: int) -> str:
        """Return the conversation up to and with the verdict stem, placeholders expanded."""
        content = IMAGE * self.config.num_image_tokens + question(measurements, height, width)
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": content},
        ]
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return text + VERDICT_STEM

    def encode(self, text: str) -> list[int]:
        """Return token ids, nothing added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids without special tokens."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def verdict_prefix(self, verdict: Verdict) -> list[int]:
        """Return the tokens from the verdict word to the line break after `<seg>`."""
        return self.encode(prefix(verdict).removeprefix(VERDICT_STEM))

    def save(self, folder: Path) -> None:
        """Write the tokenizer beside a full checkpoint."""
        self.tokenizer.save_pretrained(str(folder))


def tiny_tokenizer(config: ForgeryVLMConfig, **settings: Any) -> PreTrainedTokenizerFast:
    """Build the tokenizer of the `tiny` preset: 17 special tokens and 256 bytes, no files."""
    from tokenizers import AddedToken, decoders, models, pre_tokenizers

    special = [f"<reserved_{i}>" for i in range(17)]
    special[0], special[1], special[2] = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
    special[config.image_token_id], special[config.seg_token_id] = IMAGE, SEG
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [word.replace(" ", "Ġ") for word in config.verdict_words]
    vocabulary = {token: i for i, token in enumerate([*special, *alphabet, *words])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|im_end|>", padding_side="left", **settings,
    )  # fmt: skip
    fast.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return fast
