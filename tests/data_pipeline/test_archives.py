import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from morelli.data_pipeline.archives import ArchiveError, ArchiveLimits, is_archive, unpack


def _zip(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o120777 if name == link else 0o100644) << 16
            archive.writestr(info, data)
    return path


def _tar(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, BytesIO(data))
    return path


GOOD = {"Au/a.jpg": b"one", "Tp/b.jpg": b"two"}


@pytest.mark.parametrize("pack", [_zip, _tar])
def test_a_good_archive_is_unpacked(pack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    archive = pack(tmp_path / "set", GOOD)
    assert is_archive(archive)
    folder = unpack(archive, tmp_path / "out")
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == GOOD


@pytest.mark.parametrize("pack", [_zip, _tar])
@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "Au/../../evil.jpg", "C:evil.jpg"])
def test_members_that_lead_outside_are_refused_by_name(  # type: ignore[no-untyped-def]
    pack, name: str, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "set", {**GOOD, name: b"x"})
    with pytest.raises(ArchiveError, match="outside") as caught:
        unpack(archive, tmp_path / "in" / "out")
    assert name in str(caught.value)
    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path / "in" / "out").exists()


def test_backslashes_do_not_lead_outside_either(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="outside"):
        unpack(_zip(tmp_path / "set", {"Au\\..\\..\\evil.jpg": b"x"}), tmp_path / "out")


def test_links_and_devices_are_refused_by_name(tmp_path: Path) -> None:
    archives = [
        _zip(tmp_path / "a", {"pointer": b"/etc/passwd"}, link="pointer"),
        _tar(tmp_path / "b", {"pointer": b""}, tarfile.SYMTYPE),
        _tar(tmp_path / "c", {"pointer": b""}, tarfile.LNKTYPE),
        _tar(tmp_path / "d", {"pointer": b""}, tarfile.CHRTYPE),
    ]
    for archive in archives:
        with pytest.raises(ArchiveError, match=r"'pointer' is a (link|device)"):
            unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("pack", [_zip, _tar])
def test_a_bomb_is_stopped_while_it_unpacks(pack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    archive = pack(tmp_path / "set", {"zeros": bytes(3_000_000)})
    with pytest.raises(ArchiveError, match="'zeros' takes it above 1,000,000 bytes"):
        unpack(archive, tmp_path / "out", ArchiveLimits(most_bytes=1_000_000))
    assert not (tmp_path / "out").exists()


def test_too_many_members_and_damage_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "set", {str(n): b"" for n in range(20)})
    with pytest.raises(ArchiveError, match="more than 10 members"):
        unpack(archive, tmp_path / "out", ArchiveLimits(most_members=10))
    data = bytearray(_zip(tmp_path / "set", {"a": bytes(range(256)) * 9}).read_bytes())
    data[40] ^= 0xFF
    (tmp_path / "set").write_bytes(data)
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unpack(tmp_path / "set", tmp_path / "out")
    (tmp_path / "words").write_text("no archive")
    with pytest.raises(ArchiveError, match="no zip or tar"):
        unpack(tmp_path / "words", tmp_path / "out")
