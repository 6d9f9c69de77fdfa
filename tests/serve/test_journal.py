import json
from pathlib import Path
from typing import Any

import pytest

from morelli.serve import journal as journal_module
from morelli.serve.custody import START, Custody, CustodyError, verify
from morelli.serve.journal import Journal, JournalError, key_of


def report(number: int, verdict: str = "authentic") -> dict[str, Any]:
    image = {"path": f"{number}.jpg", "sha256": f"{number:064x}"}
    return {"image": image, "verdict": verdict}


def failure(number: int) -> dict[str, Any]:
    error = {"code": "missing", "message": "gone"}
    return {"image": {"path": f"{number}.jpg"}, "error": error}


def test_a_log_cut_off_at_any_byte_keeps_every_line_that_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.put(report(number))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        kept = Journal(path)
        assert len(kept) == whole[:cut].count(b"\n")
        kept.put(report(9))
        assert [json.loads(line) for line in path.read_text().splitlines()] == list(Journal(path))


def test_a_record_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "reports.jsonl")
    for number in range(3):
        journal.put(report(number))
    journal.put(report(1, "tampered"))
    assert [record["verdict"] for record in Journal(journal.path)] == [
        "authentic",
        "tampered",
        "authentic",
    ]


def test_a_mended_failure_is_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "reports.jsonl")
    journal.put(failure(1))
    assert journal.failures == 1
    assert journal.failed("path:1.jpg")
    journal.put(report(1), supersedes="path:1.jpg")
    assert [key_of(record) for record in journal] == [f"{1:064x}"]
    assert journal.failures == 0


def test_a_full_disk_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "reports.jsonl")
    journal.put(report(1))
    before = journal.path.read_bytes()
    real = journal_module.os.write
    monkeypatch.setattr(journal_module.os, "write", lambda fd, data: real(fd, data[:20]))
    with pytest.raises(OSError, match="No space left"):
        journal.put(report(2))
    assert journal.path.read_bytes() == before
    assert f"{2:064x}" not in journal


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text('{"image": {"path": "a"}}\n{"ima\n{"image": {"path": "b"}}\n')
    with pytest.raises(JournalError, match=r"reports\.jsonl:2 is damaged"):
        Journal(path)


def sealed(path: Path) -> Custody:
    custody = Custody(path)
    for number in range(4):
        custody.add("examined", f"{number}.jpg", sha256=f"{number:064x}")
    return custody


def test_an_untouched_custody_log_is_accepted_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "custody.jsonl"
    assert Custody(path).last == START
    custody = sealed(path)
    assert verify(path) == custody.last != START
    again = Custody(path)
    again.add("examined", "more.jpg")
    assert len(path.read_text().splitlines()) == 5
    assert verify(path) == again.last


@pytest.mark.parametrize("change", ["edit", "remove", "swap"])
def test_a_changed_custody_log_is_refused_at_its_line(tmp_path: Path, change: str) -> None:
    path = tmp_path / "custody.jsonl"
    sealed(path)
    lines = path.read_text().splitlines(keepends=True)
    if change == "edit":
        lines[1] = lines[1].replace("1.jpg", "9.jpg")
    elif change == "remove":
        del lines[1]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    path.write_text("".join(lines))
    with pytest.raises(CustodyError, match=r"custody\.jsonl:2"):
        Custody(path)


def test_a_custody_entry_that_was_cut_off_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "custody.jsonl"
    sealed(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    Custody(path).add("examined", "next.jpg")
    assert len(path.read_text().splitlines()) == 4
    verify(path)
