from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from morelli.data_pipeline.images import Picture
from morelli.model.batching import beside_each_other, write_on
from morelli.model.conversation import Turn
from morelli.model.examiner import Examiner
from morelli.model.growing_cache import growing_cache
from morelli.model.look import Look
from morelli.model.reading_on import remembered
from morelli.model.tiny_checkpoint import make_tiny_checkpoint

Draw = Callable[..., Picture]
SIZES = [(64, 64), (96, 130), (150, 90), (80, 80), (200, 140)]


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    """Return an examiner whose words depend on the picture and on where in the text they stand."""
    checkpoint = make_tiny_checkpoint()
    model = checkpoint.model
    for weight in model.model.language_model.layers.parameters():
        weight.data *= 12 if weight.dim() > 1 else 1
    # A head that is tied to the embedding repeats what was said last.
    head = torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0))
    model.lm_head.weight = torch.nn.Parameter(head)
    return Examiner(checkpoint, stability=False)


@pytest.fixture(scope="module")
def looks(examiner: Examiner, draw: Draw) -> list[Look]:
    """Return looks whose prompts differ in length, as the readings of the pictures do."""
    seen = [examiner.look(draw(*size, seed=seed)) for seed, size in enumerate(SIZES)]
    assert len({len(look.tokens) for look in seen}) > 2
    return seen


def test_words_beside_others_are_those_written_alone(examiner: Examiner, looks: list[Look]) -> None:
    together = examiner.speak_many(looks)
    alone = [examiner.speak(look) for look in looks]
    assert [words.text for words in together] == [words.text for words in alone]
    assert [words.count for words in together] == [words.count for words in alone]
    # or the words would be the same whatever happened to the memories
    assert len({words.text for words in alone}) == len(alone)


def test_a_text_that_ends_early_is_cut_at_its_end_and_keeps_no_padding(examiner: Examiner) -> None:
    tokenizer = examiner.processor.tokenizer
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id

    class Ready:
        """Writes what stands here."""

        lm_head = torch.nn.Linear(1, 1)

        def generate(self, input_ids: torch.Tensor, **given: Any) -> torch.Tensor:
            assert input_ids.tolist() == [[padding, 50, 51], [60, 61, 62]]
            assert given["attention_mask"].tolist() == [[0, 1, 1], [1, 1, 1]]
            assert given["position_ids"].tolist() == [[0, 0, 1], [0, 1, 2]]
            new = torch.tensor([[70, end, padding], [71, 72, 73]])
            return torch.cat([input_ids, new], dim=1)

    written = write_on(Ready(), examiner.processor, [[50, 51], [60, 61, 62]], None, 3)  # type: ignore[arg-type]
    assert written == [[70, end], [71, 72, 73]]


def test_a_look_that_spoke_beside_others_can_speak_again(
    examiner: Examiner, looks: list[Look]
) -> None:
    before = looks[1].cache.get_seq_length()
    first = examiner.speak_many(looks[:2])
    assert looks[1].cache.get_seq_length() == before
    assert examiner.speak_many(looks[:2])[1].text == first[1].text
    assert examiner.speak(looks[1]).text == first[1].text


def test_one_look_is_a_batch_of_one(examiner: Examiner, looks: list[Look]) -> None:
    (words,) = examiner.speak_many(looks[2:3])
    assert words.text == examiner.speak(looks[2]).text


@torch.inference_mode()
def test_memories_are_moved_to_the_right_end_and_padded_with_zeros() -> None:
    caches, states = [], []
    for tokens in (5, 3):
        cache, held = growing_cache(), torch.randn(1, 2, tokens, 4)
        cache.update(held, held + 1, 0)
        caches.append(cache)
        states.append(held)
    joined = beside_each_other(caches, [4, 3])
    keys, values = joined.layers[0].keys, joined.layers[0].values
    assert keys.shape == (2, 2, 4, 4)
    torch.testing.assert_close(keys[0], states[0][0, :, :4])
    torch.testing.assert_close(values[1, :, 1:], states[1][0] + 1)
    assert not keys[1, :, 0].any()
    # What is added later leaves the texts' own memories alone.
    joined.update(torch.ones(2, 2, 1, 4), torch.ones(2, 2, 1, 4), 0)
    torch.testing.assert_close(caches[0].layers[0].keys, states[0])


def test_logits_beside_others_differ_by_rounding_only(
    examiner: Examiner, looks: list[Look]
) -> None:
    lengths = [len(look.tokens) - 1 for look in looks]
    longest = max(lengths)
    with torch.inference_mode():
        together = examiner.model(
            input_ids=torch.tensor([[look.tokens[-1]] for look in looks]),
            attention_mask=torch.tensor([[0] * (longest - n) + [1] * (n + 1) for n in lengths]),
            position_ids=torch.tensor([[n] for n in lengths]),
            past_key_values=beside_each_other([look.cache for look in looks], lengths),
            use_cache=True,
        ).logits[:, -1]
        for row, look, length in zip(together, looks, lengths, strict=True):
            alone = examiner.model(
                input_ids=torch.tensor([[look.tokens[-1]]]),
                past_key_values=beside_each_other([look.cache], [length]),
                use_cache=True,
            ).logits[0, -1]
            np.testing.assert_allclose(row.numpy(), alone.numpy(), atol=1e-4)


def test_replies_beside_others_are_those_given_alone(
    examiner: Examiner, looks: list[Look], draw: Draw
) -> None:
    reports = [
        examiner.report(draw(*size, seed=seed), look, examiner.speak(look))
        for seed, (size, look) in enumerate(zip(SIZES, looks, strict=True))
    ]
    earlier = [Turn("Is it real?", "The examination found it to be so."), Turn("Sure?")]
    asked = [
        (looks[0], reports[0], [Turn("Where?")]),
        (looks[1], reports[1], [Turn("Why do you think so, of all that was read?")]),
        (looks[0], reports[0], [Turn("When was it taken?")]),
        (looks[0], reports[0], earlier),
        (looks[4], reports[4], [Turn("?")]),
    ]
    before = [look.cache.get_seq_length() for look in looks]
    together = examiner.chat_many(asked)
    assert [look.cache.get_seq_length() for look in looks] == before
    alone = [examiner.chat(*one) for one in asked]
    assert [words.text for words in together] == [words.text for words in alone]
    assert [words.count for words in together] == [words.count for words in alone]
    assert len({words.text for words in alone}) == len(alone)


def test_a_picture_is_never_read_from_its_placeholders(
    examiner: Examiner, looks: list[Look]
) -> None:
    with pytest.raises(ValueError, match="leaves the look's prompt at token 0"):
        remembered(examiner.model, [looks[0].tokens], [looks[0].cache], [[200, 201, 202]])
