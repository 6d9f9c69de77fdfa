"""From pictures and questions to tensors: the tokenizer with our two tokens, and the processor."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BatchFeature, PreTrainedTokenizerFast, ProcessorMixin

from morelli.data_pipeline.answer import SEG, VERDICT_STEM, prefix
from morelli.data_pipeline.prompts import SYSTEM, question
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.model.config import ForgeryVLMConfig
from morelli.model.cpm import verdict_token_ids
from morelli.model.views import Layout, layout, pack, stack_maps

_PART_PIXELS = 8 * 448**2
"""Of the views that are packed at a time."""

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


def _parts(messages: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if not isinstance(message["content"], str):
            yield from message["content"]


class Exhibit(Protocol):
    """A measured picture, what trainers pass about as an "image": maps are not in the pixels."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) sRGB in the image frame."""

    @property
    def measurements(self) -> Sequence[Measurement]:
        """What the instruments read; their maps become channels."""


class ForgeryProcessor(ProcessorMixin):  # type: ignore[misc]
    """Turn a picture, its measurements and a question into what ForgeryVLM takes.

    A `ProcessorMixin`, as trainers demand of a model that sees: they call it with conversations
    whose images are `Exhibit`s.
    """

    def __init__(self, config: ForgeryVLMConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(tokenizer, chat_template=tokenizer.chat_template)
        self.config = config
        self.verdict_ids = verdict_token_ids(tokenizer, config.verdict_words)

    def __call__(
        self,
        images: Sequence[Any] | None = None,
        text: Sequence[str] | None = None,
        padding: bool = False,
        return_tensors: str | None = None,
        **_: Any,
    ) -> BatchFeature:
        """Tokenise rendered conversations and pack their pictures, as trainers ask for it.

        Args:
            images: an `Exhibit`, or a list that holds one, for each text.
            text: as `apply_chat_template` renders it, placeholders expanded.
            padding: on the left.
            return_tensors: "pt" or None.

        Raises:
            ValueError: the pictures are cut at different scales.
        """
        batch = self.tokenizer(
            list(text or ()), add_special_tokens=False, padding=padding,
            return_tensors=return_tensors,
        )  # fmt: skip
        keys = {name: batch[name] for name in ("input_ids", "attention_mask")}
        if images:
            keys["pixel_values"] = self.stack(images)
        return BatchFeature(keys)

    def apply_chat_template(
        self,
        conversation: Sequence[Any],
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = False,
        return_dict: bool = False,
        **_: Any,
    ) -> Any:
        """Render one conversation or several; a first answer is opened with the verdict stem.

        Args:
            conversation: messages whose content is text, or a list of `{"type": "text"}` and
                `{"type": "image"}` parts; or a list of such conversations.
            add_generation_prompt: open the answer.
            continue_final_message: leave the last message open.
            tokenize: return tokens, and `pixel_values` where images hold an `Exhibit`.
            return_dict: with `tokenize`, all of them by name; else the token ids only.
        """
        several = not isinstance(conversation[0], dict)
        conversations = list(conversation) if several else [conversation]
        texts = [
            self._render(one, add_generation_prompt, continue_final_message)
            for one in conversations
        ]
        if not tokenize:
            return texts if several else texts[0]
        found = [part["image"] for one in conversations for part in _parts(one) if "image" in part]
        batch = self(images=found, text=texts)
        return batch if return_dict else batch["input_ids"]

    def _render(self, messages: Sequence[Any], opens: bool, continues: bool) -> str:
        plain = [{"role": m["role"], "content": self._as_text(m["content"])} for m in messages]
        text: str = self.tokenizer.apply_chat_template(
            plain, tokenize=False, add_generation_prompt=opens, continue_final_message=continues
        )
        first = all(message["role"] != "assistant" for message in messages)
        return text + VERDICT_STEM if opens and first else text

    def _as_text(self, content: Any) -> str:
        if isinstance(content, str):
            return content
        placeholder = IMAGE * self.config.num_image_tokens
        return "".join(placeholder if part["type"] == "image" else part["text"] for part in content)

    def stack(self, images: Sequence[Any]) -> torch.Tensor:
        """Pack pictures into one (B, V, C, S, S) tensor, padding those of fewer tiles.

        Args:
            images: `Exhibit`s, or lists of one; the same one may come several times.

        Raises:
            ValueError: the pictures are cut at different scales, so their views differ in size.
        """
        exhibits = [one[0] if isinstance(one, list | tuple) else one for one in images]
        packed = {id(one): torch.from_numpy(self._views(one)) for one in exhibits}
        sizes = {views.shape[-1] for views in packed.values()}
        if len(sizes) > 1:
            raise ValueError(
                f"pictures of one batch have views of {sorted(sizes)} pixels; "
                "batch pictures of like size, or take one a batch"
            )
        most = max(len(views) for views in packed.values())
        padded = {
            key: torch.cat([views, views.new_zeros(most - len(views), *views.shape[1:])])
            for key, views in packed.items()
        }
        return torch.stack([padded[id(one)] for one in exhibits])

    def _views(self, exhibit: Exhibit) -> NDArray[np.float32]:
        return self.pixel_values(exhibit.pixels, exhibit.measurements)

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

    def view_parts(
        self, pixels: NDArray[np.uint8], measurements: Sequence[Measurement]
    ) -> Iterator[NDArray[np.float32]]:
        """Pack the views of `pixel_values` a few at a time: those of a large picture fill memory.

        Args:
            pixels: (H, W, 3) uint8 sRGB in the image frame.
            measurements: whose maps become channels.

        Yields:
            (v, C, S, S) consecutive views.
        """
        height, width = pixels.shape[:2]
        maps = stack_maps(measurements, self.config.map_names, height, width)
        where = self.layout(height, width)
        few = max(1, _PART_PIXELS // where.size**2)
        yield pack(pixels, maps, where, ())
        numbers = range(len(where.corners))
        for tiles in (numbers[start : start + few] for start in numbers[::few]):
            yield pack(pixels, maps, where, tiles, overview=False)[1:]

    def prompt(self, measurements: Sequence[Measurement], height: int, width: int) -> str:
        """Return the conversation up to and with the verdict stem, placeholders expanded."""
        readings = self.question(measurements, height, width)
        asked = [{"type": "image"}, {"type": "text", "text": readings}]
        text: str = self.apply_chat_template(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}],
            add_generation_prompt=True,
        )
        return text

    def question(self, measurements: Sequence[Measurement], height: int, width: int) -> str:
        """Return what is asked of every picture, after the readings that the model knows.

        Only instruments whose maps it takes are spoken of: it has not learned to read those that
        joined after it was trained.
        """
        known = [m for m in measurements if m.instrument in self.config.map_names]
        return question(known, height, width)

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

    def save_pretrained(self, save_directory: Any, **_: Any) -> None:
        """Write the tokenizer into a checkpoint's folder; its configuration has the rest."""
        self.tokenizer.save_pretrained(str(save_directory))


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
