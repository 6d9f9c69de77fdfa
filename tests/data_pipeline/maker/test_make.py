import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.maker import KINDS, Pool, make
from morelli.data_pipeline.maker.history import Step, encode
from morelli.data_pipeline.maker.shortcuts import FEATURES, made_features, separability
from morelli.data_pipeline.schema import CLASSES, Verdict

SIDE = 128


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_bytes_and_mask(pool: Pool, kind: str) -> None:
    first, again = make(pool, 3, SIDE, kind), make(pool, 3, SIDE, kind)
    assert first.data == again.data
    assert np.array_equal(first.mask, again.mask)
    assert first.parameters == again.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_decodes_to_the_pixels_and_the_parameters_are_json(pool: Pool, kind: str) -> None:
    for seed in range(4):
        made = make(pool, seed, SIDE, kind)
        with Image.open(io.BytesIO(made.data)) as image:
            assert image.format == made.format
            assert np.array_equal(np.asarray(image.convert("RGB")), made.pixels)
        assert made.pixels.shape == (SIDE, SIDE, 3)
        assert made.mask.shape == (SIDE, SIDE)
        assert json.loads(json.dumps(made.parameters)) == made.parameters


def test_only_tampered_pictures_have_a_mask(pool: Pool) -> None:
    verdicts = set()
    for seed in range(40):
        made = make(pool, seed, SIDE)
        verdicts.add(made.verdict)
        assert made.mask.any() == (made.verdict == Verdict.TAMPERED)
        assert made.mask.mean() == pytest.approx(made.parameters["area"])
    assert verdicts == {Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC}


@pytest.mark.parametrize(("kind", "side"), [("untouched", 64), ("generated", 300), ("splice", 700)])
def test_every_asked_side_is_met(pool: Pool, kind: str, side: int) -> None:
    for seed in range(4):
        assert make(pool, seed, side, kind).pixels.shape == (side, side, 3)


@pytest.fixture
def camera_pool(pool: Pool) -> Pool:
    """The same photographs as their cameras wrote them."""
    native = [replace(source, native=True) for source in pool.photographs]
    return Pool(native, pool.generated)


@pytest.mark.parametrize("kind", ["exemplar_fill", "retyped", "untouched"])
def test_a_cameras_picture_is_only_compressed_and_edited_a_little(
    camera_pool: Pool, kind: str
) -> None:
    for seed in range(4):
        made = make(camera_pool, seed, 256, kind, camera=True)
        assert made.parameters["crop"]["scale"] == 1.0
        steps = [*made.parameters["first"], *made.parameters["later"], made.parameters["file"]]
        assert {step["step"].lower() for step in steps} == {"jpeg"}
        assert len(steps) <= 2
        assert made.parameters["page"] is None
        if kind != "untouched":
            assert 0.005 <= made.mask.mean() <= 0.1


def test_a_cameras_picture_needs_one_that_is_large_enough(camera_pool: Pool, pool: Pool) -> None:
    for sources, side in ((pool, 128), (camera_pool, 4000)):
        with pytest.raises(ValueError, match="as its camera wrote it"):
            make(sources, 0, side, camera=True)


def test_without_a_side_sizes_vary_and_mask_and_pixels_agree(pool: Pool) -> None:
    made = [make(pool, seed) for seed in range(6)]
    assert len({one.pixels.shape for one in made}) > 1
    assert all(one.mask.shape == one.pixels.shape[:2] for one in made)


def test_a_verdict_or_kind_that_cannot_be_made_is_refused(pool: Pool) -> None:
    with pytest.raises(ValueError, match="no such kind 'collage'"):
        make(pool, 0, SIDE, "collage")
    with pytest.raises(ValueError, match="is tampered, but authentic"):
        make(pool, 0, SIDE, "splice", Verdict.AUTHENTIC)
    bare = Pool(pool.photographs, [])
    with pytest.raises(ValueError, match="no generated picture"):
        make(bare, 0, SIDE, verdict=Verdict.SYNTHETIC)
    with pytest.raises(ValueError, match="no face is known"):
        make(bare, 0, SIDE, "face")
    assert make(bare, 0, SIDE, "local_generation").mask.any()
    assert make(bare, 0, SIDE, "reprocessed").verdict == Verdict.SYNTHETIC


