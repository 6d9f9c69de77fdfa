from dataclasses import replace
from typing import Any

import numpy as np
import torch

from morelli.eval.attacks.aim import saved
from morelli.eval.plain_loop import agreement, by_examiner, by_generate
from morelli.model.checkpoint import Checkpoint
from morelli.model.forgery_vlm import ForgeryVLM


def test_generate_writes_as_many_tokens_after_the_same_verdict(random_examiner: Any) -> None:
    picture = saved(np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8), "made")
    checkpoint: Checkpoint = random_examiner.checkpoint
    torch.manual_seed(0)
    stored = replace(checkpoint, model=ForgeryVLM(checkpoint.model.config).eval())
    ours = by_examiner(random_examiner, picture)
    theirs = by_generate(stored, picture, ours)
    assert theirs.count == ours.count > 1
    assert theirs.tokens == ours.tokens
    assert theirs.seconds > 0


def test_agreement_counts_answers_in_the_same_words(random_examiner: Any) -> None:
    picture = saved(np.zeros((70, 70, 3), np.uint8), "made")
    one = by_examiner(random_examiner, picture)
    assert agreement([one, one], [one, replace(one, text="other")]) == 0.5
