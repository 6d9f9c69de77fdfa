import pytest
import torch
from packed_views import batch_of, views_of
from torch import nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
)

from morelli.model.auto import register
from morelli.model.config import ForgeryVLMConfig
from morelli.model.forgery_vlm import ForgeryModel, ForgeryVLM, seg_state
from morelli.model.presets import tiny

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
IMAGE, SEG, BEGIN, PAD = 14, 16, 1, 2
NUM_IMAGE_TOKENS = 9


@torch.no_grad()
def shaken(model):
    """Move every weight off its initial value, so that none is alike by being zero or one."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.add_(0.1 * torch.rand(module.running_mean.shape))
            module.running_var.add_(torch.rand(module.running_var.shape))
    return model


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return shaken(ForgeryVLM(tiny())).eval()


def ids_of(words, seed=0):
    """A picture, a question, `<seg>`, and some words."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.randint(20, 500, (4 + words,), generator=generator).tolist()
    return [BEGIN, *[IMAGE] * NUM_IMAGE_TOKENS, *random[:4], SEG, *random[4:]]


@pytest.fixture(scope="module")
def pictures():
    return views_of(100, 120), views_of(64, 64, seed=1)


@pytest.fixture(scope="module")
def inputs(pictures):
    return {
        "input_ids": torch.tensor([ids_of(3), ids_of(3, seed=1)]),
        "pixel_values": batch_of(*pictures),
    }


@torch.no_grad()
def test_the_shapes_are_those_of_the_legend(model, inputs):
    output = model(**inputs)
    tokens = inputs["input_ids"].shape[1]
    assert output.logits.shape == (2, tokens, 512)
    assert output.last_hidden_state.shape == (2, tokens, 32)
    # four tiles of the first picture and one of the second, at a quarter of 64 pixels
    assert output.mask_logits.shape == (5, 16, 16)
    assert output.loss is None


@torch.no_grad()
def test_neighbours_in_the_batch_change_nothing(model, inputs, pictures):
    together = model(**inputs)
    tiles = together.features.picture[together.features.view > 0]
    for index, picture in enumerate(pictures):
        alone = model(input_ids=inputs["input_ids"][index : index + 1], pixel_values=picture[None])
        torch.testing.assert_close(together.logits[index], alone.logits[0], **CLOSE)
        torch.testing.assert_close(together.mask_logits[tiles == index], alone.mask_logits, **CLOSE)


