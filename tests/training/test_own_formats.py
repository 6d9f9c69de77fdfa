"""What other trainers' files hold arrives in a batch, whichever format it came in."""

import numpy as np
import pytest

from morelli.data_pipeline.converters import FORMATS, WRITERS, rows
from morelli.data_pipeline.manifest import Row, Turn, rows_of, write_rows
from morelli.training.cases import Cases, sample_case
from morelli.training.own_data import Lessons, read_samples

IN_GRAMMAR = "Verdict: {}<seg>\n[noise normal whole picture] The grain is even."
FREE = {
    "authentic": "This image is real. The light is even.",
    "tampered": "This image has been tampered with. The edge is hard.",
}


def _converted(name, words, small, tmp_path):
    """Write four pictures in a format, read them back, and return the manifest of that."""
    (tmp_path / "in").mkdir()
    source = small.write_manifest(tmp_path / "in", 4)
    given = [
        Row(row.sample, (Turn("user", "<image>\nIs it real?"), Turn("assistant", words(row))))
        for _, row in rows_of(source)
    ]
    (tmp_path / "out").mkdir()
    written = WRITERS[name](given, tmp_path / "out")
    manifest = tmp_path / "manifest.jsonl"
    write_rows(rows(name, written, tmp_path / "work"), manifest)
    return manifest


def _batch(small, manifest):
    samples = read_samples(manifest)
    processor = small.start().processor
    names = processor.config.map_names
    cases = Cases(lambda number: sample_case(samples[number], names), len(samples))
    return samples, Lessons(cases, cases, processor, 0, 0.0, 0.0)([0, 1, 2, 3])


@pytest.mark.parametrize("name", FORMATS)
def test_every_instruction_format_becomes_a_batch(name, small, tmp_path):
    manifest = _converted(name, lambda row: IN_GRAMMAR.format(row.sample.verdict), small, tmp_path)
    samples, batch = _batch(small, manifest)
    assert {sample.answer for sample in samples} == {
        IN_GRAMMAR.format(verdict) for verdict in ("authentic", "tampered")
    }
    assert sorted(batch["labels"].tolist()) == [0, 0, 1, 1]
    altered = batch["truth"].clamp(min=0).flatten(1).amax(dim=1)
    assert np.array_equal((altered > 0).numpy(), (batch["labels"] == 1).numpy())


def test_free_words_are_left_aside_and_said_to_be(small, tmp_path, caplog):
    manifest = _converted("llava", lambda row: FREE[row.sample.verdict], small, tmp_path)
    samples, batch = _batch(small, manifest)
    assert [sample.answer for sample in samples] == [None] * 4
    assert len(batch["labels"]) == 4
    assert caplog.text.count("morelli data annotate") == 4
