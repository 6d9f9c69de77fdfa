import csv
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.maker.faces import write_faces

FACE = (0.34, 0.13, 0.54, 0.33)
"""Of the astronaut, in shares of her picture."""


def _folder(root: Path, columns: list[str], rows: list[dict[str, str]]) -> Path:
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    photos = tmp_path_factory.mktemp("photos")
    generated = tmp_path_factory.mktemp("generated")
    names = ("astronaut", "coffee", "chelsea", "rocket", "grass", "brick")
    rows, made = [], []
    for number, name in enumerate(names):
        pixels = np.asarray(getattr(skimage.data, name)())
        image = Image.fromarray(pixels).convert("RGB")
        folder, table = (photos, rows) if number < 4 else (generated, made)
        image.save(folder / f"{name}.png")
        size = {"width": str(image.width), "height": str(image.height)}
        row = {"path": f"{name}.png", "source": "scikit-image", "camera": "", **size}
        table.append({**row, "label": "synthetic", "generator": "none"})
    keep = ["path", "source", "camera", "width", "height"]
    _folder(photos, keep, [{name: row[name] for name in keep} for row in rows])
    _folder(generated, [*keep, "label", "generator"], made)
    faces = tmp_path_factory.mktemp("faces")
    write_faces(faces, photos / "astronaut.png", [FACE])
    return Pool.from_folders(photos, generated, "train", faces=faces)
