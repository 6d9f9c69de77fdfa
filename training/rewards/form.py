"""Rewards of the form: the grammar, the length, and words that fit their mask and verdict."""

from morelli.data_pipeline.answer import contradicts
from morelli.data_pipeline.schema import Verdict
from morelli.data_pipeline.teacher import MOST_CLAIMS
from morelli.data_pipeline.verifier import withhold_misplaced
from morelli.training.rewards.rollout import MASK_THRESHOLD, Rollout, Truth

MOST_LINES = MOST_CLAIMS + 1
"""Lines of the longest answer that is taught, and one to spare."""

_SMALLEST_AREA = 1e-4
_LARGEST_AREA = 0.9
_LARGEST_FALSE_ALARM = 0.1


def answer_format(rollout: Rollout, _: Truth) -> float:
    """Return the share of the lines that the grammar keeps.

    Returns:
        0 to 1; 0 for an answer that cannot be read, gives no reason or was cut off.
    """
    answer = rollout.answer
    if answer is None or not answer.claims or not rollout.finished:
        return 0.0
    return len(answer.claims) / (len(answer.claims) + answer.withheld)


def agreement(rollout: Rollout, _: Truth) -> float:
    """Return how far the words and the mask agree with the verdict and with each other.

    Half of it is the share of the lines that neither state another verdict nor put the altered
    part where the mask has nothing. The other half is the mask's: "tampered" wants one that is
    neither empty nor nearly the whole picture, the other classes want a map that shows nothing.

    Returns:
        0 to 1; 0 for an answer that cannot be read, 0 for its words if there are none.
    """
    answer = rollout.answer
    if answer is None:
        return 0.0
    false = sum(contradicts(line, answer.verdict) for line in rollout.lines)
    if answer.verdict is Verdict.TAMPERED:
        false += len(answer.claims) - len(withhold_misplaced(answer, rollout.mask).claims)
    words = 1 - false / len(rollout.lines) if rollout.lines else 0.0
    return (words + _map_fits(rollout, answer.verdict)) / 2


def _map_fits(rollout: Rollout, said: Verdict) -> float:
    area = float((rollout.map > MASK_THRESHOLD).mean())
    if said is Verdict.TAMPERED:
        return float(_SMALLEST_AREA < area < _LARGEST_AREA)
    if said is Verdict.INCONCLUSIVE:
        return 1.0
    return max(0.0, 1 - area / _LARGEST_FALSE_ALARM)


def length(rollout: Rollout, _: Truth) -> float:
    """Return 1 up to `MOST_LINES` lines, falling to 0 at twice as many.

    Returns:
        0 to 1; 0 for an answer without lines, one that was cut off or cannot be read.
    """
    count = len(rollout.lines)
    if rollout.answer is None or not rollout.finished or not count:
        return 0.0
    return min(1.0, max(0.0, 2 - count / MOST_LINES))
