"""Writes conversations for the pictures of a manifest, by the teacher's grammar or by a model.

Either way a picture is measured first, and nothing stands in the result that the measurements do
not bear out: what a model writes is parsed and verified as answers are at inference, and where too
little of it is true, the grammar's answer takes its place.
"""

import base64
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.annotator import Annotator
from morelli.data_pipeline.answer import AnswerError, parse, prefix, render
from morelli.data_pipeline.follow_ups import follow_ups
from morelli.data_pipeline.images import ImageError, open_picture, read_mask
from morelli.data_pipeline.instruments import FACTS, INSTRUMENTS, measure
from morelli.data_pipeline.manifest import Row, Turn
from morelli.data_pipeline.places import PLACES, place_of_mask
from morelli.data_pipeline.prompts import QUESTION, line_of, line_of_outcome
from morelli.data_pipeline.schema import Answer, Measurement, Status, Verdict
from morelli.data_pipeline.teacher import drawn_outcome, teach
from morelli.data_pipeline.verifier import findings, withhold_misplaced

SPOKEN = tuple(name for name in INSTRUMENTS if name not in FACTS)
"""Instruments that answers may cite."""

MOST_TOKENS = 400
"""Of a model's answer."""

_LEAST_TRUE = 2
"""Confirmed claims that a model's answer must keep."""

_ROUNDS = 2
"""How often a model is asked; the second time it is told what was wrong."""

_SIDE = 768
"""Longer side in pixels of the copy of a picture that a model is shown."""

_TOKENS_OF_PICTURE = 1100
"""About what large models count for a picture of 768 pixels a side."""

_GUIDE = f"""\
You write training data for a forensic assistant. You are told the truth about a picture and what \
instruments measured on it. Explain the verdict in two to four lines, each of the form
[instrument polarity place] One plain sentence.
instrument: one that is listed. polarity: anomalous or normal, as listed. place: one of \
{", ".join(PLACES)}; "whole picture" unless the reading names a place. A sentence may state only \
what is listed: no other number, no other place, no cause that nobody measured. Speak of the \
altered part only where the picture is tampered. Vary your wording. Write nothing else."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a picture before anything is written.

    Attributes:
        row: of the manifest.
        pixels: (H, W, 3) RGB.
        mask: (H, W) True where altered; all False if nowhere, or not known.
        measurements: by instrument.
    """

    row: Row
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    measurements: dict[str, Measurement]


@dataclass(slots=True)
class Tally:
    """What became of the pictures.

    Attributes:
        written: conversations, whoever wrote them.
        by_model: those that a model wrote.
        dropped: claims of a model that were not true, or not in the grammar.
        unreadable: pictures that could not be opened, one line each.
    """

    written: int
    by_model: int
    dropped: int
    unreadable: list[str]


@dataclass(frozen=True, slots=True)
class Manner:
    """How conversations are written.

    Attributes:
        annotator: writes the first answer; the grammar does if None.
        show: whether an annotator is shown the picture, or only told of it.
        turns: most questions that follow; the grammar writes those and their answers.
        seed: of the grammar's wording, with the row's number.
        workers: pictures at once.
    """

    annotator: Annotator | None = None
    show: bool = True
    turns: int = 2
    seed: int = 0
    workers: int = 1


def annotated(rows: Iterable[tuple[int, Row]], tally: Tally, manner: Manner) -> Iterator[Row]:
    """Give each row an answer in the grammar and a conversation, in the rows' order.

    Args:
        rows: of a manifest, with their numbers.
        tally: is kept up to date.
        manner: how.

    Raises:
        AnnotatorError: the annotator gives no answer.
    """

    def finished(numbered: tuple[int, Row]) -> tuple[Row | str, int, bool]:
        return _finished(*numbered, manner)

    left = iter(rows)
    with ThreadPoolExecutor(manner.workers) as pool:
        # A few at a time: the manifest may be longer than memory.
        while some := list(islice(left, 4 * manner.workers)):
            for done, dropped, by_model in pool.map(finished, some):
                if isinstance(done, str):
                    tally.unreadable.append(done)
                    continue
                tally.written += 1
                tally.dropped += dropped
                tally.by_model += by_model
                yield done


def _finished(number: int, row: Row, manner: Manner) -> tuple[Row | str, int, bool]:
    """Return the row, or why its picture cannot be used; lines dropped; if a model wrote it."""
    try:
        known = examined(row)
    except (ImageError, ValueError) as error:
        return f"line {number}: {error}", 0, False
    rng = np.random.default_rng([manner.seed, number])
    answer, dropped, writer = None, 0, "grammar"
    if manner.annotator is not None:
        answer, dropped = written_by(manner.annotator, known, manner.show)
        writer = manner.annotator.model if answer is not None else writer
    by_model = answer is not None
    if answer is None:
        answer = teach(row.sample.verdict, row.sample.kind, known.mask, known.measurements, rng)
    text = render(answer)
    conversation = [Turn("user", f"<image>\n{QUESTION}"), Turn("assistant", text)]
    conversation += _follow(known, rng, int(rng.integers(manner.turns + 1)))
    extra = {**row.extra, "annotator": writer}
    done = Row(replace(row.sample, answer=text), tuple(conversation), extra)
    return done, dropped, by_model


