"""A small random encoder over words; the pulled one is held against its published behaviour."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel

from morelli.eval.sentence_encoder import WINDOW, SentenceEncoder
from morelli.model.base_weights import PullError, base_weights_dir

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(60)))


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    # as all-MiniLM-L6-v2 comes: it would cut and fill up without a word
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=WINDOW,
    )  # fmt: skip
    return SentenceEncoder(tokenizer, BertModel(config))


def text_of(count: int, seed: int = 0) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS[4:], count))


def test_vectors_have_length_1_and_do_not_hang_on_what_stands_beside(
    encoder: SentenceEncoder,
) -> None:
    texts = [text_of(count, count) for count in (3, 40, 254, 255, 700)]
    together, longer = encoder(texts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert longer.tolist() == [False, False, False, True, True]
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(encoder([text])[0][0], vector, atol=1e-5)


def test_the_end_of_a_long_text_counts(encoder: SentenceEncoder) -> None:
    long = text_of(254)
    same, other = f"{long} {text_of(30, 1)}", f"{long} {text_of(30, 2)}"
    vectors, _ = encoder([same, other, long])
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-4)


def test_windows_weigh_by_their_tokens(encoder: SentenceEncoder) -> None:
    first, second = text_of(254, 3), text_of(30, 4)
    whole, _ = encoder([f"{first} {second}"])
    # of the windows' own directions, the longer one's is nearer
    parts, _ = encoder([first, second])
    assert whole[0] @ parts[0] > whole[0] @ parts[1]
    assert whole[0] @ parts[1] > parts[0] @ parts[1]


def test_an_empty_text_has_no_direction(encoder: SentenceEncoder) -> None:
    vectors, longer = encoder(["", text_of(2)])
    assert not vectors[0].any()
    assert not longer.any()
    assert encoder([""])[0].shape == (1, 16)


def test_the_pulled_encoder_tells_a_paraphrase_from_another_topic() -> None:
    try:
        encoder = SentenceEncoder.from_folder(base_weights_dir("all-minilm-l6-v2"))
    except PullError:
        pytest.skip("all-MiniLM-L6-v2 was not pulled; `morelli pull eval` fetches it")
    texts = (
        "The grain is coarser in the lower left.",
        "In the lower left, the noise is rougher.",
        "The train to Delft leaves at noon.",
    )
    vectors, _ = encoder(texts)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.4
    assert cosines[0, 2] < 0.1
