from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import Verdict
from morelli.eval.attacks import ATTACKS, GROUPS, Aim, Attack
from morelli.eval.attacks.aim import saved


@pytest.fixture
def picture() -> Picture:
    rng = np.random.default_rng(0)
    ramp = np.linspace(60, 180, 160)[None, :, None]
    return saved(np.clip(ramp + rng.normal(0, 6, (128, 160, 3)), 0, 255).astype(np.uint8), "made")


@pytest.mark.parametrize("family", [name for name in ATTACKS if name != "pgd"])
def test_every_attack_gives_a_picture_of_the_same_size_each_time_the_same(
    family: str, picture: Picture, random_examiner: Any
) -> None:
    attack = Attack(family, ATTACKS[family].strengths[0])
    aim = Aim(random_examiner, picture, Verdict.TAMPERED, np.zeros((128, 160), bool))
    attacked = attack.apply(aim)
    assert attacked.picture.pixels.shape == picture.pixels.shape
    assert attacked.picture.data == attack.apply(aim).picture.data
    assert attacked.label is aim.label
    assert attacked.mask is aim.mask
    assert attacked.picture.data != picture.data or attacked.examiner is not aim.examiner


def test_names_are_read_back_and_groups_stand_for_their_families() -> None:
    for attack in Attack.read([*ATTACKS, *GROUPS]):
        assert Attack.of_name(attack.name) == attack
    words = Attack.read(["typographic:6"])
    assert [one.family for one in words] == list(GROUPS["typographic"])
    assert {one.strength for one in words} == {6.0}


@pytest.mark.parametrize("word", ["pgdd", "pgd:17", "rebuilt:0", "dilution:many"])
def test_what_is_no_attack_is_refused_by_name(word: str) -> None:
    with pytest.raises(ValueError, match=word.partition(":")[0]):
        Attack.read([word])


@pytest.mark.parametrize("family", ["pgd", "dilution"])
def test_who_has_no_gradients_or_no_prompt_is_told_so(
    family: str, picture: Picture, examiner: Any
) -> None:
    with pytest.raises(ValueError, match="leave"):
        Attack(family, 2).apply(Aim(examiner, picture, Verdict.TAMPERED))
