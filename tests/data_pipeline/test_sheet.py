import json
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from morelli.data_pipeline.sheet import write_sheet


def _manifest(folder: Path, count: int) -> Path:
    records = []
    for number in range(count):
        Image.fromarray(np.full((90, 120, 3), 8 * number, np.uint8)).save(folder / f"{number}.png")
        mask = np.zeros((90, 120), np.uint8)
        mask[20:60, 30:90] = 255
        Image.fromarray(mask).save(folder / f"{number}-m.png")
        talk = [{"role": "assistant", "text": f"Words <b>of {number}</b>."}]
        records.append(
            {
                "id": f"name-{number}",
                "image": f"{number}.png",
                "verdict": "tampered",
                "mask": f"{number}-m.png",
                "conversation": talk,
            }
        )
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, records)) + "\n")
    return path


def test_a_sheet_shows_pictures_outlines_and_words_in_one_file(tmp_path: Path) -> None:
    assert write_sheet(_manifest(tmp_path, 5), tmp_path / "sheet.html", 3) == 3
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3
    assert page.count("22.2 % marked") == 3
    assert "&lt;b&gt;" in page
    assert "<b>of" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_what_was_copied_from_is_outlined_in_green(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, 1)
    origin = np.zeros((90, 120), np.uint8)
    origin[10:80, 95:115] = 255
    Image.fromarray(origin).save(tmp_path / "0-o.png")
    row = {**json.loads(manifest.read_text()), "origin": "0-o.png"}
    manifest.write_text(json.dumps(row) + "\n")
    write_sheet(manifest, tmp_path / "sheet.html", 1)
    data = re.search(r"base64,([^\"]+)", (tmp_path / "sheet.html").read_text())
    assert data is not None
    red, green, _ = np.moveaxis(np.asarray(Image.open(BytesIO(b64decode(data[1])))), 2, 0)
    # The copy's outline is pink, that of its origin green.
    assert red[40, 28:33].max() > green[40, 28:33].max()
    assert green[40, 113:117].max() > red[40, 113:117].max() + 80


def test_another_seed_draws_other_pictures(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, 12)
    pages = []
    for seed in (0, 0, 1):
        write_sheet(manifest, tmp_path / "sheet.html", 4, seed)
        pages.append((tmp_path / "sheet.html").read_text())
    assert pages[0] == pages[1] != pages[2]


def test_a_broken_row_is_shown_with_its_fault(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, 2)
    (tmp_path / "1.png").unlink()
    write_sheet(manifest, tmp_path / "sheet.html", 9)
    page = (tmp_path / "sheet.html").read_text()
    assert page.count('class="fault"') == 1
    assert "no such file" in page
