import stat
import zipfile
from pathlib import Path

import pytest

from morelli.data_pipeline.images import ImageError, Limits
from morelli.serve import inputs as inputs_module
from morelli.serve.inputs import InputsError, all_inputs, check_given, inputs_of

LIMITS = Limits(max_bytes=2_000_000)


def paths(given: str | Path) -> list[str]:
    return [one.path for one in inputs_of(str(given), LIMITS)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", "notes.txt", "sub/c.webp"):
        (root / name).write_bytes(b"x")
    return root


def test_a_folder_gives_its_pictures_in_the_order_of_their_names(folder: Path) -> None:
    assert paths(folder) == [str(folder / name) for name in ("a.PNG", "b.jpg", "sub/c.webp")]


def test_a_glob_gives_the_files_it_matches(folder: Path) -> None:
    assert paths(folder / "**" / "*.webp") == [str(folder / "sub" / "c.webp")]
    with pytest.raises(InputsError, match="matches no file"):
        paths(folder / "*.gif")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.jsonl", '{"image": "b.jpg"}\n\n{"path": "sub/c.webp", "more": 1}\n'),
        ("m.csv", "id,path\n1,b.jpg\n2,sub/c.webp\n"),
        ("m.txt", "b.jpg\nsub/c.webp\n"),
    ],
)
def test_a_manifest_gives_its_paths_relative_to_its_folder(
    folder: Path, name: str, text: str
) -> None:
    (folder / name).write_text(text)
    assert paths(folder / name) == [str(folder / "b.jpg"), str(folder / "sub" / "c.webp")]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("m.jsonl", '{"image": "a"}\n{broken', "m.jsonl:2"),
        ("m.jsonl", '{"id": 3}\n', "m.jsonl:1"),
        ("m.jsonl", "[1]\n", "m.jsonl:1"),
        ("m.csv", "id\n3\n", "m.csv:1"),
    ],
)
def test_a_broken_manifest_is_refused_at_its_line(
    folder: Path, name: str, text: str, place: str
) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputsError, match=place):
        paths(folder / name)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputsError, match="no such file"):
        paths(tmp_path / "gone")


def packed(path: Path, *names: str, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def test_an_archive_is_read_without_unpacking_it(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", "b.jpg", "sub/a.jpg", data=b"bytes")
    found = list(inputs_of(str(path), LIMITS))
    assert [one.path for one in found] == [f"{path}/b.jpg", f"{path}/sub/a.jpg"]
    assert list(tmp_path.iterdir()) == [path]


def test_members_are_read_while_the_archive_is_passed_through(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", "b.jpg", data=b"bytes")
    assert [one.read() for one in inputs_of(str(path), LIMITS)] == [b"bytes"]


@pytest.mark.parametrize(
    "name", ["../up.jpg", "/etc/x.jpg", "a/../../up.jpg", "..\\up.jpg", "C:/x"]
)
def test_a_member_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    for one in inputs_of(str(packed(tmp_path / "a.zip", name)), LIMITS):
        with pytest.raises(ImageError) as caught:
            one.read()
        assert caught.value.code == "unsafe_member"


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    for one in inputs_of(str(path), LIMITS):
        with pytest.raises(ImageError, match="is a link"):
            one.read()


@pytest.mark.parametrize(("size", "code"), [(1_500_000, "unsafe_member"), (3_000_000, "too_many")])
def test_a_bomb_is_refused_unread(tmp_path: Path, size: int, code: str) -> None:
    for one in inputs_of(str(packed(tmp_path / "a.zip", "b.jpg", data=bytes(size))), LIMITS):
        with pytest.raises(ImageError) as caught:
            one.read()
        assert caught.value.code.startswith(code)


def test_an_archive_that_lies_about_a_size_is_refused_when_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", "b.jpg", data=bytes(5_000_000))
    data = path.read_bytes()
    path.write_bytes(data.replace((5_000_000).to_bytes(4, "little"), (900).to_bytes(4, "little")))
    for one in inputs_of(str(path), LIMITS):
        try:
            assert len(one.read()) <= 900
        except ImageError as error:
            assert error.code in ("unreadable", "too_many_bytes")  # noqa: PT017


def test_too_many_or_too_large_members_refuse_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "a.zip", "a.jpg", "b.jpg", "c.jpg")
    monkeypatch.setattr(inputs_module, "MOST_MEMBERS", 2)
    with pytest.raises(InputsError, match="holds 3 files"):
        paths(path)
    monkeypatch.setattr(inputs_module, "MOST_MEMBERS", 9)
    monkeypatch.setattr(inputs_module, "MOST_UNPACKED", 2)
    with pytest.raises(InputsError, match="unpacks to 3 bytes"):
        paths(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK but no more")
    with pytest.raises(InputsError, match="cannot be read as an archive"):
        paths(tmp_path / "a.zip")


def test_a_damaged_archive_is_a_failure_beside_others_and_a_missing_one_stops_the_run(
    folder: Path,
) -> None:
    broken = folder / "a.zip"
    broken.write_bytes(b"PK but no more")
    given = [str(broken), str(folder / "b.jpg")]
    first, second = all_inputs(given, LIMITS)
    with pytest.raises(ImageError, match=r"a\.zip: cannot be read as an archive"):
        first.read()
    assert second.read() == b"x"
    for one in given:
        check_given(one)
    for gone in ("gone.zip", "*.gif"):
        with pytest.raises(InputsError):
            check_given(str(folder / gone))
