import base64
import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from morelli.eval.evaluate import Selection
from morelli.eval.judging import COLUMNS, counts_of, drawn, main, read_marks, rows_of, write_page
from morelli.eval.predict import predict


@pytest.fixture
def results(examiner: Any, forgeries: Path, tmp_path: Path) -> Path:
    cases = Selection(["manifest"], forgeries).cases()
    return predict(examiner, "c" * 64, cases, tmp_path / "out", words=True).parent


def marks_in(folder: Path, *marks: str) -> Path:
    """Fill in the marks of a folder's marks.csv, in order."""
    with (folder / "marks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "marks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row, mark in zip(rows, marks, strict=True):
            writer.writerow(row | {"mark": mark})
    return folder / "marks.csv"


def test_examinations_are_drawn_in_turn_from_each_label_and_the_same_ones_each_time(
    results: Path,
) -> None:
    path = results / "predictions.jsonl"
    some = drawn(path, 4)
    assert [str(one.label) for one in some] == ["authentic", "tampered"] * 2
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines)) + "\n")
    assert [one.id for one in drawn(path, 4)] == [one.id for one in some]
    assert len(drawn(path, 100)) == 6


def test_the_page_holds_every_sentence_and_a_place_for_its_mark(results: Path) -> None:
    page = write_page(results, 4).read_text()
    items = re.findall(r'<li class="confirmed" data-number="(\d)"', page)
    assert items == ["1", "2", "3", "4"]
    assert page.count('type="radio"') == 4 * 3
    assert page.count("<img") == 2 * 2 + 2 * 3  # the truth is shown of the tampered ones
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_only_the_script_of_the_page_may_run(results: Path) -> None:
    page = write_page(results, 1).read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_sentences_from_a_model_stay_text(results: Path) -> None:
    path = results / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["answer"]["findings"][0]["statement"] = '"><script>alert(1)</script>.'
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write_page(results, 4).read_text()
    HTMLParser().feed(page)
    assert page.count("<script") == 1


def test_marks_that_are_there_are_never_written_over(results: Path) -> None:
    write_page(results, 4)
    path = marks_in(results, "true", "", "false", "unsure")
    before = path.read_bytes()
    write_page(results, 6)
    assert path.read_bytes() == before
    marks_in(results, "", "", "", "")
    write_page(results, 6)
    assert [row["number"] for row in read_marks(path)] == ["1", "2", "3", "4", "5", "6"]


def test_marks_are_counted_by_status(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_page(results, 4)
    path = marks_in(results, "true", "", "False ", "unsure")
    counts = counts_of(read_marks(path))
    whole = counts["all"]
    assert [whole[name] for name in ("true", "false", "unsure", "open", "pictures")] == [
        1, 1, 1, 1, 4]  # fmt: skip
    assert whole["share_true"]["value"] == 0.5
    assert counts["confirmed"] == whole
    assert counts["contradicted"]["share_true"] is None
    assert main([str(results), "--marks", str(path)]) == 0
    assert "| confirmed | 1 | 1 | 1 | 1 | 4 | 0.500 [0.000, 1.000] |" in capsys.readouterr().out


def test_the_share_of_true_sentences_varies_by_picture_and_not_by_sentence() -> None:
    def row(picture: str, mark: str) -> dict[str, str]:
        return {"set": "s", "id": picture, "status": "confirmed", "mark": mark}

    rows = [row("a", "true")] * 30 + [row("b", "false")] * 10
    share = counts_of(rows)["all"]["share_true"]
    assert (share["value"], share["low"], share["high"], share["n"]) == (0.75, 0.0, 1.0, 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"mark": "yes"}, r"marks\.csv:2: 'yes' is no mark"), ({"status": "odd"}, "no status 'odd'")],
)
def test_a_mark_that_is_none_is_named_with_its_line(
    results: Path, change: dict[str, str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row | change for row in rows_of(drawn(results / "predictions.jsonl", 1))]
    path = results / "marks.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(ValueError, match=reason):
        read_marks(path)
    assert main([str(results), "--marks", str(path)]) == 1
    assert capsys.readouterr().err
    path.write_text("number\n")
    with pytest.raises(ValueError, match="lacks the columns set, id"):
        read_marks(path)


def test_predictions_without_words_have_nothing_to_judge(results: Path) -> None:
    path = results / "predictions.jsonl"
    lines = [json.loads(line) | {"answer": None} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match="evaluate with --words first"):
        write_page(results, 3)
