import pytest

from morelli.model.plan import count_by_part, plan
from morelli.model.presets import PRESETS

STAGES = (
    "inference fp32",
    "inference bf16",
    "inference 4 bit",
    "localise LoRA",
    "localise full",
    "explain LoRA (SFT)",
    "explain full (SFT)",
    "reward LoRA (GRPO)",
    "reward full (GRPO)",
)


def rows(text):
    """Read the memory table: stage to (GiB, the machines' answers)."""
    found = {}
    for line in text.splitlines():
        name = next((stage for stage in STAGES if line.strip().startswith(stage)), None)
        if name is not None:
            gib, *answers = line.strip().removeprefix(name).split()
            found[name] = float(gib.replace(",", "")), [answer == "yes" for answer in answers]
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_the_plan_has_every_stage_and_an_answer_for_each_of_six_machines(preset):
    found = rows(plan(preset))
    assert tuple(found) == STAGES
    assert all(len(answers) == 6 for _, answers in found.values())


def test_an_unknown_preset_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match="no preset 'huge'; there are tiny, embedded"):
        plan("huge")


def test_a_machine_with_more_memory_fits_all_that_a_smaller_one_does():
    # columns: CPU 24, 4090 24, A100 40, A100 80, H100 80, 8 x H100
    for _, answers in rows(plan("fakereasoning-13b")).values():
        assert answers == sorted(answers)


def test_less_precise_weights_take_less_and_full_training_takes_more():
    memory = {stage: gib for stage, (gib, _) in rows(plan("qwen2.5-7b")).items()}
    assert memory["inference 4 bit"] < memory["inference bf16"] < memory["inference fp32"]
    for stage in ("localise LoRA", "explain LoRA (SFT)", "reward LoRA (GRPO)"):
        assert memory[stage] < memory[stage.replace("LoRA", "full")]


def test_embedded_runs_and_trains_on_two_cores():
    assert all(answers[0] for _, answers in rows(plan("embedded")).values())


def test_full_training_of_thirteen_billion_fits_no_single_gpu_but_eight():
    # 13.7e9 parameters x 16 bytes = 204 GiB: too much for 80 GiB, 26 GiB each on eight
    gib, answers = rows(plan("fakereasoning-13b"))["explain full (SFT)"]
    assert gib > 200
    assert answers == [False] * 5 + [True]


def test_the_parts_of_fakereasoning_count_what_was_published():
    sizes = count_by_part("fakereasoning-13b")
    assert sizes["fusion"] == 314_640_432
    assert round(sizes["projectors"] / 1e6, 1) == 62.9


def test_a_tied_head_counts_once():
    # vocabulary 49152 x width 576 = 28.3 M are in the 134.5 M of SmolLM2-135M once
    assert round(count_by_part("embedded")["language model"] / 1e6, 1) == 134.5


def test_what_is_shared_out_shrinks_with_the_gpus_and_by_strategy():
    def held(gpus, strategy):
        text = plan("qwen2.5-7b", gpus, strategy).partition(f"on each of {gpus} GPUs")[2]
        line = next(x for x in text.splitlines() if x.strip().startswith("explain full (SFT)"))
        return float(line.split()[3])

    assert held(8, "ddp") == held(64, "ddp") == held(1, "fsdp")
    assert held(64, "fsdp") < held(8, "fsdp") < held(8, "zero2") < held(8, "ddp")
    assert held(8, "fsdp") == held(8, "zero3")


def test_a_strategy_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="by 'magic'"):
        plan("tiny", 8, "magic")
