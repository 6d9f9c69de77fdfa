import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from morelli.data_pipeline.maker.regeneration import LATENTS
from morelli.training.regenerator import (
    DESIGNS,
    RegeneratorConfig,
    export,
    reconstruction_loss,
    run,
    weights_of,
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, one of which falls into validation by the name of its camera."""
    folder = tmp_path_factory.mktemp("photos")
    cameras = {"chelsea": "scikit-image", "coffee": "camera 0"}
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "source", "camera", "width", "height"])
        writer.writeheader()
        for name, camera in cameras.items():
            image = Image.fromarray(getattr(skimage.data, name)())
            image.save(folder / f"{name}.png")
            size = {"width": image.width, "height": image.height}
            writer.writerow({"path": f"{name}.png", "source": "", "camera": camera, **size})
    return folder


@pytest.mark.parametrize("name", DESIGNS)
def test_opencv_computes_what_was_trained_at_any_size(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    design = DESIGNS[name]
    assert LATENTS[name] == (design.channels, design.factor)
    model = design.build().eval()
    export(model, design, tmp_path / "net.onnx")
    net = cv2.dnn.readNetFromONNX(str(tmp_path / "net.onnx"))
    for height, width in ((64, 64), (48, 80)):
        pixels = torch.rand(1, 3, height, width) * 2 - 1
        noise = torch.randn(1, design.channels, height // design.factor, width // design.factor)
        net.setInput(pixels.numpy(), "pixels")
        net.setInput(noise.numpy(), "noise")
        with torch.no_grad():
            assert np.allclose(net.forward(), model(pixels, noise).numpy(), atol=1e-4)


def test_a_run_learns_and_goes_on_from_what_it_wrote(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = RegeneratorConfig(photos, tmp_path, design="subpixel", steps=40, batch=4, side=32)
    before = _decibels(caplog, config, steps=1)
    first = _decibels(caplog, config, steps=40)
    assert first > before + 1
    weights = weights_of(tmp_path / "subpixel.onnx")
    assert set(weights) == set(DESIGNS["subpixel"].build().state_dict())


def _decibels(caplog: pytest.LogCaptureFixture, config: RegeneratorConfig, steps: int) -> float:
    caplog.clear()
    run(RegeneratorConfig(config.photos, config.out, config.design, steps, 60.0, 4, 32))
    said = next(line for line in caplog.messages if " dB on held-out" in line)
    return float(said.split()[1])


def test_colours_count_even_where_brightness_agrees() -> None:
    grey = torch.zeros(1, 3, 16, 16)
    red = torch.zeros(1, 3, 16, 16)
    red[:, 0], red[:, 1], red[:, 2] = 0.2, -0.1, -0.1
    bright = torch.full((1, 3, 16, 16), 0.4 / 3)
    assert reconstruction_loss(red, grey) > reconstruction_loss(bright, grey)


def test_an_unknown_design_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no design 'large'; there are nearest, subpixel"):
        run(RegeneratorConfig(photos, tmp_path, design="large"))
