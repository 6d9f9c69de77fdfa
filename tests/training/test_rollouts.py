from dataclasses import replace

import numpy as np
import torch

from morelli.training.rollouts import RolloutReader

WORDS = (" tampered<seg>\n", " authentic<seg>\n", " synthetic")


def rollouts_of(small, calibrator):
    start, case = small.start(), small.case(1)
    torch.manual_seed(1)
    for name, parameter in start.model.named_parameters():
        if "lora_B" in name:  # zero at first, so that verdicts would all draw one map
            torch.nn.init.normal_(parameter, std=0.05)
    reader = RolloutReader(start.model.get_base_model().eval(), start.processor, calibrator)
    answers = [tuple(start.processor.encode(words)) for words in WORDS]
    return reader.read([case] * len(answers), answers)


def test_the_probability_does_not_hang_on_the_verdict_that_was_sampled(small):
    weighed = replace(small.start().calibrator, map_weights=(0.0, 3.0, 0.0), mask_offset=0.5)
    said = rollouts_of(small, weighed)
    assert len({one.map.tobytes() for one in said}) == len(said)
    for one in said[1:]:
        assert one.probability.tolist() == said[0].probability.tolist()


def test_what_the_map_shows_is_in_the_probability(small):
    plain = small.start().calibrator
    weighed = replace(plain, map_weights=(0.0, 1e4, 0.0))  # random masks are flat
    without, with_map = (rollouts_of(small, one)[0].probability for one in (plain, weighed))
    assert not np.allclose(without, with_map, atol=1e-3)
