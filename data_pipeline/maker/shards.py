"""The forms in which made pictures are kept: files in folders, WebDataset tars, parquet tables.

Each is a context that takes pictures of one batch one after the other and returns the paths by
which a manifest names them and their masks; what lies below a shard is read by `packed`.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.converters.parquet import table_writer
from morelli.data_pipeline.masks import to_bytes
from morelli.data_pipeline.whole_files import whole


@dataclass(frozen=True, slots=True)
class Packed:
    """A picture that is to be kept.

    Attributes:
        record: its row of the manifest; `image` is the name of its file.
        data: the file.
        mask: (H, W), True where the picture was altered.
        origin: (H, W), True where copies in it were taken from; None if there are none.
    """

    record: dict[str, Any]
    data: bytes
    mask: NDArray[np.bool_]
    origin: NDArray[np.bool_] | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return str(self.record["image"])

    @property
    def mask_name(self) -> str:
        """Name of the mask where it lies beside the file, which may be a PNG of the same id."""
        return f"{self.record['id']}.mask.png"

    @property
    def origin_name(self) -> str:
        """Name of the mask of origins, likewise."""
        return f"{self.record['id']}.origin.png"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a picture's file and its masks are, relative to the set's folder."""

    image: Path
    mask: Path
    origin: Path | None


Put = Callable[[Packed], Kept]
"""Keeps a picture; returns where."""


@contextmanager
def _folder(root: Path, _: int) -> Iterator[Put]:
    """Write images/ID.jpg, masks/ID.png and, of copies, origins/ID.png."""
    for name in ("images", "masks", "origins"):
        (root / name).mkdir(exist_ok=True)

    def put(packed: Packed) -> Kept:
        image = Path("images") / packed.name
        mask = Path("masks") / f"{packed.record['id']}.png"
        (root / image).write_bytes(packed.data)
        (root / mask).write_bytes(to_bytes(packed.mask))
        if packed.origin is None:
            return Kept(image, mask, None)
        origin = Path("origins") / mask.name
        (root / origin).write_bytes(to_bytes(packed.origin))
        return Kept(image, mask, origin)

    yield put


@contextmanager
def _webdataset(root: Path, number: int) -> Iterator[Put]:
    """Write shards/NUMBER.tar with ID.jpg, ID.mask.png and ID.json for each picture.

    Of copies also ID.origin.png.
    """
    shard = Path("shards") / f"{number:06d}.tar"
    (root / shard).parent.mkdir(exist_ok=True)
    with whole(root / shard) as unfinished, tarfile.open(unfinished, "w") as archive:

        def put(packed: Packed) -> Kept:
            record = json.dumps(packed.record).encode()
            _add(archive, packed.name, packed.data)
            _add(archive, packed.mask_name, to_bytes(packed.mask))
            origin = None
            if packed.origin is not None:
                origin = shard / packed.origin_name
                _add(archive, packed.origin_name, to_bytes(packed.origin))
            _add(archive, f"{packed.record['id']}.json", record)
            return Kept(shard / packed.name, shard / packed.mask_name, origin)

        yield put


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    # No time and no owner: the same pictures make the same bytes.
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


@contextmanager
def _parquet(root: Path, number: int) -> Iterator[Put]:
    """Write shards/NUMBER.parquet with the columns that Hugging Face's `datasets` reads."""
    shard = Path("shards") / f"{number:06d}.parquet"
    (root / shard).parent.mkdir(exist_ok=True)
    with whole(root / shard) as unfinished, table_writer(unfinished) as add:

        def put(packed: Packed) -> Kept:
            record = dict(packed.record)
            extra = json.dumps({"parameters": record.pop("parameters")})
            origin = None
            if packed.origin is not None:
                origin = {"bytes": to_bytes(packed.origin), "path": packed.origin_name}
            add(
                {
                    **record,
                    "messages": [],
                    "images": [{"bytes": packed.data, "path": packed.name}],
                    "mask": {"bytes": to_bytes(packed.mask), "path": packed.mask_name},
                    "origin": origin,
                    "extra": extra,
                }
            )
            place = shard / packed.origin_name if origin else None
            return Kept(shard / packed.name, shard / packed.mask_name, place)

        yield put


FORMATS: dict[str, Callable[[Path, int], AbstractContextManager[Put]]] = {
    "folder": _folder,
    "webdataset": _webdataset,
    "parquet": _parquet,
}
"""Name -> what opens the place of a batch, given the set's folder and the batch's number."""
