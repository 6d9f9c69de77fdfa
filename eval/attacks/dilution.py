"""Puts words of no matter before the question, to see whether the verdict drowns in them."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING

from morelli.eval.attacks.aim import Aim

if TYPE_CHECKING:
    from morelli.data_pipeline.schema import Measurement

_CAPTION = (
    "The bakery on the corner opens at seven and sells out of rye bread before noon.",
    "Our bus was late again, so we walked along the canal and counted the herons.",
    "Grandmother keeps her buttons in a tin that once held biscuits from Delft.",
    "The concert begins at eight; children under six sit on their parents' laps.",
    "It rained on the tents all night, and in the morning the meadow was a lake.",
    "He has painted the same three hills every autumn for twenty years.",
)


def caption_of(words: int) -> str:
    """Return a text of that many words which says nothing of any picture."""
    return " ".join(islice(cycle(" ".join(_CAPTION).split()), words))


def diluted(aim: Aim, words: float) -> Aim:
    """Let the same model look, with a caption before each question.

    Raises:
        ValueError: the examiner has no prompt.
    """
    # Torch takes seconds to import, which those who only score need not wait for.
    from morelli.model.examiner import Examiner
    from morelli.model.processing import ForgeryProcessor

    caption = caption_of(round(words))

    class Captioned(ForgeryProcessor):
        """Asks what it asks of every picture, after the caption."""

        def question(self, measurements: "Sequence[Measurement]", height: int, width: int) -> str:
            return f"{caption}\n{super().question(measurements, height, width)}"

    if not isinstance(aim.examiner, Examiner):
        raise ValueError("a diluted prompt needs an examiner that has one; leave dilution out")
    examiner = copy.copy(aim.examiner)
    examiner.processor = Captioned(examiner.processor.config, examiner.processor.tokenizer)
    return replace(aim, examiner=examiner)
