import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.copy_move import measure_copy_move
from morelli.data_pipeline.instruments.ranges import expected_range

Pixels = NDArray[np.uint8]


def picture_of(pixels: Pixels) -> Picture:
    return Picture("made.png", b"", "", "PNG", np.ascontiguousarray(pixels), 1, ())


def recompressed(pixels: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def duplicated(
    pixels: Pixels,
    start: tuple[int, int],
    goal: tuple[int, int],
    radius: int,
    turn: float = 0.0,
    scale: float = 1.0,
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Paste the disk around `start` (x, y) around `goal`; return the picture and both regions."""
    height, width = pixels.shape[:2]
    source = np.zeros((height, width), np.float32)
    cv2.circle(source, start, radius, 1.0, -1)
    transform = cv2.getRotationMatrix2D(start, turn, scale)
    transform[:, 2] += np.subtract(goal, start)
    target = cv2.warpAffine(source, transform, (width, height))
    moved = cv2.warpAffine(pixels, transform, (width, height), flags=cv2.INTER_CUBIC)
    blend = target[..., None]
    forged = np.round(pixels * (1 - blend) + moved * blend).astype(np.uint8)
    return forged, (source > 0.5) | (target > 0.5)


def f1(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2 * (found & true).sum() / max(found.sum() + true.sum(), 1))


SCENES = {
    "astronaut": ((200, 130), (400, 400), 60),
    "coffee": ((300, 220), (510, 300), 60),
    "chelsea": ((150, 110), (360, 190), 50),
    "rocket": ((150, 350), (450, 350), 60),
}


def test_an_exact_copy_is_found_with_its_displacement() -> None:
    forged, true = duplicated(skimage.data.astronaut(), (200, 130), (400, 400), 60)
    reading = measure_copy_move(picture_of(forged))
    assert reading.anomalous
    assert reading.map is not None
    assert reading.map.shape == true.shape
    assert reading.map.dtype == np.float32
    assert f1(reading.map > 0.5, true) > 0.85
    across, down = reading.details["pairs"][0]["displacement"]
    assert abs(abs(across) - 200) < 2
    assert abs(abs(down) - 270) < 2
    assert across * down > 0
    assert reading.details["pairs"][0]["rotation_degrees"] == pytest.approx(0, abs=1)
    assert "occurs twice" in reading.statement


@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(("turn", "scale"), [(30.0, 1.0), (-12.0, 1.25), (20.0, 0.85)])
def test_a_turned_and_resized_copy_survives_jpeg_80(scene: str, turn: float, scale: float) -> None:
    start, goal, radius = SCENES[scene]
    forged, true = duplicated(getattr(skimage.data, scene)(), start, goal, radius, turn, scale)
    reading = measure_copy_move(picture_of(recompressed(forged, 80)))
    assert reading.map is not None
    assert f1(reading.map > 0.5, true) >= 0.6
    found = reading.details["pairs"][0]
    assert abs(found["rotation_degrees"]) == pytest.approx(abs(turn), abs=2)
    assert min(abs(found["scale"] - scale), abs(1 / found["scale"] - scale)) < 0.04


@pytest.mark.parametrize("scene", sorted(SCENES))
@pytest.mark.parametrize("quality", [None, 80])
def test_an_untouched_photograph_has_no_copy(scene: str, quality: int | None) -> None:
    pixels = getattr(skimage.data, scene)()
    reading = measure_copy_move(picture_of(recompressed(pixels, quality) if quality else pixels))
    assert not reading.anomalous
    assert reading.reliability > 0.5
    assert reading.map is not None
    assert not reading.map.any()


def test_a_repeating_pattern_is_no_copy_to_be_sure_of() -> None:
    tile = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    tile = cv2.GaussianBlur(tile, (0, 0), 2)
    reading = measure_copy_move(picture_of(np.tile(tile, (14, 18, 1))))
    assert not reading.anomalous
    assert reading.reliability < 0.5


def test_a_photographed_wall_of_bricks_is_no_copy() -> None:
    reading = measure_copy_move(picture_of(cv2.cvtColor(skimage.data.brick(), cv2.COLOR_GRAY2RGB)))
    assert not reading.anomalous


def test_a_flat_picture_cannot_be_told() -> None:
    reading = measure_copy_move(picture_of(np.full((300, 400, 3), 128, np.uint8)))
    assert reading.value is None
    assert reading.reliability == 0
    assert "too little texture" in reading.statement
    assert reading.expected == expected_range("copy-move")


def test_boxes_and_map_are_in_the_frame_of_a_large_picture() -> None:
    large = cv2.resize(skimage.data.astronaut(), (1536, 1536), interpolation=cv2.INTER_CUBIC)
    forged, true = duplicated(large, (600, 390), (1200, 1200), 180)
    reading = measure_copy_move(picture_of(forged))
    assert reading.details["searched_at_scale"] < 1
    assert reading.map is not None
    assert f1(reading.map > 0.5, true) > 0.8
    assert reading.box is not None
    assert max(reading.box.x1, reading.box.y1) <= 1536
    across, _ = reading.details["pairs"][0]["displacement"]
    assert abs(across) == pytest.approx(600, abs=4)


def test_the_same_picture_is_measured_the_same_twice() -> None:
    forged, _ = duplicated(skimage.data.coffee(), (300, 220), (510, 300), 60, 15.0)
    first, second = (measure_copy_move(picture_of(forged)) for _ in range(2))
    assert first.details == second.details
    assert np.array_equal(first.map, second.map)
