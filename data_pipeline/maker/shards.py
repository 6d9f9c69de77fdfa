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
    """

    record: dict[str, Any]
    data: bytes
    mask: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Name of the file."""
        return str(self.record["image"])

    @property
    def mask_name(self) -> str:
        """Name of the mask where it lies beside the file, which may be a PNG of the same id."""
        return f"{self.record['id']}.mask.png"


Put = Callable[[Packed], tuple[Path, Path]]
"""Keeps a picture; returns the paths of its file and its mask, relative to the set's folder."""


@contextmanager
def _folder(root: Path, _: int) -> Iterator[Put]:
    """Write images/ID.jpg and masks/ID.png."""
    for name in ("images", "masks"):
        (root / name).mkdir(exist_ok=True)

    def put(packed: Packed) -> tuple[Path, Path]:
        image = Path("images") / packed.name
        mask = Path("masks") / f"{packed.record['id']}.png"
        (root / image).write_bytes(packed.data)
        (root / mask).write_bytes(to_bytes(packed.mask))
        return image, mask

    yield put


@contextmanager
def _webdataset(root: Path, number: int) -> Iterator[Put]:
    """Write shards/NUMBER.tar with ID.jpg, ID.mask.png and ID.json for each picture."""
    shard = Path("shards") / f"{number:06d}.tar"
    (root / shard).parent.mkdir(exist_ok=True)
    with whole(root / shard) as unfinished, tarfile.open(unfinished, "w") as archive:

        def put(packed: Packed) -> tuple[Path, Path]:
            record = json.dumps(packed.record).encode()
            _add(archive, packed.name, packed.data)
            _add(archive, packed.mask_name, to_bytes(packed.mask))
            _add(archive, f"{packed.record['id']}.json", record)
            return shard / packed.name, shard / packed.mask_name

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

        def put(packed: Packed) -> tuple[Path, Path]:
            record = dict(packed.record)
            extra = json.dumps({"parameters": record.pop("parameters")})
            add(
                {
                    **record,
                    "messages": [],
                    "images": [{"bytes": packed.data, "path": packed.name}],
                    "mask": {"bytes": to_bytes(packed.mask), "path": packed.mask_name},
                    "extra": extra,
                }
            )
            return shard / packed.name, shard / packed.mask_name

        yield put


FORMATS: dict[str, Callable[[Path, int], AbstractContextManager[Put]]] = {
    "folder": _folder,
    "webdataset": _webdataset,
    "parquet": _parquet,
}
"""Name -> what opens the place of a batch, given the set's folder and the batch's number."""
