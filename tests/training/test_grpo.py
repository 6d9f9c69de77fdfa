import copy
import json

import numpy as np
import pytest
import torch

from morelli.data_pipeline.answer import VERDICT_STEM, prefix
from morelli.data_pipeline.schema import Verdict
from morelli.training.grpo import PolicyConfig, prompts_of, train, trainer_of
from morelli.training.held_out import held_out
from morelli.training.rewards import REWARDS, RewardWeights
from morelli.training.rollouts import RolloutReader, sample_answers
from morelli.training.run_folder import read_metrics

TRUE = "[noise normal whole picture] Even."
FALSE = "[noise anomalous whole picture] Odd."

# transformers and trl warn of their own settings; torch of a loader without pinned memory.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def opening(one):
    return prefix(one.truth.verdict).removeprefix(VERDICT_STEM)


@pytest.fixture(scope="module")
def taught(small):
    """A model that has learned the grammar and lies in half of its claims."""
    start = small.start()
    cases = [small.case(seed) for seed in range(4)]
    pairs = [(one, opening(one) + text) for one in cases for text in (TRUE, FALSE)]
    assert small.teach(start, pairs, steps=300) < 0.2
    return start


@pytest.fixture
def liar(taught):
    """That model, to be changed at will."""
    return copy.deepcopy(taught)


def reader_of(start):
    return RolloutReader(start.model.get_base_model(), start.processor, start.calibrator)


def test_a_held_out_reward_rises_by_three_standard_errors(small, liar, tmp_path):
    fresh = [small.case(seed) for seed in range(100, 148)]
    config = PolicyConfig(
        steps=96, pictures=1, group=8, most_tokens=60, low_rank_rate=1e-3, full_rate=2e-4,
        warmup=1, save_steps=100, precision="float32", workers=0,
    )  # fmt: skip
    before = held_out(reader_of(liar), fresh, 60, draws=2)
    trainer = trainer_of(liar, [small.case(seed) for seed in range(20, 32)], tmp_path, config)
    train(trainer, tmp_path)
    after = held_out(reader_of(liar), fresh, 60, draws=2)
    for name in ("evidence_precision", "score"):
        error = np.hypot(before[name].error, after[name].error)
        assert after[name].mean > before[name].mean + 3 * error

    logged = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "reward" in row]
    assert [row["step"] for row in logged] == list(range(1, 97))
    for name in REWARDS:
        assert 0 <= logged[0][f"rewards/{name}/constant_groups"] <= 1
        assert f"rewards/{name}/mean" in logged[0]
    assert all(np.isfinite(row["mask_loss"]) for row in logged)
    assert (tmp_path / "curves.png").stat().st_size > 1000
    json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])


def test_a_prompt_of_trl_is_the_prompt_of_an_examination(small):
    processor = small.start().processor
    one = small.case(1)
    row = prompts_of([one])[0]
    assert row["case"] is one
    parts = [{"type": "image", "image": one}]
    parts.append({"type": "text", "text": row["prompt"][1]["content"]})
    messages = [row["prompt"][0], {"role": "user", "content": parts}]
    text = processor.prompt(one.measurements, 64, 64)
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == text
    batch = processor.apply_chat_template(
        [messages] * 2, add_generation_prompt=True, tokenize=True, return_dict=True
    )
    assert batch["input_ids"] == [processor.encode(text)] * 2
    views = processor.pixel_values(one.pixels, one.measurements)
    np.testing.assert_array_equal(batch["pixel_values"][1].numpy(), views)


def test_the_mask_and_the_probability_of_a_rollout_are_those_of_a_whole_forward_pass(small):
    start = small.start()
    reader, one = reader_of(start), small.case(1)
    reader.model.eval()
    words = start.processor.encode(" tampered<seg>\n[noise normal whole picture] It is even.")
    end = start.processor.tokenizer.eos_token_id
    (rollout,) = reader.read([one], [[*words, end]])
    assert rollout.finished
    assert rollout.answer.verdict is Verdict.TAMPERED
    assert rollout.answer.claims[0].sentence == "It is even."
    prompt = reader.prompt(one)
    with torch.no_grad():
        output = reader.model.eval()(
            input_ids=torch.tensor([prompt + words]), pixel_values=start.processor.stack([one])
        )
    chances = output.logits[0, len(prompt) - 1, start.processor.verdict_ids].softmax(0)
    np.testing.assert_allclose(rollout.probability, chances, rtol=1e-4)
    masks = output.mask_logits.sigmoid()
    assert abs(rollout.map.mean() - float(masks.mean())) < 0.02


def test_the_verdict_word_is_sampled_with_the_answer(small, liar):
    torch.manual_seed(0)
    one = small.case(0)
    reader = reader_of(liar)
    reader.model.eval()
    drawn = sample_answers(reader, [one] * 8, 60, temperature=1.0)
    assert all(rollout.text.startswith(VERDICT_STEM) for rollout in drawn)
    assert len({rollout.text for rollout in drawn}) > 1


def test_a_picture_is_read_once_a_step_for_all_its_answers(small, tmp_path, monkeypatch):
    opened = []
    plain = RolloutReader.open
    monkeypatch.setattr(
        RolloutReader, "open", lambda self, case: (opened.append(case.name), plain(self, case))[1]
    )
    cases = [small.case(seed) for seed in range(4)]
    config = PolicyConfig(steps=2, pictures=2, group=3, most_tokens=4, workers=0,
                          precision="float32")  # fmt: skip
    train(trainer_of(small.start(), cases, tmp_path, config), tmp_path)
    assert sorted(opened) == sorted(case.name for case in cases)


def test_a_reward_without_weight_is_left_out(small, tmp_path):
    config = PolicyConfig(weights=RewardWeights(length=0.0, placement=0.0))
    trainer = trainer_of(small.start(), [small.case(0)], tmp_path, config)
    assert trainer.reward_func_names == [n for n in REWARDS if n not in ("length", "placement")]


@pytest.mark.parametrize("strategy", ["fsdp", "zero3"])
def test_a_strategy_under_which_processes_would_wait_for_each_other_is_refused(
    small, tmp_path, strategy
):
    with pytest.raises(ValueError, match="take --strategy ddp or zero2"):
        trainer_of(small.start(), [small.case(0)], tmp_path, PolicyConfig(strategy=strategy))
    assert not list(tmp_path.iterdir())
