"""Expected ranges: what is stored, and how they are fitted."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.instruments import FACTS, INSTRUMENTS, fit_ranges, measure
from morelli.data_pipeline.instruments.ranges import expected_range


def stored():
    return json.loads(fit_ranges.RANGES.read_text(encoding="utf-8"))["instruments"]


FITTED = [name for name in INSTRUMENTS if name not in FACTS]


@pytest.mark.parametrize("name", FITTED)
def test_ranges_were_fitted_with_at_most_five_percent_false_alarms(name):
    entry = stored()[name]
    assert entry["as_is"]["n"] >= 150
    assert entry["as_is"]["rate"] <= 0.05
    # Ranges that are given, not fitted, are counted on files as they are alone.
    assert entry["versions"]["n"] == 0 or entry["versions"]["rate"] <= 0.05
    assert len(entry["folds"]) == fit_ranges.FOLDS
    assert expected_range(name) == (entry["low"], entry["high"])


def test_all_instruments_together_raise_an_alarm_on_at_most_a_tenth():
    counted = json.loads(fit_ranges.RANGES.read_text(encoding="utf-8"))["together"]
    assert set(counted["instruments"]) == set(FITTED)
    assert counted["n"] >= 150
    assert counted["rate"] <= 0.1


def test_an_alarm_of_any_instrument_counts_once_and_only_where_all_have_read():
    as_is = [{"a": 2.0, "b": 2.0}, {"a": 0.0, "b": 2.0}, {"a": 0.0, "b": None}, {"a": 9.0}]
    sought = [fit_ranges.Sought(name, 0.0, given=1.0) for name in ("a", "b")]
    readings = [{fit_ranges.AS_IS: values} for values in as_is]
    counted = fit_ranges.together(readings, [0, 1, 2, 3], sought)
    assert (counted["alarms"], counted["n"]) == (2, 3)


def test_a_fit_that_was_cut_off_goes_on_with_what_the_cache_holds(tmp_path):
    path, cache = tmp_path / "photograph.png", tmp_path / "cache.jsonl"
    Image.fromarray(data.chelsea()).save(path)
    known = {path.name: {fit_ranges.AS_IS: {"noise": 1.5, "spectrum": 2.0}}}
    reader = fit_ranges.Reader(("spectrum", "metadata"), ("noise",), 0, known)
    (found,) = fit_ranges.read_all([path], reader, cache, 60.0, 1)
    assert found[fit_ranges.AS_IS] == {"noise": 1.5, "spectrum": 2.0, "metadata": None}
    assert json.loads(cache.read_text(encoding="utf-8")) == [path.name, found]


def test_an_instrument_without_a_range_is_named_with_the_way_out():
    with pytest.raises(KeyError, match=r"fit_ranges"):
        expected_range("tea leaves")


def test_folds_never_cut_a_camera_and_are_of_about_equal_size():
    keys = [f"camera {number % 37}" for number in range(200)]
    folds = fit_ranges.folds_of(keys)
    assert len(set(zip(keys, folds, strict=True))) == 37
    sizes = np.bincount(folds, minlength=fit_ranges.FOLDS)
    assert sizes.max() - sizes.min() <= 6


def test_the_range_leaves_out_no_more_than_the_target():
    values = np.random.default_rng(0).exponential(size=400)
    readings = [{fit_ranges.AS_IS: {"noise": float(v)}, "other": {"noise": None}} for v in values]
    limit = fit_ranges.highest_expected(readings, "noise", fit_ranges.TARGET)
    assert (values > limit).mean() <= fit_ranges.TARGET
    assert (values > 0.9 * limit).mean() > fit_ranges.TARGET / 2


def test_the_upper_bound_covers_the_rule_of_three():
    assert fit_ranges.upper_bound(0, 300) == pytest.approx(3 / 300, rel=0.02)
    assert fit_ranges.upper_bound(5, 5) == 1.0


def test_every_instrument_of_the_table_answers_by_its_own_name(tmp_path):
    path = tmp_path / "photograph.jpg"
    Image.fromarray(data.chelsea()).save(path, quality=90)
    readings = measure(open_picture(path))
    assert [reading.instrument for reading in readings] == list(INSTRUMENTS)


def test_fitting_writes_ranges_that_say_how_they_came_about(tmp_path):
    rows = ["path,source,camera"]
    for number in range(10):
        crop = data.coffee()[20 * number :, 30 * number :][:160, :160]
        Image.fromarray(crop).save(tmp_path / f"{number}.jpg", quality=90)
        rows.append(f"{number}.jpg,coffee,camera {number}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    out = tmp_path / "ranges.json"
    out.write_text('{"instruments": {"noise": {"low": 1.0}}}', encoding="utf-8")
    fit_ranges.main([str(tmp_path), "--instruments", "noise", "--out", str(out)])
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["photographs"] == 10
    assert "fit_ranges" in written["command"]
    assert written["instruments"]["noise"]["high"] > 1
    assert sum(fold["n"] for fold in written["instruments"]["noise"]["folds"]) == 10