@torch.no_grad()
def test_left_padding_of_a_shorter_answer_changes_nothing(model, inputs, pictures):
    short = [PAD, PAD, PAD, *ids_of(0, seed=1)]
    ids = torch.stack([inputs["input_ids"][0], torch.tensor(short)])
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    together = model(input_ids=ids, pixel_values=inputs["pixel_values"], attention_mask=mask)
    alone = model(input_ids=ids[1:, 3:], pixel_values=pictures[1][None])
    torch.testing.assert_close(together.logits[1, 3:], alone.logits[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_padded_views_change_neither_words_nor_mask(model, inputs):
    views = inputs["pixel_values"]
    more = torch.cat([views, views.new_zeros(2, 3, *views.shape[2:])], dim=1)
    plain = model(**inputs)
    padded = model(input_ids=inputs["input_ids"], pixel_values=more)
    torch.testing.assert_close(padded.logits, plain.logits, **CLOSE)
    torch.testing.assert_close(padded.mask_logits, plain.mask_logits, **CLOSE)


@torch.no_grad()
def test_features_computed_before_give_what_pixels_give(model, inputs):
    features = model.model.vision(inputs["pixel_values"])
    given = model(input_ids=inputs["input_ids"], features=features)
    plain = model(**inputs)
    torch.testing.assert_close(given.logits, plain.logits, **CLOSE)
    torch.testing.assert_close(given.mask_logits, plain.mask_logits, **CLOSE)


@pytest.mark.parametrize("count", [NUM_IMAGE_TOKENS - 1, NUM_IMAGE_TOKENS + 1])
def test_a_wrong_number_of_placeholders_is_refused(model, pictures, count):
    ids = torch.tensor([[BEGIN, *[IMAGE] * count, 20]])
    with pytest.raises(ValueError, match=f"{count} image placeholders for 1 pictures of 9 tokens"):
        model(input_ids=ids, pixel_values=pictures[0][None])


@torch.no_grad()
def test_each_step_of_generate_equals_forward_on_the_whole(model, inputs):
    generated = model.generate(
        **inputs,
        attention_mask=torch.ones_like(inputs["input_ids"]),
        max_new_tokens=4,
        min_new_tokens=4,
        do_sample=False,
        pad_token_id=PAD,
        output_logits=True,
        return_dict_in_generate=True,
    )
    whole = model(input_ids=generated.sequences, pixel_values=inputs["pixel_values"])
    start = inputs["input_ids"].shape[1] - 1
    for step, logits in enumerate(generated.logits):
        torch.testing.assert_close(logits, whole.logits[:, start + step], **CLOSE)


@torch.no_grad()
def test_generate_takes_features_in_place_of_pixels(model, inputs):
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "pad_token_id": PAD}
    mask = torch.ones_like(inputs["input_ids"])
    features = model.model.vision(inputs["pixel_values"])
    given = model.generate(inputs["input_ids"], attention_mask=mask, features=features, **options)
    plain = model.generate(**inputs, attention_mask=mask, **options)
    assert given.tolist() == plain.tolist()


@torch.no_grad()
def test_only_the_wanted_logits_are_computed(model, inputs):
    whole = model(**inputs).logits
    torch.testing.assert_close(model(**inputs, logits_to_keep=1).logits, whole[:, -1:], **CLOSE)
    chosen = torch.tensor([2, 11])
    torch.testing.assert_close(
        model(**inputs, logits_to_keep=chosen).logits, whole[:, chosen], **CLOSE
    )


@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_the_next_labelled_token(model, inputs):
    labels = inputs["input_ids"].clone()
    labels[:, :-3] = -100
    output = model(**inputs, labels=labels)
    expected = functional.cross_entropy(
        output.logits[:, -4:-1].flatten(0, 1), labels[:, -3:].flatten()
    )
    torch.testing.assert_close(output.loss, expected)


@torch.no_grad()
def test_the_loss_counts_the_labels_of_the_whole_accumulated_batch(model, inputs):
    labels = inputs["input_ids"].clone()
    labels[:, :-3] = -100
    mean = model(**inputs, labels=labels).loss
    # 6 labelled tokens here, of 12 in the batch that the trainer accumulates
    part = model(**inputs, labels=labels, num_items_in_batch=torch.tensor(12)).loss
    torch.testing.assert_close(part, mean / 2)


@torch.no_grad()
def test_the_mask_follows_the_words_before_seg_and_not_those_after(model, inputs):
    plain = model(**inputs)
    after, before = inputs["input_ids"].clone(), inputs["input_ids"].clone()
    after[:, -1] += 1
    before[:, NUM_IMAGE_TOKENS + 2] += 1
    views = inputs["pixel_values"]
    torch.testing.assert_close(
        model(input_ids=after, pixel_values=views).mask_logits, plain.mask_logits, **CLOSE
    )
    moved = model(input_ids=before, pixel_values=views).mask_logits
    assert not torch.allclose(moved, plain.mask_logits)


@torch.no_grad()
def test_without_seg_there_is_no_mask(model, inputs):
    ids = inputs["input_ids"].masked_fill(inputs["input_ids"] == SEG, 20)
    assert model(input_ids=ids, pixel_values=inputs["pixel_values"]).mask_logits is None


def test_the_state_of_seg_is_that_of_its_last_place():
    ids = torch.tensor([[SEG, 5, SEG, 5], [5, SEG, 5, 5]])
    hidden = torch.arange(8.0).view(2, 4, 1)
    # row 0 at place 2, row 1 at place 1
    assert seg_state(hidden, ids, SEG).tolist() == [[2.0], [5.0]]
    assert seg_state(hidden, torch.tensor([[SEG, 5, 5, 5], [5, 5, 5, 5]]), SEG) is None


@torch.no_grad()
def test_a_saved_model_gives_equal_outputs_by_every_way_to_load_it(model, inputs, tmp_path):
    model.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    assert isinstance(AutoConfig.from_pretrained(tmp_path), ForgeryVLMConfig)
    expected = model(**inputs)
    for loader in (ForgeryVLM, AutoModelForImageTextToText, AutoModelForCausalLM):
        loaded = loader.from_pretrained(tmp_path).eval()
        assert isinstance(loaded, ForgeryVLM)
        output = loaded(**inputs)
        assert torch.equal(output.logits, expected.logits)
        assert torch.equal(output.mask_logits, expected.mask_logits)
    backbone = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(backbone, ForgeryModel)
    assert torch.equal(backbone(**inputs).last_hidden_state, expected.last_hidden_state)


def test_registering_twice_changes_nothing():
    register()
    register()
    assert type(AutoConfig.for_model("morelli")) is ForgeryVLMConfig


def test_a_tied_head_stays_tied_after_loading(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = ForgeryVLM.from_pretrained(tmp_path)
    embedding = loaded.get_input_embeddings().weight
    assert loaded.get_output_embeddings().weight.data_ptr() == embedding.data_ptr()


@torch.no_grad()
def test_a_model_in_bfloat16_answers_and_masks(inputs):
    model = ForgeryVLM(tiny()).eval().to(torch.bfloat16)
    output = model(
        input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"].to(torch.bfloat16)
    )
    assert output.logits.isfinite().all()
    assert output.mask_logits.isfinite().all()
