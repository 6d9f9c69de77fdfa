from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.schema import Verdict
from morelli.eval.claims import AnswerReading
from morelli.eval.evaluate import Selection, look_at
from morelli.eval.predictions import Prediction
from morelli.eval.readings import MapReading, Reading
from morelli.eval.text_summary import require_references, spoken_words, words_of
from morelli.model.base_weights import PullError


def reading(
    answer: AnswerReading | None, iou: float = 0.0, reference: str | None = None
) -> Reading:
    said = Prediction(
        "p:1", "s", "a", "as is", Verdict.TAMPERED, None, "s", Path("a.jpg"), None, "x",
        Verdict.TAMPERED, None, None, {}, reference=reference,
    )  # fmt: skip
    own = MapReading(None, iou, iou, None, None)
    return Reading(said, {"model": own}, answer)


def answer(text: str = "It differs.", pointed: float | None = None) -> AnswerReading:
    return AnswerReading(text, 0, 1, 0, 0, True, True, pointed)


def never(texts: Sequence[str]) -> Any:
    raise AssertionError("there is nothing to encode")


def test_pointing_is_told_apart_where_the_map_is_right() -> None:
    readings = [
        reading(answer(pointed=1.0), iou=0.5),
        reading(answer(pointed=0.0), iou=0.49),
        reading(answer(), iou=0.9),
    ]
    figures = words_of(readings, never)
    assert figures is not None
    assert figures["pointing"]["value"] == 0.5
    assert figures["pointing_where_found"] == {"value": 1.0, "low": 0.0, "high": 1.0, "n": 1}
    assert figures["table_reader"] is None
    assert words_of([reading(None)], never) is None


def test_only_pictures_with_a_reference_are_compared_with_one() -> None:
    heard: list[str] = []

    def embed(texts: Sequence[str]) -> Any:
        heard.extend(texts)
        return np.eye(1, dtype=np.float32).repeat(len(texts), 0), np.zeros(len(texts), bool)

    grammar = "Verdict: tampered<seg>\n[noise anomalous centre] The grain is odd. It stands out."
    readings = [
        reading(answer("One."), reference=grammar),
        reading(answer("Two.")),
        reading(answer("Three."), reference="Plain words."),
    ]
    figures = words_of(readings, embed)
    assert figures is not None
    assert figures["css"]["n"] == figures["rouge_l"]["n"] == 2
    assert heard == ["One.", "Three.", "The grain is odd. It stands out.", "Plain words."]
    assert spoken_words("This image is fake.") == "This image is fake."


def test_an_encoder_that_was_not_pulled_is_asked_for_before_anything_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgeries: Path
) -> None:
    monkeypatch.setenv("MORELLI_HOME", str(tmp_path / "home"))
    with pytest.raises(PullError, match="run `morelli pull eval`"):
        require_references()
    manifest = forgeries / "manifest.csv"
    rows = manifest.read_text().splitlines()[1:]
    lines = [
        f'{{"id": "{row.split(",")[0]}", "image": "{row.split(",")[0]}", '
        f'"verdict": "authentic", "answer": "Because."}}'
        for row in rows[1::2]
    ]
    manifest.unlink()
    (forgeries / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    cases = Selection(["manifest"], forgeries).cases()
    with pytest.raises(PullError, match="run `morelli pull eval`"):
        look_at(cases, None, tmp_path / "out", words=True)
