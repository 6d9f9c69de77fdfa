import math

import pytest
import torch

from morelli.training.losses import mask_loss, verdict_loss

ALL = torch.ones(1, 2, 2, dtype=torch.bool)
ONE_ALTERED = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])


def test_undecided_logits_cost_what_is_worked_by_hand():
    loss = mask_loss(torch.zeros(1, 2, 2), ONE_ALTERED, ALL)
    # each pixel costs ln 2, the altered one twice that: (2 + 1 + 1 + 1) / 4
    assert loss.cross_entropy.item() == pytest.approx(1.25 * math.log(2))
    # shares 1/2: overlap 1/2, sizes 2 and 1: 1 - (2 x 1/2 + 1) / (2 + 1 + 1)
    assert loss.dice.item() == pytest.approx(0.5)


def test_a_sure_and_right_mask_costs_nothing():
    loss = mask_loss(40 * (2 * ONE_ALTERED - 1), ONE_ALTERED, ALL)
    assert loss.cross_entropy.item() == pytest.approx(0.0, abs=1e-6)
    assert loss.dice.item() == pytest.approx(0.0, abs=1e-6)


def test_a_sure_and_wrong_mask_has_almost_no_overlap():
    loss = mask_loss(-40 * (2 * ONE_ALTERED - 1), ONE_ALTERED, ALL)
    # overlap 0, sizes 3 and 1: 1 - 1 / 5
    assert loss.dice.item() == pytest.approx(0.8)
    # each pixel costs 40, the altered one 80
    assert loss.cross_entropy.item() == pytest.approx(50.0)


@pytest.mark.parametrize("noise", [-30.0, 5.0, 30.0])
def test_unknown_pixels_do_not_count(noise):
    known = torch.tensor([[[True, True], [False, True]]])
    logits = torch.tensor([[[1.0, -2.0], [0.0, 0.5]]])
    truth = ONE_ALTERED.clone()
    plain = mask_loss(logits, truth, known)
    logits[0, 1, 0], truth[0, 1, 0] = noise, 1.0
    changed = mask_loss(logits, truth, known)
    torch.testing.assert_close(changed.cross_entropy, plain.cross_entropy)
    torch.testing.assert_close(changed.dice, plain.dice)


def test_unknown_pixels_get_no_gradient():
    known = torch.tensor([[[True, True], [False, True]]])
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    loss = mask_loss(logits, ONE_ALTERED, known)
    (loss.cross_entropy + loss.dice).backward()
    assert ((logits.grad != 0) == known).all()


def test_dice_looks_only_at_tiles_that_hold_altered_pixels():
    logits = torch.tensor([[[1.0, -1.0], [0.0, 2.0]]])
    alone = mask_loss(logits, ONE_ALTERED, ALL)
    both = mask_loss(
        torch.cat([logits, torch.full((1, 2, 2), 3.0)]),
        torch.cat([ONE_ALTERED, torch.zeros(1, 2, 2)]),
        torch.cat([ALL, ALL]),
    )
    torch.testing.assert_close(both.dice, alone.dice)


def test_with_nothing_altered_or_nothing_known_the_loss_is_still_a_number_with_a_gradient():
    for truth, known in ((torch.zeros(1, 2, 2), ALL), (ONE_ALTERED, ~ALL)):
        logits = torch.ones(1, 2, 2, requires_grad=True)
        loss = mask_loss(logits, truth, known)
        assert loss.dice.item() == 0.0
        (loss.cross_entropy + loss.dice).backward()
        assert logits.grad.isfinite().all()


def test_half_precision_logits_are_summed_in_single_precision():
    logits = torch.linspace(-4, 4, 4).reshape(1, 2, 2).to(torch.bfloat16)
    found = mask_loss(logits, ONE_ALTERED, ALL)
    expected = mask_loss(logits.float(), ONE_ALTERED, ALL)
    torch.testing.assert_close(found.cross_entropy, expected.cross_entropy)
    assert found.cross_entropy.dtype == torch.float32


def test_verdict_loss_is_the_mean_surprise_at_the_right_class():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    # (-ln 0.25 - ln 0.8) / 2
    expected = -(math.log(0.25) + math.log(0.8)) / 2
    assert verdict_loss(logits, torch.tensor([1, 2])).item() == pytest.approx(expected)
