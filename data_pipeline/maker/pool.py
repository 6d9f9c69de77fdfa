"""The pictures that forgeries are made of: pristine photographs and generators' outputs."""

import contextlib
import csv
import functools
import hashlib
import re
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from morelli.data_pipeline.maker.frame import Alpha, Pixels
from morelli.data_pipeline.maker.history import Table
from morelli.data_pipeline.maker.mattes import Cutout, matte_folder, read_objects
from morelli.data_pipeline.maker.shapes import cut_object

Part = Literal["train", "validation"]

_VALIDATION_PERCENT = 15
_SMALLEST_SIDE = 192
_LARGEST_AREA = 12_000_000
_EDITS_OF_PHOTOGRAPHS = re.compile(r"face swap|brushnet|fill|outpaint|seedvr", re.IGNORECASE)
_NATIVE_FOLDER = "camera_native_crops"
_FOLDER_WEIGHTS = {_NATIVE_FOLDER: 3.0, "imagenet_samples": 0.5}
"""Pixels as the camera wrote them come most often: edits of such photographs are the hard ones."""


@dataclass(frozen=True, slots=True)
class Source:
    """One picture on disk.

    Attributes:
        path: of the file.
        name: path within its collection, as parameters record it.
        key: camera, or source where no camera is known; splits never cut it.
        side: shorter side in pixels.
        weight: how often it is drawn.
        native: whether its pixels are known to be as the camera wrote them, never resized.
    """

    path: Path
    name: str
    key: str
    side: int
    weight: float
    native: bool = False


def part_of(key: str) -> Part:
    """Return the part that a camera or source belongs to, the same on every machine."""
    digest = hashlib.sha256(f"morelli:{key}".encode()).digest()
    return "validation" if int.from_bytes(digest[:4]) % 100 < _VALIDATION_PERCENT else "train"


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _source(folder: Path, row: dict[str, str], key: str) -> Source:
    top = row["path"].split("/")[0]
    return Source(
        path=folder / row["path"],
        name=f"{folder.name}/{row['path']}",
        key=" ".join(key.lower().split()),
        side=min(int(row["width"]), int(row["height"])),
        weight=_FOLDER_WEIGHTS.get(top, 1.0),
        native=top == _NATIVE_FOLDER,
    )


