"""Finds the objects of photographs by U2-Net-p, once, and keeps the mattes for the maker.

`python -m morelli.data_pipeline.maker.saliency FOLDER...` after `morelli pull train`.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.home import morelli_home
from morelli.data_pipeline.maker.frame import Pixels, to_pixels
from morelli.data_pipeline.maker.mattes import matte_folder, matte_path
from morelli.data_pipeline.maker.pool import decode_file
from morelli.data_pipeline.whole_files import whole

SIDE = 320
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)


class Saliency:
    """U2-Net-p (Qin et al., 2020) on the processor, by OpenCV."""

    def __init__(self, network: Path) -> None:
        """Load the ONNX file.

        Raises:
            OSError: the file is missing or is no network.
        """
        if not network.is_file():
            raise OSError(f"{network}: no such file; `morelli pull train` brings it")
        try:
            self._net: Any = cv2.dnn.readNetFromONNX(str(network))
        except cv2.error as error:
            raise OSError(f"{network}: no readable ONNX network ({error})") from error
        self._output = self._net.getUnconnectedOutLayersNames()[0]

    def matte(self, pixels: Pixels) -> NDArray[np.uint8]:
        """Return the (320, 320) saliency of an (H, W, 3) RGB picture, 255 = object."""
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        scaled = (small / max(float(small.max()), 1.0) - _MEAN) / _SPREAD
        self._net.setInput(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))
        return to_pixels(self._net.forward(self._output)[0, 0] * 255)


def write_mattes(pictures: Iterable[Path], network: Path, folder: Path) -> int:
    """Write the mattes that are not there yet, and return how many they were.

    Raises:
        OSError: the network or a picture cannot be read, or the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saliency, written = Saliency(network), 0
    for picture in pictures:
        path = matte_path(folder, picture)
        if path.exists():
            continue
        _, data = cv2.imencode(".png", saliency.matte(decode_file(picture)))
        with whole(path) as unfinished:
            unfinished.write_bytes(data.tobytes())
        written += 1
    return written


def pictures_of(folders: Iterable[Path]) -> list[Path]:
    """Return every picture that the folders' manifests name.

    Raises:
        OSError: a manifest cannot be read.
    """
    found = []
    for folder in folders:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            found += [folder / row["path"] for row in csv.DictReader(file)]
    return found


def main(command: Sequence[str]) -> int:
    """Write the mattes of every picture that the folders' manifests name."""
    parser = argparse.ArgumentParser(prog="saliency", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="each with manifest.csv (path)")
    parser.add_argument("--network", type=Path, default=morelli_home() / "u2netp/u2netp.onnx")
    parser.add_argument("--out", type=Path, default=matte_folder())
    arguments = parser.parse_args(command)
    try:
        pictures = tqdm(pictures_of(arguments.folders), unit="picture", disable=None)
        written = write_mattes(pictures, arguments.network, arguments.out)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{written} new mattes in {arguments.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
