import json
from pathlib import Path
from typing import Any

import pytest

from morelli.eval.located_lines import keep_line, kept_lines


def number_of(row: dict[str, Any]) -> int:
    return int(row["number"])


def test_what_was_kept_is_read_again_without_the_line_that_a_kill_tore(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    assert kept_lines(path, number_of) == []
    for number in range(3):
        keep_line(path, {"number": number})
    with path.open("a") as file:
        file.write('{"numb')
    assert kept_lines(path, number_of) == [0, 1, 2]
    keep_line(path, {"number": 3})
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 1, 2, 3]


@pytest.mark.parametrize("line", ["{}", '{"number": "x"}', '{"number": NaN}', "[]", "no JSON"])
def test_a_broken_line_is_named_with_a_way_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_text(f'{{"number": 0}}\n{line}\n')
    with pytest.raises(ValueError, match=r"kept\.jsonl:2: .*; remove the line"):
        kept_lines(path, number_of)


def test_nothing_is_kept_where_no_file_is_named() -> None:
    keep_line(None, {"number": 0})
    assert kept_lines(None, number_of) == []
