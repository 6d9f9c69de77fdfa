"""What can be told from one row of a manifest alone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.answer import AnswerError, contradicts, parse
from morelli.data_pipeline.checks.problem import BINARY_MASK, DROP, ONE_IMAGE_MARK, Problem
from morelli.data_pipeline.images import ImageError, Picture, open_picture
from morelli.data_pipeline.manifest import Row
from morelli.data_pipeline.masks import MASK_LIMITS
from morelli.data_pipeline.schema import Verdict

IMAGE = "<image>"
_SENTENCE = re.compile(r"[^.!?\n]+")
_LOW = 8
_THUMBNAIL = 32


@dataclass(frozen=True, slots=True)
class Words:
    """How words are counted.

    Attributes:
        tokens: returns the tokens of a text.
        context: the most that the model reads at once.
    """

    tokens: Callable[[str], int]
    context: int


def about_tokens(text: str) -> int:
    """Estimate the tokens of a text without a tokenizer, rather too many than too few."""
    return len(text) // 3 + 1


def problems_of_picture(row: Row, line: int) -> tuple[list[Problem], Picture | None]:
    """Open the picture and its mask, and say what is wrong with them."""
    sample = row.sample
    try:
        picture = open_picture(sample.image)
    except ImageError as error:
        kind = "missing picture" if error.code == "missing" else "unreadable picture"
        return [Problem(line, kind, error.message, DROP)], None
    found: list[Problem] = []
    for path in filter(None, (sample.mask, sample.origin)):
        try:
            mask = open_picture(path, MASK_LIMITS).pixels
        except ImageError as error:
            kind = "missing mask" if error.code == "missing" else "unreadable mask"
            return [*found, Problem(line, kind, error.message, DROP)], picture
        found += _problems_of_form(path, mask, picture, line)
        if path == sample.mask and mask.shape[:2] == picture.pixels.shape[:2]:
            found += _problems_of_label(row, bool((mask > 127).any()), line)
    return found, picture


def _problems_of_form(
    path: Path, mask: NDArray[np.uint8], picture: Picture, line: int
) -> Iterator[Problem]:
    """Hold an (h, w, 3) mask of either kind against its picture."""
    if mask.shape[:2] != picture.pixels.shape[:2]:
        message = (
            f"{path} is {mask.shape[1]} x {mask.shape[0]} pixels but the picture"
            f" {picture.width} x {picture.height}"
        )
        yield Problem(line, "mask of another size", message, DROP)
        return
    if not np.isin(mask, (0, 255)).all():
        message = f"{path} has {len(np.unique(mask))} levels instead of 0 and 255"
        yield Problem(line, "mask not black and white", message, BINARY_MASK)


def _problems_of_label(row: Row, altered: bool, line: int) -> Iterator[Problem]:
    if altered and row.sample.verdict is Verdict.AUTHENTIC:
        message = f"{row.sample.mask} marks altered pixels, but the label is authentic"
        yield Problem(line, "mask contradicts the label", message)
    if not altered and row.sample.verdict is Verdict.TAMPERED:
        message = f"{row.sample.mask} is empty, but the label is tampered"
        yield Problem(line, "mask contradicts the label", message)


def problems_of_words(row: Row, line: int, words: Words) -> Iterator[Problem]:
    """Say what is wrong with the conversation and the answer of a row."""
    marks = sum(turn.text.count(IMAGE) for turn in row.conversation)
    if row.conversation and marks != 1:
        message = f"{marks} {IMAGE} marks for one picture"
        yield Problem(line, "image marks", message, ONE_IMAGE_MARK)
    answers = [turn.text for turn in row.conversation if turn.role == "assistant"]
    if row.conversation and (not answers or not all(map(str.strip, answers))):
        yield Problem(line, "empty answer", "an assistant's turn has no words", DROP)
    if row.sample.answer is not None:
        answers.append(row.sample.answer)
    for answer in answers:
        sentence = _contradiction(answer, row.sample.verdict)
        if sentence:
            message = f"the label is {row.sample.verdict}, but the words are {sentence!r}"
            yield Problem(line, "words contradict the label", message, DROP)
            break
    count = sum(words.tokens(turn.text) for turn in row.conversation)
    count = max(count, words.tokens(row.sample.answer or ""))
    if count > words.context:
        message = f"about {count} tokens, above the context of {words.context}"
        yield Problem(line, "too long", message)


def _contradiction(answer: str, verdict: Verdict) -> str | None:
    """Return the words that state another verdict than the label, if there are any."""
    try:
        stated = parse(answer).verdict
        if stated not in (verdict, Verdict.INCONCLUSIVE):
            return answer.splitlines()[0]
        return None
    except AnswerError:
        sentences = (sentence.strip() for sentence in _SENTENCE.findall(answer))
        return next((words for words in sentences if contradicts(words, verdict)), None)


def print_of(pixels: NDArray[np.uint8]) -> int | None:
    """Return a 64-bit perceptual hash: which low frequencies lie above their median.

    None for a picture without structure, whose hash would be that of every other such picture.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    if small.std() < 2:
        return None
    low = cv2.dct(small.astype(np.float32))[:_LOW, :_LOW].ravel()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def traits_of(picture: Picture) -> tuple[str, str, str, str]:
    """Return what is trivial about a picture: size, format, JPEG quality, metadata."""
    from io import BytesIO

    quality, metadata = "none", "none"
    if picture.format in ("JPEG", "PNG", "WEBP", "TIFF"):
        with Image.open(BytesIO(picture.data)) as image:
            tables = getattr(image, "quantization", None)
            if tables:
                quality = f"mean step {round(sum(tables[0]) / len(tables[0]))}"
            kept = [name for name in ("exif", "icc_profile", "dpi", "jfif") if name in image.info]
            metadata = "+".join(kept) or "none"
    return f"{picture.width}x{picture.height}", picture.format, quality, metadata