def test_a_portraits_twin_shows_the_face_that_was_forged(pool: Pool) -> None:
    portraits = 0
    for seed in range(60):
        forged = make(pool, seed, 192, verdict=Verdict.TAMPERED)
        if forged.kind == "face":
            portraits += 1
            twin = make(pool, seed, 192, verdict=Verdict.AUTHENTIC)
            assert twin.parameters["host"] == forged.parameters["host"]
    assert portraits


def test_format_size_quality_and_history_tell_no_class_apart(pool: Pool) -> None:
    facts: dict[Verdict, list[tuple[float, ...]]] = {}
    for seed in range(160):
        made = make(pool, seed)
        file, first = made.parameters["file"], made.parameters["first"]
        facts.setdefault(made.verdict, []).append(
            (
                *made.pixels.shape[:2],
                made.format == "JPEG",
                file.get("quality", 80),
                file.get("subsampling") == "4:2:0",
                len(first),
            )
        )
    tables = [np.array(rows, float) for rows in facts.values()]
    everything = np.concatenate(tables)
    for table in tables:
        # Four standard errors, for means and for spreads; the seeds are fixed.
        bound = 4 * everything.std(0) / np.sqrt(len(table)) + 1e-9
        assert (np.abs(table.mean(0) - everything.mean(0)) < bound).all()
        assert (np.abs(table.std(0) - everything.std(0)) < bound).all()


def test_the_class_asked_for_changes_neither_size_nor_file(pool: Pool) -> None:
    for seed in range(12):
        made = [make(pool, seed, verdict=verdict) for verdict in CLASSES]
        assert len({one.pixels.shape for one in made}) == 1
        files = [one.parameters["file"] for one in made]
        assert files[0] == files[1] == files[2]
        firsts = [one.parameters["first"] for one in made]
        assert firsts[0] == firsts[1] == firsts[2]


def test_pictures_at_camera_resolution_are_compressed_but_never_resized(pool: Pool) -> None:
    hosts = [replace(source, native=True) for source in pool.photographs]
    cameras, found = Pool(hosts, pool.generated), 0
    for seed in range(30):
        drawn = make(cameras, seed, SIDE).parameters
        if not drawn["native"]:
            continue
        found += 1
        assert drawn["crop"]["scale"] == 1.0
        assert {step["step"] for step in drawn["later"]} <= {"jpeg"}
        assert drawn["first"] == []
    assert found > 5


def test_an_untouched_native_picture_is_the_cameras_pixels_and_one_compression(
    pool: Pool,
) -> None:
    cameras = Pool([replace(source, native=True) for source in pool.photographs], [])
    found = 0
    for seed in range(40):
        made = make(cameras, seed, SIDE, "untouched")
        drawn = made.parameters
        if not drawn["native"] or drawn["later"] or drawn["page"]:
            continue
        found += 1
        source = next(one for one in cameras.photographs if one.name == drawn["host"])
        top, left = drawn["crop"]["top"], drawn["crop"]["left"]
        pixels = cameras.read(source)[top : top + SIDE, left : left + SIDE]
        file = {name: value for name, value in drawn["file"].items() if name != "step"}
        assert made.data == encode(pixels, Step(made.format, file))
    assert found


def test_a_page_is_forged_as_a_document_where_its_twin_is_an_untouched_page(pool: Pool) -> None:
    pages = 0
    for seed in range(40):
        authentic = make(pool, seed, SIDE, verdict=Verdict.AUTHENTIC)
        tampered = make(pool, seed, SIDE, verdict=Verdict.TAMPERED)
        assert (authentic.parameters["page"] is not None) == (tampered.kind == "document")
        pages += tampered.kind == "document"
    assert pages


def test_trivial_facts_do_not_tell_forged_from_untouched(pool: Pool) -> None:
    features, labels = made_features(pool, range(240), SIDE)
    assert features.shape == (240, len(FEATURES))
    # With 120 of each class the area of a coin-tosser spreads by 0.037: three of that above 0.5.
    assert separability(features, labels) < 0.61


def test_a_shortcut_that_is_there_is_found() -> None:
    labels = np.arange(200) % 2 == 1
    noise = np.random.default_rng(0).normal(size=(200, 3))
    noise[:, 1] += 2 * labels
    assert separability(noise, labels) > 0.8
