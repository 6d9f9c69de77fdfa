import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from morelli.data_pipeline.answer import prefix
from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.schema import Verdict
from morelli.model.checkpoint import load_checkpoint
from morelli.model.examiner import Examiner
from morelli.training import sft
from morelli.training.adapters import freeze_encoders
from morelli.training.cases import Cases
from morelli.training.export import export
from morelli.training.feature_cache import cache_features
from morelli.training.loop import LoopConfig
from morelli.training.own_data import Lessons
from morelli.training.resuming import TrainingError
from morelli.training.rollouts import RolloutReader, sample_answers
from morelli.training.run_folder import read_metrics
from morelli.training.sft import SFTConfig, learn, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SAID = {Verdict.AUTHENTIC: "Even.", Verdict.TAMPERED: "Odd."}


def with_answer(one):
    line = f"[noise normal whole picture] {SAID[one.truth.verdict]}"
    return replace(one, answer=prefix(one.truth.verdict) + line)


def test_eight_pictures_are_learned_by_heart(small, tmp_path):
    begun = small.start()
    model = begun.model.get_base_model()
    freeze_encoders(model)
    cache = cache_features(model)
    cases = [with_answer(small.case(seed)) for seed in range(8)]
    train, validation = Cases(cases.__getitem__, 8), Cases(cases.__getitem__, 2)
    loop = LoopConfig(
        steps=300, pictures=8, warmup=5, workers=0, log_steps=50, save_steps=150
    )  # fmt: skip
    config = SFTConfig(
        tmp_path, tmp_path, readings_dropped=0, inconclusive=0, low_rank_rate=1e-2, full_rate=1e-2,
        loop=loop,
    )  # fmt: skip
    assert learn(begun, train, validation, config)
    assert cache.computed == 8

    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "words" in row]
    for name in ("loss", "words", "verdict", "mask_cross_entropy", "mask_dice"):
        assert rows[-1][name] < 0.5 * rows[0][name], name
    assert {"eval_loss", "eval_words", "eval_mask_dice"} <= {
        name for row in read_metrics(tmp_path / "metrics.jsonl") for name in row
    }

    reader = RolloutReader(model.eval(), begun.processor, begun.calibrator)
    answers = sample_answers(reader, cases, 60)
    assert [answer.text for answer in answers] == [one.answer for one in cases]
    dice = [
        2 * (a.mask & c.truth.mask).sum() / (a.mask.sum() + c.truth.mask.sum())
        for a, c in zip(answers, cases, strict=True)
        if c.truth.verdict is Verdict.TAMPERED
    ]
    assert np.mean(dice) > 0.7


def settings_of(manifest, out, **loop):
    options = {"steps": 6, "pictures": 2, "accumulate": 2, "warmup": 1, "workers": 0,
               "log_steps": 1, "save_steps": 2, **loop}  # fmt: skip
    return SFTConfig(
        manifest, out, preset="tiny", validation=0.2, test=0.2, most_tokens=8,
        loop=LoopConfig(**options),
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    """A run of six steps on twelve pictures, and its manifest."""
    manifest = small.write_manifest(tmp_path_factory.mktemp("data"), 12)
    out = tmp_path_factory.mktemp("runs") / "straight"
    return manifest, run(settings_of(manifest, out))


def test_a_run_folder_holds_all_that_one_wants_to_know(finished, tmp_path):
    manifest, out = finished
    config = json.loads((out / "config.json").read_text())
    assert config["loop"]["steps"] == 6
    assert config["data"] == str(manifest)
    steps = [row["step"] for row in read_metrics(out / "metrics.jsonl") if "words" in row]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    compared = json.loads((out / "evaluation.json").read_text())
    assert compared["before"]["score"]["n"] == compared["after"]["score"]["n"] >= 2
    assert (out / "samples" / "00.png").exists()
    assert "| score |" in (out / "checkpoint" / "README.md").read_text()
    assert json.loads((out / "strategy.json").read_text())

    report = Examiner.load(out).examine(open_picture(manifest.parent / "1.png"))
    assert report.map.shape == (64, 64)
    assert any("score on" in name for name in report.validation)

    whole = load_checkpoint(export(out, tmp_path / "export"))
    assert (tmp_path / "export" / "language" / "model.safetensors").exists()
    ids = torch.tensor([[3, 20, 30]])
    with torch.no_grad():
        torch.testing.assert_close(
            whole.model(input_ids=ids).logits, load_checkpoint(out).model(input_ids=ids).logits
        )
    with pytest.raises(FileExistsError):
        export(out, tmp_path / "export")


def test_a_stopped_run_goes_on_to_the_same_losses(finished, tmp_path, monkeypatch):
    manifest, straight = finished
    plain = Lessons.__call__

    def stops(lessons, numbers):
        if max(numbers) >= 4 * 4:
            raise KeyboardInterrupt
        return plain(lessons, numbers)

    out = tmp_path / "stopped"
    monkeypatch.setattr(Lessons, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        run(settings_of(manifest, out))
    monkeypatch.setattr(Lessons, "__call__", plain)
    run(settings_of(manifest, out))

    def losses(folder):
        rows = read_metrics(folder / "metrics.jsonl")
        return [(row["step"], row["loss"]) for row in rows if "words" in row]

    expected = losses(straight)
    assert [step for step, _ in losses(out)] == [step for step, _ in expected]
    np.testing.assert_allclose(losses(out), expected, atol=1e-3)


def test_a_loss_that_is_not_a_number_stops_with_what_to_do(finished, tmp_path, monkeypatch):
    manifest, _ = finished
    monkeypatch.setitem(sft.WEIGHTS, "words", float("nan"))
    with pytest.raises(TrainingError, match="half the learning rates"):
        run(settings_of(manifest, tmp_path / "broken"))
