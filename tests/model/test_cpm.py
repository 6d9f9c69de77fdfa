import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from morelli.data_pipeline.answer import VERDICT_STEM
from morelli.data_pipeline.schema import CLASSES
from morelli.model.cpm import verdict_logits, verdict_token_ids
from morelli.training.losses import verdict_loss

WORDS = tuple(f" {verdict}" for verdict in CLASSES)
CORPUS = [
    "Verdict: authentic picture",
    "Verdict: tampered picture",
    "Verdict: synthetic picture",
    "the grain in the lower left is stronger than elsewhere",
] * 20

REAL, FAKE = 1855, 25713
STEM_IDS = [6007, 6154, 3308, 2725, 29958, 910, 1967, 338]


def byte_level_bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def bytes_alone():
    """Byte-level BPE that has learned no merge: every word begins with the space."""
    alphabet = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def sentence_piece():
    words = ["\u2581Verdict", ":", "\u2581authentic", "\u2581tam", "pered", "\u2581synthetic"]
    letters = sorted({letter for line in CORPUS for letter in line.replace(" ", "\u2581")} - {":"})
    vocabulary = [("<unk>", 0.0), *((word, -3.0) for word in words)]
    vocabulary += [(letter, -9.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def published_loss(logits, labels):
    """FakeReasoning's classification loss, as peers.md states it: loops, no library."""
    total, number = 0.0, 0
    for row, label in zip(logits, labels.tolist(), strict=True):
        predicted = row.argmax(-1).tolist()
        starts = range(len(predicted) - len(STEM_IDS))
        found = [i for i in starts if predicted[i : i + len(STEM_IDS)] == STEM_IDS]
        if not found:
            continue
        place = found[0] + len(STEM_IDS)
        real, fake = row[place, REAL] / 10.0, row[place, FAKE] / 10.0
        chosen = fake if label == 1 else real
        total = total - (chosen - torch.log(torch.exp(real) + torch.exp(fake)))
        number += 1
    return total / number


@pytest.mark.parametrize("seed", range(3))
def test_two_words_at_temperature_ten_are_fakereasonings_loss(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, 24, 32000, generator=generator)
    labels = torch.tensor([0, 1, 1, 0])
    places = torch.randint(0, 24 - len(STEM_IDS), (4,), generator=generator)
    for row, start in enumerate(places.tolist()):
        for step, token in enumerate(STEM_IDS):
            logits[row, start + step, token] = 100.0
    after = logits[torch.arange(4), places + len(STEM_IDS)]
    ours = verdict_loss(verdict_logits(after, (REAL, FAKE), temperature=10.0), labels)
    torch.testing.assert_close(ours, published_loss(logits, labels))


def test_verdict_logits_are_the_words_logits_over_the_temperature():
    next_logits = torch.tensor([[1.0, 2.0, 4.0, 8.0]], dtype=torch.bfloat16)
    found = verdict_logits(next_logits, [3, 1], temperature=2.0)
    assert found.dtype == torch.float32
    assert found.tolist() == [[4.0, 1.0]]


def test_a_higher_temperature_is_less_certain_of_the_same_word():
    next_logits = torch.randn(5, 20, generator=torch.Generator().manual_seed(0))
    cold, warm = (verdict_logits(next_logits, [3, 1, 7], t).softmax(-1) for t in (1.0, 10.0))
    assert (cold.argmax(-1) == warm.argmax(-1)).all()
    assert (cold.amax(-1) > warm.amax(-1)).all()


@pytest.mark.parametrize("build", [byte_level_bpe, sentence_piece, word_piece])
def test_the_tokens_are_those_that_an_answer_has_after_its_stem(build):
    tokenizer = build()
    found = verdict_token_ids(tokenizer, WORDS)
    assert len(set(found)) == len(WORDS)
    start = len(tokenizer(VERDICT_STEM, add_special_tokens=False)["input_ids"])
    for word, token in zip(WORDS, found, strict=True):
        answer = f"{VERDICT_STEM}{word} picture"
        assert tokenizer(answer, add_special_tokens=False)["input_ids"][start] == token
        assert word.strip().startswith(tokenizer.decode([token]).strip())


@pytest.mark.parametrize("build", [byte_level_bpe, sentence_piece, word_piece])
def test_the_order_of_the_words_is_the_order_of_the_tokens(build):
    tokenizer = build()
    assert verdict_token_ids(tokenizer, WORDS[::-1]) == verdict_token_ids(tokenizer, WORDS)[::-1]


def test_words_that_begin_with_the_same_token_are_refused_by_name():
    with pytest.raises(ValueError, match=r"' authentic'.*begin with the same tokens"):
        verdict_token_ids(bytes_alone(), WORDS)


def test_the_same_word_twice_is_refused():
    with pytest.raises(ValueError, match="begin with the same tokens"):
        verdict_token_ids(byte_level_bpe(), (" tampered", " tampered"))


def test_a_word_that_merges_with_the_stem_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'ture' merges with 'pic'"):
        verdict_token_ids(word_piece(), ("ture",), stem="pic")


def test_an_empty_word_is_refused():
    with pytest.raises(ValueError, match="choose another word"):
        verdict_token_ids(byte_level_bpe(), ("",))
