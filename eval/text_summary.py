"""Turns the words of a set into its figures: the answers', the table-reader's, and told otherwise.

Text is compared with references as it would be read aloud: without citations, verdict line and
headers of claims.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from morelli.data_pipeline.answer import AnswerError, parse
from morelli.eval.estimates import Estimate, mean_estimate
from morelli.eval.predictions import AS_IS
from morelli.eval.readings import Reading
from morelli.eval.text_metrics import Embed, reference_figures, text_figures, truth_figures
from morelli.eval.told import READINGS, version_of_readings
from morelli.model.base_weights import base_weights_dir

ENCODER = "all-minilm-l6-v2"
"""The base weight that compares words with references."""


@cache
def pulled_encoder() -> Embed:
    """Load the sentence encoder, once.

    Raises:
        RuntimeError: it was not pulled; the message says how.
    """
    # Torch takes seconds to import, which those who have no references need not wait for.
    from morelli.eval.sentence_encoder import SentenceEncoder

    return SentenceEncoder.from_folder(base_weights_dir(ENCODER))


def require_references() -> None:
    """Check that words could be compared with references, before hours of looking.

    Raises:
        ImportError: the `eval` extra is not installed.
        RuntimeError: the sentence encoder was not pulled; the message says how.
    """
    if find_spec("rouge_score") is None or find_spec("sacrebleu") is None:
        raise ImportError("reference words are compared by an extra: pip install -e '.[eval]'")
    base_weights_dir(ENCODER)


def words_of(readings: Sequence[Reading], embed: Embed | None = None) -> dict[str, Any] | None:
    """Return the figures of a set's words, None if nothing was said.

    Args:
        readings: of one set in one version.
        embed: the sentence encoder; the pulled one if None.

    Returns:
        The figures of `text_figures`, `truth_figures` and, where there are references,
        `reference_figures`; "pointing_where_found", pointing where the map has the altered part
        right; and "table_reader", the `truth_figures` of the plain table-reader on the same
        pictures, None if it was not asked.

    Raises:
        ImportError: there are references, and the `eval` extra is not installed.
        RuntimeError: there are references, and the sentence encoder was not pulled.
    """
    spoken = [(one, one.answer) for one in readings if one.answer is not None]
    if not spoken:
        return None
    answers = [answer for _, answer in spoken]
    figures = text_figures(answers) | truth_figures(answers)
    found = [answer.pointed for one, answer in spoken if one.found and answer.pointed is not None]
    if found:
        figures["pointing_where_found"] = mean_estimate(found)
    compared = [
        (answer.text, spoken_words(one.said.reference))
        for one, answer in spoken
        if one.said.reference
    ]
    if compared:
        texts, references = zip(*compared, strict=True)
        figures |= reference_figures(texts, references, embed or pulled_encoder())
    plain = [one.table_reader for one in readings if one.table_reader is not None]
    return {
        **_as_json(figures),
        "table_reader": _as_json(truth_figures(plain)) if plain else None,
    }


def told_of(
    groups: Mapping[tuple[str, str], Sequence[Reading]], sets: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what other readings in the prompt do to each set that was asked with such.

    Args:
        groups: the readings of each set and version.
        sets: their figures, as `summary_of` gives them.

    Returns:
        [{"set", "version", "n", "flip_rate", "auc", "f1", "claim_precision",
        "contradiction_rate"}], the pictures as they are first, which have no flips; null where a
        figure is not defined.
    """
    by_key = {(one["set"], one["version"]): one for one in sets}
    rows = []
    for name in dict.fromkeys(one["set"] for one in sets):
        versions = [version_of_readings(key) for key in READINGS]
        versions = [version for version in versions if (name, version) in by_key]
        if versions and (name, AS_IS) in by_key:
            versions.insert(0, AS_IS)
        rows += [_told_row(by_key[name, version], groups) for version in versions]
    return rows


def _told_row(
    one: Mapping[str, Any], groups: Mapping[tuple[str, str], Sequence[Reading]]
) -> dict[str, Any]:
    readings = groups[one["set"], one["version"]]
    before = {reading.said.id: reading.said.said for reading in groups.get((one["set"], AS_IS), ())}
    flips = []
    if one["version"] != AS_IS:
        flips = [
            float(reading.said.said != before[reading.said.id])
            for reading in readings
            if before.get(reading.said.id) is not None
        ]
    text = one["text"] or {}
    return {
        "set": one["set"],
        "version": one["version"],
        "n": len(readings),
        "flip_rate": mean_estimate(flips).as_json() if flips else None,
        "auc": (one["image"] or {}).get("auc"),
        "f1": (one["pixel"] or {}).get("f1"),
        "claim_precision": text.get("claim_precision"),
        "contradiction_rate": text.get("contradiction_rate"),
    }


def spoken_words(reference: str) -> str:
    """Return a reference as it would be read aloud; one in the answer grammar loses its headers."""
    try:
        return " ".join(claim.sentence for claim in parse(reference).claims)
    except AnswerError:
        return reference


def _as_json(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in figures.items()}
