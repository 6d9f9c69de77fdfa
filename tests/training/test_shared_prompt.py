import pytest
import torch

from morelli.training.conversations import UNKNOWN
from morelli.training.losses import overlap_loss
from morelli.training.rollouts import RolloutReader
from morelli.training.sampling_weights import merged_for_sampling, token_weight
from morelli.training.shared_prompt import (
    Sampled,
    answer_states,
    terms_of,
    token_scores,
)

WORDS = (" tampered<seg>\n[noise normal whole picture] Even.", " authentic<seg>\n", " synthetic")


@pytest.fixture
def begun(small):
    """Return a reader and a picture with three sampled answers."""
    start = small.start()
    model = start.model.get_base_model().train()
    model.model.vision.requires_grad_(False).eval()
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at first, so that updates would do nothing
            torch.nn.init.normal_(parameter, std=0.05)
    reader = RolloutReader(model, start.processor, start.calibrator)
    answers = tuple(tuple(start.processor.encode(words)) for words in WORDS)
    return reader, Sampled(small.case(1), answers)


def gradients(reader, loss):
    reader.model.zero_grad()
    loss.backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in reader.model.named_parameters()
        if parameter.grad is not None
    }


def alone(reader, sampled, answer):
    """Return the log-probabilities of one answer from a pass of its own, prompt included."""
    prompt = reader.prompt(sampled.case)
    logits = reader.model(
        input_ids=torch.tensor([[*prompt, *answer]]), features=reader.features(sampled.case)
    ).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(answer)[:, None])[:, 0]


def test_a_shared_prompt_gives_the_scores_and_gradients_of_passes_of_their_own(begun):
    reader, sampled = begun
    terms = terms_of(reader, sampled, 1.0)
    single = [alone(reader, sampled, answer) for answer in sampled.answers]
    for found, expected in zip(terms.log_probabilities, single, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    shared = gradients(reader, sum(part.sum() for part in terms.log_probabilities))
    own = gradients(reader, sum(part.sum() for part in single))
    assert any("lora" in name for name in own)
    for name, gradient in own.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-3, atol=1e-5)


def test_no_answer_sees_another(begun):
    reader, sampled = begun
    prompt, features = reader.prompt(sampled.case), reader.features(sampled.case)
    first, *others = sampled.answers
    with torch.no_grad():
        together = answer_states(reader.model, features, prompt, [first, *others])
        changed = answer_states(reader.model, features, prompt, [first, [40] * 9, [41]])
    torch.testing.assert_close(together[0], changed[0])


def test_scores_are_those_of_the_temperature_and_the_entropy_is_that_of_the_draw():
    torch.manual_seed(0)
    weight, states = torch.randn(7, 4), torch.randn(300, 4)
    tokens = torch.randint(7, (300,))
    found, entropy = token_scores(weight, states, tokens, 2.0)
    spread = torch.distributions.Categorical(logits=states @ weight.T / 2)
    torch.testing.assert_close(found, spread.log_prob(tokens))
    torch.testing.assert_close(entropy, spread.entropy())


def test_the_head_scores_as_the_model_does(begun):
    reader, _ = begun
    states = torch.randn(3, 32)
    with torch.no_grad():
        expected = reader.model.lm_head(states)
        torch.testing.assert_close(states @ token_weight(reader.model.lm_head).T, expected)


def test_the_masks_of_sampled_answers_teach_the_decoder_and_the_words(begun):
    reader, sampled = begun
    learned = gradients(reader, terms_of(reader, sampled, 1.0).mask)
    for part in ("mask_decoder", "seg_prompt", "lora"):
        assert any(part in name and gradient.any() for name, gradient in learned.items())


def test_answers_without_a_mask_teach_nothing_about_masks(begun):
    reader, sampled = begun
    silent = Sampled(sampled.case, (sampled.answers[2],))
    assert float(terms_of(reader, silent, 1.0).mask.detach()) == 0


def test_the_overlap_loss_is_worked_by_hand_and_leaves_out_what_nobody_knows():
    logits = torch.tensor([[[50.0, 50.0], [-50.0, -50.0]]])
    truth = torch.tensor([[[1.0, 0.0], [1.0, UNKNOWN]]])
    known = truth != UNKNOWN
    # one pixel in both, three in either
    assert float(overlap_loss(logits, truth.clamp(min=0), known)) == pytest.approx(2 / 3)
    assert float(overlap_loss(logits, torch.zeros(1, 2, 2), known)) == 0


def test_merged_weights_write_what_the_learning_ones_say_and_go_as_they_came(begun):
    reader, sampled = begun
    prompt, features = reader.prompt(sampled.case), reader.features(sampled.case)
    before = dict(reader.model.named_modules())
    with torch.no_grad():
        plain = answer_states(reader.model, features, prompt, sampled.answers)
        for dtype, slack in ((torch.float32, 1e-5), (torch.bfloat16, 0.1)):
            with merged_for_sampling(reader.model, dtype):
                merged = answer_states(reader.model, features, prompt, sampled.answers)
            for one, other in zip(plain, merged, strict=True):
                torch.testing.assert_close(one, other, rtol=slack, atol=slack)
    assert dict(reader.model.named_modules()) == before