def examined(row: Row, names: Collection[str] = SPOKEN) -> Known:
    """Open and measure the picture of a row.

    Raises:
        ImageError: the picture or its mask cannot be read.
        ValueError: the mask has another size.
    """
    picture = open_picture(row.sample.image)
    mask = np.zeros(picture.pixels.shape[:2], bool)
    if row.sample.mask is not None and row.sample.verdict is Verdict.TAMPERED:
        mask = read_mask(row.sample.mask, picture.height, picture.width)
    measurements = {one.instrument: one for one in measure(picture, names)}
    return Known(row, picture.pixels, mask, measurements)


def _follow(known: Known, rng: np.random.Generator, count: int) -> Iterator[Turn]:
    """Yield further questions, each with what the examination came to, and their answers."""
    outcome = drawn_outcome(known.row.sample.verdict, known.mask, rng)
    for asked, said in follow_ups(outcome, known.measurements, known.mask, rng, count):
        yield Turn("user", f"{line_of_outcome(outcome)}\n{asked}")
        yield Turn("assistant", said)


def written_by(annotator: Annotator, known: Known, show: bool) -> tuple[Answer | None, int]:
    """Let a model write the answer, and keep of it what is true.

    Returns:
        The answer, None if too few of its claims are true, and the number of lines dropped.

    Raises:
        AnnotatorError: the model gives no answer.
    """
    messages = request(known, show)
    dropped = 0
    for _ in range(_ROUNDS):
        text = annotator.ask(messages, MOST_TOKENS)
        answer, faults = held_against(text, known)
        dropped += len(faults)
        if answer is not None:
            return answer, dropped
        again = "Some lines cannot stay:\n" + "\n".join(faults) + "\nWrite all lines anew."
        messages = [
            *messages,
            {"role": "assistant", "content": text},
            {"role": "user", "content": again},
        ]
    return None, dropped


def held_against(text: str, known: Known) -> tuple[Answer | None, list[str]]:
    """Keep the lines of a model's answer that the facts bear out.

    Returns:
        The answer, None if fewer than two confirmed claims are left, or fewer than the picture
        has readings; and why each other line was dropped.
    """
    verdict = known.row.sample.verdict
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("[")]
    faults = [] if lines else ["There was no line of the form that was asked for."]
    try:
        parsed = parse(prefix(verdict) + "\n".join(lines), known.measurements)
    except AnswerError as error:
        return None, [str(error)]
    faults += ["A line was not in the form that was asked for."] * parsed.withheld
    placed = withhold_misplaced(parsed, known.mask)
    moved = len(parsed.claims) - len(placed.claims)
    faults += ["The altered part was put where nothing is altered."] * moved
    height, width = known.mask.shape
    made = findings(placed, known.measurements, height, width)
    kept = []
    for claim, finding in zip(placed.claims, made, strict=True):
        if finding.status is Status.CONFIRMED:
            kept.append(claim)
        else:
            faults.append(f"{claim.sentence} - {finding.reason}")
    least = min(_LEAST_TRUE, len(known.measurements))
    return (Answer(verdict, tuple(kept)) if len(kept) >= least else None), faults


def request(known: Known, show: bool) -> list[dict[str, Any]]:
    """Return what a model is asked, in OpenAI's form.

    Args:
        known: of the picture.
        show: whether to send a copy of it.
    """
    height, width = known.mask.shape
    sample = known.row.sample
    facts = [f"Truth: the picture is {sample.verdict}."]
    if sample.kind:
        facts.append(f"How it was made: {sample.kind.replace('_', ' ')}.")
    if known.mask.any():
        share = 100 * float(known.mask.mean())
        facts.append(f"Altered: {share:.1f} % of it, mostly {place_of_mask(known.mask)}.")
    facts += ["Readings:", *(line_of(one, height, width) for one in known.measurements.values())]
    words: list[dict[str, Any]] = [{"type": "text", "text": "\n".join(facts)}]
    if show:
        words.append({"type": "image_url", "image_url": {"url": _copy_of(known.pixels)}})
    return [
        {"role": "system", "content": _GUIDE},
        {"role": "user", "content": words if show else "\n".join(facts)},
    ]


def _copy_of(pixels: NDArray[np.uint8]) -> str:
    """Return a reduced copy of a picture as a data address."""
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    stream = BytesIO()
    image.save(stream, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def estimate(
    rows: Iterable[Row], count: int, show: bool, tokens: Callable[[str], int]
) -> tuple[int, int]:
    """Estimate the tokens sent and received for all pictures of a manifest, from a few of them.

    Args:
        rows: a few.
        count: of all.
        show: whether pictures are sent.
        tokens: counts those of a text.

    Returns:
        Tokens sent and received, at one question a picture and a fifth more for second ones.
    """
    sent = []
    for row in rows:
        asked = request(examined(row), False)
        words = sum(tokens(str(message["content"])) for message in asked)
        sent.append(words + (_TOKENS_OF_PICTURE if show else 0))
    mean = float(np.mean(sent)) if sent else 0.0
    return round(1.2 * count * mean), round(1.2 * count * MOST_TOKENS / 2)
