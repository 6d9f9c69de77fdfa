import json
from pathlib import Path

import pytest

from morelli.model.checkpoint import LIST, CheckpointError, read_list, write_list


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    write_list(tmp_path, "embedded", "1.0", {"n": 3})
    return tmp_path


def test_an_untouched_checkpoint_is_accepted(folder: Path) -> None:
    record = read_list(folder)
    assert record["version"] == "1.0"
    assert set(record["files"]) == {"config.json", "adapter_model.safetensors"}


def test_one_changed_byte_is_refused_by_name(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"weightz")
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors has SHA-256"):
        read_list(folder)


def test_a_missing_file_is_refused_by_name(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        read_list(folder)


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.pth", "model.ckpt", "x.pkl"])
def test_a_pickle_is_refused_even_if_nothing_names_it(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match="is a pickle"):
        read_list(folder)


def test_a_file_that_was_renamed_over_a_listed_one_is_refused(folder: Path) -> None:
    record = json.loads((folder / LIST).read_text())
    record["files"]["config.json"] = "0" * 64
    (folder / LIST).write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="fetch the checkpoint again"):
        read_list(folder)


def test_a_folder_without_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        read_list(tmp_path)
