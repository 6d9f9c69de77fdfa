from dataclasses import dataclass, field
from pathlib import Path

import pytest

from morelli.data_pipeline.config import ConfigError, configure


@dataclass(frozen=True)
class _Inner:
    steps: int = 10
    rate: float = 0.5


@dataclass(frozen=True)
class _Outer:
    out: Path = Path("runs")
    start: Path | None = None
    sides: tuple[int, ...] = (1, 2)
    towers: bool = True
    loop: _Inner = field(default_factory=_Inner)


def test_settings_come_after_the_file_and_only_what_is_named_changes(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('out = "elsewhere"\n[loop]\nsteps = 20\nrate = 1\n')
    made = configure(_Outer(), file, ["loop.steps=30", "sides=[5, 6]", "start=a/b"])
    assert made == _Outer(Path("elsewhere"), Path("a/b"), (5, 6), True, _Inner(30, 1.0))


def test_nothing_named_returns_an_equal_tree() -> None:
    assert configure(_Outer()) == _Outer()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("loop.step=3", r"no such option loop\.step; did you mean loop\.steps\?"),
        ("zzz=3", "no such option zzz; there are out, start"),
        ("loop.steps=many", r"loop\.steps must be int, got 'many'"),
        ("towers=1", "towers must be bool, got 1"),
        ("sides=7", "sides must be"),
        ("steps", "is no setting; write name=value"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_with_what_would(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configure(_Outer(), settings=[setting])


def test_none_empties_an_optional_field() -> None:
    assert configure(_Outer(start=Path("x")), settings=["start=none"]).start is None


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("a = = b")
    with pytest.raises(ConfigError, match=r"run\.toml"):
        configure(_Outer(), file)