class Pool:
    """Hosts and donors, decoded when first drawn and kept within a bound of memory."""

    def __init__(
        self,
        photographs: Sequence[Source],
        generated: Sequence[Source],
        cache_bytes: int = 1_500_000_000,
        mattes: Path | None = None,
    ) -> None:
        """Hold sources without opening any of them.

        Args:
            photographs: pristine pictures; hosts, donors and authentic examples.
            generated: generators' outputs; synthetic examples and donors. May be empty.
            cache_bytes: decoded pixels to keep at most.
            mattes: folder of mattes as `saliency` writes them; pictures without one are cut up
                by colour.

        Raises:
            ValueError: there is no photograph.
        """
        if not photographs:
            raise ValueError("a pool needs at least one photograph, got none; check the manifest")
        self.photographs = tuple(photographs)
        self.generated = tuple(generated)
        self._room = cache_bytes
        self._decoded: OrderedDict[Path, Pixels] = OrderedDict()
        self._cutouts: dict[tuple[Path, int], tuple[tuple[int, int, int, int], Alpha]] = {}
        self._mattes = mattes if mattes is not None and mattes.is_dir() else None
        self._objects: dict[Path, list[Cutout]] = {}

    @classmethod
    def from_folders(
        cls, photos: Path, generated: Path | None, part: Part, mattes: Path | None = None
    ) -> "Pool":
        """Read the manifests and keep one part of the cameras and sources.

        Rows of `generated` labelled real are photographs; its edits of real photographs are
        neither authentic nor synthetic and are left out.

        Args:
            photos: folder with manifest.csv (path, source, camera, width, height).
            generated: folder with manifest.csv (path, label, generator, source, width, height).
            part: which part.
            mattes: see `Pool`; `matte_folder()` if not given, where that exists.

        Raises:
            OSError: a manifest cannot be read.
            ValueError: no photograph falls into the part.
        """
        hosts = [_source(photos, row, row["camera"] or row["source"]) for row in _rows(photos)]
        made = []
        for row in _rows(generated) if generated else []:
            source = _source(generated or photos, row, row["source"])
            if row["label"] == "real":
                hosts.append(source)
            elif not _EDITS_OF_PHOTOGRAPHS.search(row["generator"]):
                made.append(source)
        return cls(_usable(hosts, part), _usable(made, part), mattes=mattes or matte_folder())

    def draw(self, rng: np.random.Generator, sources: Sequence[Source], side: int) -> Source:
        """Draw a source by weight; one with a shorter side than `side` pixels comes rarely."""
        fits = [
            min(1.0, 0.3 * (one.side / side) ** 4) if one.side < side else 1.0 for one in sources
        ]
        weights = np.array([one.weight * fit for one, fit in zip(sources, fits, strict=True)])
        return sources[int(rng.choice(len(sources), p=weights / weights.sum()))]

    def native(self, side: int) -> list[Source]:
        """Return the photographs of at least `side` pixels that nobody has ever resized."""
        return [one for one in self.photographs if one.native and one.side >= side]

    @functools.cached_property
    def tables(self) -> tuple[Table, ...]:
        """The different quantisation tables of the photographs that are JPEG files."""
        found: dict[Table, None] = {}
        for source in self.photographs:
            if source.path.suffix.lower() in (".jpg", ".jpeg"):
                # A file may carry another format than its name says.
                with contextlib.suppress(UnidentifiedImageError):
                    found.setdefault(read_tables(source.path))
        return tuple(found)

    def read(self, source: Source) -> Pixels:
        """Return the (H, W, 3) RGB pixels of a source; the middle of one above 12 megapixels.

        Raises:
            OSError: the file is missing or is no image.
        """
        found = self._decoded.get(source.path)
        if found is not None:
            self._decoded.move_to_end(source.path)
            return found
        pixels = decode_file(source.path)
        pixels.flags.writeable = False
        self._decoded[source.path] = pixels
        self._make_room()
        return pixels

    def cutout(self, source: Source, variant: int) -> tuple[Pixels, Alpha]:
        """Return the box around an object of a source, and the object's coarse mask.

        Args:
            source: a source of this pool.
            variant: which of its objects; the same number gives the same object.

        Returns:
            (h, w, 3) pixels at the source's own resolution; a coarse mask to scale up to them.
        """
        pixels = self.read(source)
        place = (source.path, variant)
        if place not in self._cutouts:
            seed = zlib.crc32(f"{source.name}:{variant}".encode())
            self._cutouts[place] = cut_object(pixels, seed)
        (x0, y0, x1, y1), mask = self._cutouts[place]
        return pixels[y0:y1, x0:x1], mask

    def with_objects(self, sources: Sequence[Source]) -> list[Source]:
        """Keep the sources in which a saliency network found objects."""
        return [source for source in sources if self.objects(source)]

    def objects(self, source: Source) -> list[Cutout]:
        """Return the objects that a saliency network found in a source, the largest first."""
        if self._mattes is None:
            return []
        if source.path not in self._objects:
            self._objects[source.path] = read_objects(self._mattes, source.path)
        return self._objects[source.path]

    def _make_room(self) -> None:
        """Forget the pictures used longest ago until the rest fits."""
        held = sum(pixels.nbytes for pixels in self._decoded.values())
        while held > self._room and len(self._decoded) > 1:
            _, dropped = self._decoded.popitem(last=False)
            held -= dropped.nbytes


def decode_file(path: Path) -> Pixels:
    """Return the (H, W, 3) RGB pixels of a file; the middle of a picture above 12 megapixels.

    Raises:
        OSError: the file is missing or is no image.
    """
    decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if decoded is None:
        raise OSError(f"{path}: cannot be read as an image; remove it from the manifest")
    return np.asarray(cv2.cvtColor(_middle(decoded), cv2.COLOR_BGR2RGB), np.uint8)


def read_tables(path: Path) -> Table:
    """Return the quantisation tables of a JPEG file, two at most.

    Raises:
        OSError: the file is missing or is no JPEG.
    """
    with Image.open(path, formats=["JPEG"]) as image:
        tables: dict[int, list[int]] = getattr(image, "quantization", {})
        return tuple(tuple(tables[number]) for number in sorted(tables)[:2])


def _usable(sources: list[Source], part: Part) -> list[Source]:
    """Keep what belongs to `part` and is large enough to be cropped."""
    return [
        source
        for source in sources
        if source.side >= _SMALLEST_SIDE and part_of(source.key) == part
    ]


def _middle(decoded: Pixels) -> Pixels:
    """Cut a large picture at native resolution, on a multiple of 16 so that JPEG blocks stay."""
    height, width = decoded.shape[:2]
    if height * width <= _LARGEST_AREA:
        return decoded
    keep = np.sqrt(_LARGEST_AREA / (height * width))
    rows, columns = int(height * keep) // 16 * 16, int(width * keep) // 16 * 16
    top, left = (height - rows) // 32 * 16, (width - columns) // 32 * 16
    return decoded[top : top + rows, left : left + columns].copy()
