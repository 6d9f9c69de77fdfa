import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline import checks
from morelli.data_pipeline.checks import Options, Report, validate
from morelli.data_pipeline.checks.rows import print_of
from morelli.data_pipeline.checks.shortcuts import shortcuts_in
from morelli.data_pipeline.manifest import rows_of


class Manifest:
    """A manifest that is right, row by row, unless a test makes it wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.jsonl"
        self.records: list[dict[str, Any]] = []

    def add(self, **changes: Any) -> None:
        number = len(self.records)
        verdict = changes.get("verdict", ("authentic", "tampered")[number % 2])
        picture(self.folder / f"{number}.png", number)
        mask = np.zeros((80, 80), np.uint8)
        mask[10:40, 10:40] = 255 * (verdict == "tampered")
        Image.fromarray(mask).save(self.folder / f"{number}-mask.png")
        record = {
            "id": str(number),
            "image": f"{number}.png",
            "verdict": verdict,
            "mask": f"{number}-mask.png",
            "source": f"set:{number}",
            "split": "train",
            "conversation": [
                {"role": "user", "text": "<image>\nReal?"},
                {"role": "assistant", "text": f"It was made in step {number}."},
            ],
        }
        self.records.append({**record, **changes})

    def check(self, **options: Any) -> Report:
        self.path.write_text("".join(json.dumps(record) + "\n" for record in self.records))
        return validate(self.path, Options(**options))


def picture(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(coarse).resize((80, 80), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    made = Manifest(tmp_path)
    for _ in range(4):
        made.add()
    return made


def talk(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "text": text} for role, text in turns]


def test_a_right_manifest_has_no_problem_and_leaves_nothing_behind(manifest: Manifest) -> None:
    before = set(manifest.folder.iterdir())
    report = manifest.check()
    assert (report.counts, report.wrong, report.lines) == ({}, False, 4)
    assert set(manifest.folder.iterdir()) - before == {manifest.path}


ASK = ("user", "<image>\nReal?")
WRONG = {
    "missing picture": {"image": "nowhere.png"},
    "unreadable picture": {"image": "manifest.jsonl"},
    "missing mask": {"mask": "nowhere.png"},
    "no sample": {"verdict": "inconclusive"},
    "repeated id": {"id": "0"},
    "repeated answer": {"conversation": talk(ASK, ("assistant", "It was made in step 0."))},
    "empty answer": {"conversation": talk(ASK, ("assistant", " "))},
    "image marks": {"conversation": talk(("user", "Real?"), ("assistant", "Who knows."))},
    "words contradict the label": {
        "verdict": "authentic",
        "conversation": talk(ASK, ("assistant", "This image is fake.")),
    },
    "mask contradicts the label": {"verdict": "authentic", "mask": "1-mask.png"},
    "source in two splits": {"source": "set:1", "split": "test"},
    "too long": {"conversation": talk(ASK, ("assistant", "word " * 5000))},
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_problem_is_named_with_its_line(kind: str, manifest: Manifest) -> None:
    manifest.add(**WRONG[kind])
    report = manifest.check()
    assert list(report.counts) == [kind]
    assert [problem.line for problem in report.problems] == [5]
    assert f"{manifest.path}:5: {kind}" in report.text()
    assert report.wrong


def test_masks_of_another_size_and_with_grey_levels_are_named(manifest: Manifest) -> None:
    manifest.add(verdict="tampered")
    Image.new("L", (80, 79), 255).save(manifest.folder / "4-mask.png")
    manifest.add(verdict="tampered")
    Image.linear_gradient("L").resize((80, 80)).save(manifest.folder / "5-mask.png")
    problems = {problem.line: problem.kind for problem in manifest.check().problems}
    assert problems == {5: "mask of another size", 6: "mask not black and white"}


def test_masks_of_origins_are_checked_and_mended_too(manifest: Manifest) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (80, 80), np.uint8)).save(manifest.folder / "o.png")
    Image.new("L", (40, 40)).save(manifest.folder / "small.png")
    manifest.add(origin="o.png")
    manifest.add(origin="small.png")
    manifest.add(origin="nowhere.png")
    found = {(problem.line, problem.kind) for problem in manifest.check().problems}
    assert found == {
        (5, "mask not black and white"), (6, "mask of another size"), (7, "missing mask"),
    }  # fmt: skip
    mended = manifest.folder / "mended.jsonl"
    manifest.check(fix=mended)
    origins = [row.sample.origin for _, row in rows_of(mended)]
    assert origins[:4] == [None] * 4
    assert origins[4] is not None
    assert set(np.unique(np.asarray(Image.open(origins[4])))) == {0, 255}
    assert not validate(mended, Options()).problems


def test_a_picture_saved_again_in_another_split_is_found(manifest: Manifest) -> None:
    manifest.add(split="test")
    with Image.open(manifest.folder / "1.png") as original:
        original.resize((120, 110)).save(manifest.folder / "again.jpg", quality=60)
    manifest.records[-1] |= {"image": "again.jpg", "mask": None}
    (problem,) = manifest.check().problems
    assert (problem.line, problem.kind) == (5, "near-duplicate across splits")
    assert "line 2" in problem.message


def test_prints_of_different_pictures_differ(tmp_path: Path) -> None:
    prints = []
    for seed in range(40):
        picture(tmp_path / "a.png", seed)
        prints.append(print_of(np.asarray(Image.open(tmp_path / "a.png"))))
    distances = [(a ^ b).bit_count() for a, b in itertools.combinations(prints, 2)]  # type: ignore[operator]
    assert min(distances) > 3
    assert print_of(np.full((80, 80, 3), 200, np.uint8)) is None


def test_fix_writes_a_manifest_without_problems(manifest: Manifest) -> None:
    for wrong in WRONG.values():
        manifest.add(**wrong)
    manifest.add(verdict="tampered")
    grey = manifest.folder / f"{len(manifest.records) - 1}-mask.png"
    Image.linear_gradient("L").resize((80, 80)).save(grey)
    text = grey.read_bytes()
    fixed = manifest.folder / "fixed" / "manifest.jsonl"
    report = manifest.check(fix=fixed)
    again = validate(fixed, Options())
    assert grey.read_bytes() == text
    assert report.repaired == again.lines == len(list(rows_of(fixed)))
    # What nobody can decide by rule is left and named again.
    assert set(again.counts) <= {"repeated answer", "mask contradicts the label", "too long"}


def test_a_stopped_run_goes_on_and_finds_the_same(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in WRONG.values():
        manifest.add(**wrong)
    whole = manifest.check()
    monkeypatch.setattr(checks, "_SAVE_EVERY", 3)
    opened: list[int] = []
    look = checks.problems_of_picture

    def stops(row: Any, line: int) -> Any:
        if line == 11 and 11 not in opened:
            opened.append(line)
            raise KeyboardInterrupt
        opened.append(line)
        return look(row, line)

    monkeypatch.setattr(checks, "problems_of_picture", stops)
    with pytest.raises(KeyboardInterrupt):
        validate(manifest.path, Options())
    assert opened[-1] == 11
    resumed = validate(manifest.path, Options())
    assert opened.count(1) == 1
    assert resumed == whole


def test_a_changed_manifest_is_checked_anew(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest.check()
    monkeypatch.setattr(checks, "shortcuts_in", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        manifest.check()
    monkeypatch.undo()
    manifest.add(image="nowhere.png")
    assert manifest.check().lines == 5


def test_a_shortcut_is_found_and_named() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(600):
        fake = rng.random() < 0.5
        size = str(rng.choice(["640x480", "800x600", "512x512"]))
        format_ = "PNG" if fake and rng.random() < 0.6 else "JPEG"
        rows.append(("synthetic" if fake else "authentic", size, format_, "mean step 12", "none"))
    found = {s.trait: s for s in shortcuts_in(rows) if s.found}
    assert "format" in found
    assert "size" not in found
    assert found["format"].auc > 0.7
    assert {s.example for s in shortcuts_in(rows) if s.trait == "format"} == {"PNG", "JPEG"}


def test_traits_that_have_one_distribution_are_no_shortcut() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = [
            (str(rng.choice(["authentic", "tampered"])), *map(str, rng.integers(0, 30, 4)))
            for _ in range(400)
        ]
        assert not any(shortcut.found for shortcut in shortcuts_in(rows))
