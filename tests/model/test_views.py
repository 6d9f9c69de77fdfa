import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.schema import Measurement
from morelli.model.views import layout, num_channels, pack, stack_maps, stitch, unpack_gradient

SIZE, OVERLAP = 32, 8
RNG = np.random.default_rng(0)

sides = st.integers(1, 300)
tile_shapes = st.integers(8, 64).flatmap(
    lambda size: st.tuples(st.just(size), st.integers(0, size - 1))
)


def picture(height, width, num_maps=2):
    pixels = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return pixels, RNG.random((num_maps, height, width), dtype=np.float32)


def smooth(x, y, height, width):
    """A slow wave over the picture, in [0, 1]."""
    return 0.5 + 0.25 * np.sin(2 * np.pi * x / width) + 0.25 * np.cos(2 * np.pi * y / height)


def smooth_tiles(where, stride):
    """The wave as a mask decoder would give it: each tile at a coarser grid of pixel centres."""
    centres = (np.arange(where.size // stride) + 0.5) * stride - 0.5
    return np.stack(
        [
            smooth(x + centres[None], y + centres[:, None], where.height, where.width)
            for x, y in where.corners
        ]
    ).astype(np.float32)


@given(sides, sides, tile_shapes)
@settings(max_examples=60, deadline=None)
def test_tiles_cover_every_pixel(height, width, tile):
    size, overlap = tile
    seen = np.zeros((height, width), bool)
    for x, y in layout(height, width, size, overlap).corners:
        seen[y : y + size, x : x + size] = True
    assert seen.all()


@given(sides, sides, tile_shapes)
@settings(max_examples=60, deadline=None)
def test_neighbouring_tiles_share_the_promised_overlap(height, width, tile):
    size, overlap = tile
    corners = layout(height, width, size, overlap).corners
    for axis in (0, 1):
        starts = np.unique([corner[axis] for corner in corners])
        assert (size - np.diff(starts) >= overlap).all()


@given(sides, sides)
@settings(max_examples=60, deadline=None)
def test_no_tile_reaches_outside_a_picture_that_is_larger_than_it(height, width):
    where = layout(height, width, SIZE, OVERLAP)
    assert all(x + SIZE <= max(width, SIZE) for x, _ in where.corners)
    assert all(y + SIZE <= max(height, SIZE) for _, y in where.corners)


def test_a_picture_smaller_than_a_tile_has_one_tile():
    assert layout(20, 32, SIZE, OVERLAP).corners == ((0, 0),)


def test_corners_go_in_reading_order_and_end_at_the_far_edge():
    # 72 = 32 + 2 * 20 pixels need three tiles of which neighbours share 12, for two would share < 8
    where = layout(32, 72, SIZE, OVERLAP)
    assert where.corners == ((0, 0), (20, 0), (40, 0))
    assert list(layout(72, 72, SIZE, OVERLAP).corners) == [
        (x, y) for y in (0, 20, 40) for x in (0, 20, 40)
    ]


@pytest.mark.parametrize("shape", [(100, 140), (64, 64), (20, 300), (21, 17)])
@pytest.mark.parametrize("stride", [1, 4])
def test_stitching_the_tiles_of_a_smooth_map_returns_it(shape, stride):
    where = layout(*shape, SIZE, OVERLAP)
    x, y = np.arange(shape[1]), np.arange(shape[0])[:, None]
    error = np.abs(stitch(smooth_tiles(where, stride), where) - smooth(x, y, *shape))
    # a tile's border rows are extrapolated by half a coarse pixel, at most slope x stride / 2
    slope = 0.25 * 2 * np.pi * (1 / shape[0] + 1 / shape[1])
    assert error.max() < (1e-5 if stride == 1 else slope * stride / 2 + 0.01)


@given(sides, sides, st.floats(0, 1, width=32), st.sampled_from([8, 20, 32]))
@settings(max_examples=60, deadline=None)
def test_stitching_a_constant_returns_exactly_it(height, width, value, side):
    where = layout(height, width, SIZE, OVERLAP)
    tiles = np.full((len(where.corners), side, side), value, np.float32)
    assert (stitch(tiles, where) == np.float32(value)).all()


@given(sides, sides, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_stitching_stays_within_the_range_of_its_input(height, width, seed):
    where = layout(height, width, SIZE, OVERLAP)
    tiles = np.random.default_rng(seed).random((len(where.corners), 8, 8), np.float32)
    stitched = stitch(tiles, where)
    assert stitched.min() >= tiles.min()
    assert stitched.max() <= tiles.max()


def test_stitching_refuses_another_number_of_tiles():
    with pytest.raises(ValueError, match="zip"):
        stitch(np.zeros((2, 8, 8), np.float32), layout(20, 20, SIZE, OVERLAP))


@pytest.mark.parametrize("shape", [(100, 140), (20, 300), (21, 17)])
def test_trainings_chosen_tiles_are_the_same_rows_of_inferences_packing(shape):
    pixels, maps = picture(*shape)
    where = layout(*shape, SIZE, OVERLAP)
    everything = pack(pixels, maps, where)
    chosen = [len(where.corners) - 1, 0]
    views = pack(pixels, maps, where, chosen, overview=False)
    assert (views[1:] == everything[[1 + index for index in chosen]]).all()
    assert not views[0].any()


def test_a_tile_holds_the_pictures_own_pixels_and_maps():
    pixels, maps = picture(60, 80)
    where = layout(60, 80, SIZE, OVERLAP)
    views = pack(pixels, maps, where)
    assert views.shape == (1 + len(where.corners), num_channels(2), SIZE, SIZE)
    assert views.dtype == np.float32
    for view, (x, y) in zip(views[1:], where.corners, strict=True):
        part = pixels[y : y + SIZE, x : x + SIZE]
        assert (np.round(view[:3] * 255).transpose(1, 2, 0) == part).all()
        assert (view[3:5] == maps[:, y : y + SIZE, x : x + SIZE]).all()


def test_x_and_y_are_fractions_of_the_picture_at_pixel_centres():
    pixels, maps = picture(40, 80)
    where = layout(40, 80, SIZE, OVERLAP)
    tiles = pack(pixels, maps, where)[1:]
    for tile, (left, top) in zip(tiles, where.corners, strict=True):
        np.testing.assert_allclose(tile[-2][0], (left + np.arange(SIZE) + 0.5) / 80, rtol=1e-6)
        np.testing.assert_allclose(tile[-1][:, 0], (top + np.arange(SIZE) + 0.5) / 40, rtol=1e-6)


def test_validity_is_one_inside_the_picture_and_all_is_zero_outside():
    pixels, maps = picture(20, 50)
    views = pack(pixels, maps, layout(20, 50, SIZE, OVERLAP))
    for tile in views[1:]:
        assert (tile[5, :20] == 1).all()
        assert not tile[:, 20:].any()


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (8, 8), (1, 400)])
def test_the_overview_holds_the_whole_picture_with_its_aspect_kept(shape):
    pixels, maps = picture(*shape)
    overview = pack(pixels, maps, layout(*shape, SIZE, OVERLAP))[0]
    inside = overview[5] > 0
    rows, columns = inside.any(1).sum(), inside.any(0).sum()
    assert max(rows, columns) == SIZE
    assert rows == max(1, round(SIZE * shape[0] / max(shape)))
    assert columns == max(1, round(SIZE * shape[1] / max(shape)))
    assert not overview[:, ~inside].any()
    mean = (pixels / 255).mean((0, 1))
    np.testing.assert_allclose(overview[:3][:, inside].mean(1), mean, atol=0.02)


def test_pixels_that_do_not_fit_the_layout_are_refused():
    pixels, maps = picture(20, 30)
    with pytest.raises(ValueError, match="30 x 20"):
        pack(pixels, maps, layout(30, 20, SIZE, OVERLAP))


def test_maps_land_in_the_named_order_and_missing_ones_are_zero():
    def measurement(name, plane):
        return Measurement(name, 1.0, "", (0.0, 1.0), 1.0, "", map=plane)

    noise, jpeg = RNG.random((2, 5, 7), dtype=np.float32)
    stack = stack_maps(
        [measurement("noise", noise), measurement("jpeg", jpeg), measurement("tables", None)],
        ("tables", "jpeg", "copy-move", "noise"),
        5,
        7,
    )
    assert stack.shape == (4, 5, 7)
    assert not stack[[0, 2]].any()
    assert (stack[1] == jpeg).all()
    assert (stack[3] == noise).all()


@pytest.mark.parametrize(("height", "width"), [(97, 131), (40, 30), (300, 64)])
def test_the_gradient_of_the_views_is_carried_back_by_the_transpose_of_packing(
    height: int, width: int
) -> None:
    rng = np.random.default_rng(0)
    where = layout(height, width, 64, 16)
    pixels = rng.integers(0, 256, (2, height, width, 3), np.uint8)
    maps = rng.random((2, 2, height, width), np.float32)
    views = [pack(one, plane, where) for one, plane in zip(pixels, maps, strict=True)]
    weights = rng.normal(0, 1, (len(views[0]), 5, 64, 64)).astype(np.float32)
    carried = unpack_gradient(weights, where)
    assert carried.shape == (5, height, width)
    colours = (pixels[1].astype(np.float64) - pixels[0]).transpose(2, 0, 1) / 255
    moved = np.concatenate([colours, maps[1] - maps[0]])
    through_views = ((views[1] - views[0])[:, :5].astype(np.float64) * weights).sum()
    assert (moved * carried).sum() == pytest.approx(through_views, rel=1e-4)
