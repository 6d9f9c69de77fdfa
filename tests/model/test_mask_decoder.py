import pytest
import torch

from morelli.model.mask_decoder import PromptedMaskDecoder, SegPrompt

GRID, WIDTH = 4, 32
FINE = (6, 10)


def decoder(fine=()):
    torch.manual_seed(0)
    return PromptedMaskDecoder(GRID, WIDTH, heads=2, mlp=48, fine=fine).eval()


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    embedding = torch.randn(3, WIDTH, GRID, GRID, generator=generator)
    return embedding, torch.randn(3, 1, WIDTH, generator=generator)


@pytest.fixture
def stem():
    generator = torch.Generator().manual_seed(2)
    stride4 = torch.randn(3, FINE[0], 4 * GRID, 4 * GRID, generator=generator)
    return stride4, torch.randn(3, FINE[1], 2 * GRID, 2 * GRID, generator=generator)


@torch.no_grad()
def test_without_finer_features_it_is_segment_anythings_decoder_scaled_and_shifted(inputs):
    ours = decoder()
    ours.offset.fill_(0.7)
    embedding, prompts = (part[:1] for part in inputs)
    _, dense = ours.prompt_encoder(points=None, boxes=None, masks=None)
    masks, _ = ours.sam(
        image_embeddings=embedding,
        image_pe=ours.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=prompts,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    # up-scaled features are width / 8 = 4 channels, so logits are divided by 2
    torch.testing.assert_close(ours(embedding, prompts, None), masks[:, 0] / 2 + 0.7)


@torch.no_grad()
@pytest.mark.parametrize("with_fine", [False, True])
def test_other_pictures_of_the_batch_change_nothing(inputs, stem, with_fine):
    ours = decoder(FINE)
    fine = ours.project_fine(*stem) if with_fine else None
    together = ours(*inputs, fine)
    assert together.shape == (3, 4 * GRID, 4 * GRID)
    for index in range(3):
        row = slice(index, index + 1)
        one = (fine[0][row], fine[1][row]) if fine is not None else None
        alone = ours(inputs[0][row], inputs[1][row], one)
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_finer_features_and_the_prompt_both_move_the_mask(inputs, stem):
    ours = decoder(FINE)
    fine = ours.project_fine(*stem)
    plain = ours(*inputs, fine)
    assert not torch.allclose(plain, ours(*inputs, tuple(2 * part for part in fine)))
    assert not torch.allclose(plain, ours(inputs[0], inputs[1].flip(0), fine))


def test_official_weights_have_a_place_for_every_name():
    names = set(decoder().sam.state_dict())
    assert {"iou_token.weight", "mask_tokens.weight"} <= names
    assert any(name.startswith("transformer.layers.1.cross_attn_token_to_image") for name in names)
    assert any(name.startswith("output_hypernetworks_mlps.3") for name in names)


def test_without_words_every_picture_gets_the_learned_prompt():
    prompt = SegPrompt(8, WIDTH)
    torch.nn.init.normal_(prompt.learned)
    prompts = prompt(None, 2)
    assert prompts.shape == (2, 1, WIDTH)
    assert (prompts == prompt.learned).all()


def test_the_state_of_seg_is_added_to_the_learned_prompt():
    prompt = SegPrompt(8, WIDTH)
    torch.nn.init.normal_(prompt.learned)
    hidden = torch.randn(2, 8)
    torch.testing.assert_close(
        prompt(hidden, 2)[:, 0] - prompt(None, 2)[:, 0],
        prompt.project(hidden),
        atol=1e-5,
        rtol=1e-5,
    )
