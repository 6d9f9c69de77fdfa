import json

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.training.cases import Cases
from morelli.training.own_data import DataError, Lessons, Numbers, read_samples, split

ANSWER = "Verdict: tampered<seg>\n[noise normal whole picture] The grain is even."


def rows_of(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def change(manifest, line, **values):
    rows = rows_of(manifest)
    rows[line - 1].update(values)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def manifest(small, tmp_path):
    return small.write_manifest(tmp_path, 4)


def test_good_rows_come_back_as_samples(manifest):
    samples = read_samples(manifest)
    assert [sample.id for sample in samples] == ["p0", "p1", "p2", "p3"]
    assert samples[1].verdict is Verdict.TAMPERED
    assert samples[1].image == manifest.parent / "1.png"


@pytest.mark.parametrize(
    ("line", "values", "words"),
    [
        (2, {"verdict": "forged"}, "forged"),
        (3, {"image": "nowhere.png"}, "nowhere.png"),
        (4, {"mask": "0-mask.png"}, "is empty, but the picture is labelled tampered"),
        (1, {"mask": "1-mask.png"}, "has altered pixels, but the picture is labelled authentic"),
        (2, {"answer": "It is fake."}, "an answer must open with"),
        (1, {"answer": ANSWER}, "its answer says tampered, but it is labelled authentic"),
        (2, {"answer": ANSWER + "\nblah"}, "1 lines of its answer break the answer grammar"),
        (3, {"id": "p0"}, "id 'p0' is that of line 1 too"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(manifest, line, values, words):
    change(manifest, line, **values)
    with pytest.raises(DataError) as error:
        read_samples(manifest)
    assert str(error.value).startswith(f"{manifest}:{line}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mask_of_another_size_and_broken_lines_are_all_named(manifest):
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(manifest.parent / "0-mask.png")
    with manifest.open("a") as file:
        file.write("{\n\n[]\n")
    with pytest.raises(DataError) as error:
        read_samples(manifest)
    lines = str(error.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["1", "5", "7"]


def test_an_empty_manifest_is_refused(tmp_path):
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(DataError, match="there is no sample"):
        read_samples(tmp_path / "none.jsonl")


def test_the_first_answer_of_a_conversation_is_taught(manifest):
    turns = [{"role": "user", "text": "<image>Is it?"}, {"role": "assistant", "text": ANSWER}]
    change(manifest, 2, conversation=turns)
    assert read_samples(manifest)[1].answer == ANSWER


def samples_of(sources):
    return [
        ForensicSample(f"s{number}", None, Verdict.AUTHENTIC, source=source)
        for number, source in enumerate(sources)
    ]


def test_no_source_is_in_two_parts_and_the_shares_are_about_right():
    samples = samples_of([f"camera {n // 3}" for n in range(200)])
    parts = split(samples, 0.15, 0.2)
    sources = [{sample.source for sample in part} for part in vars_of(parts)]
    assert sum(map(len, sources)) == len(set().union(*sources))
    assert sum(map(len, vars_of(parts))) == 200
    assert abs(len(parts.validation) - 30) <= 3
    assert abs(len(parts.test) - 40) <= 3


def test_the_split_does_not_hang_on_the_order_of_the_rows():
    samples = samples_of([f"camera {n}" for n in range(30)])
    one, other = split(samples, 0.2, 0.2), split(samples[::-1], 0.2, 0.2)
    for a, b in zip(vars_of(one), vars_of(other), strict=True):
        assert {sample.id for sample in a} == {sample.id for sample in b}


def vars_of(parts):
    return parts.train, parts.validation, parts.test


def test_too_few_sources_are_refused():
    with pytest.raises(DataError, match="2 sources cannot be split"):
        split(samples_of(["a", "b", "a", "b"]), 0.2, 0.2)


def test_numbers_go_on_where_a_run_stopped_and_end_where_they_should():
    endless = iter(Numbers(5))
    assert [next(endless) for _ in range(3)] == [5, 6, 7]
    assert list(Numbers(-3, 3)) == [-3, -2, -1]


def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own(small, monkeypatch):
    monkeypatch.setattr("morelli.training.own_data.converse", lambda case, *_: case.name)
    monkeypatch.setattr("morelli.training.own_data.collate", list)
    train = Cases(small.case, 8)
    lessons = Lessons(train, Cases(lambda n: small.case(50 + n), 2), None, 0, 0.0, 0.0)
    first, second = lessons(list(range(8))), lessons(list(range(8, 16)))
    assert sorted(first) == sorted(second) == [f"case-{n}" for n in range(8)]
    assert first != second
    assert lessons(list(range(8))) == first
    assert lessons([-1, -2]) == ["case-50", "case-51"]
