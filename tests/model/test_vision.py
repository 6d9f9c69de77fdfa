from dataclasses import fields

import numpy as np
import pytest
import torch
from packed_views import batch_of, views_of
from torch import Tensor, nn
from transformers import CLIPVisionConfig

from morelli.model.artifact_encoder import noise_residual, normalise
from morelli.model.presets import tiny
from morelli.model.semantic_encoder import SemanticEncoder
from morelli.model.views import layout, pack
from morelli.model.vision import ForgeryVision, ViewFeatures, encode, select_tiles

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(scope="module")
def vision():
    torch.manual_seed(0)
    return ForgeryVision(tiny()).eval()


def assert_same(found: ViewFeatures, expected: ViewFeatures, names=None):
    for name in names or [field.name for field in fields(ViewFeatures)]:
        left, right = getattr(found, name), getattr(expected, name)
        if isinstance(right, Tensor):
            torch.testing.assert_close(
                left, right, **CLOSE, msg=lambda text, n=name: f"{n}: {text}"
            )
        else:
            assert left == right


@torch.no_grad()
def test_padded_views_change_nothing(vision):
    views = views_of(100, 120)
    plain = vision(views[None])
    padded = vision(torch.cat([views, torch.zeros(3, *views.shape[1:])])[None])
    assert_same(padded, plain)


@torch.no_grad()
def test_wider_views_give_as_many_tokens_from_averages_of_the_stem(vision):
    colours, maps = torch.rand(2, 3, 128, 128), torch.rand(2, 3, 128, 128)
    native = vision.artifact.stem(colours, maps)
    found = vision.artifact(colours, maps, scale=2)
    for pooled, plane in zip(found.stem, native, strict=True):
        expected = plane.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))
        torch.testing.assert_close(pooled, expected, **CLOSE)
    assert found.tokens.shape == (2, 16, 16)


@torch.no_grad()
def test_a_wide_view_covers_the_centres_of_its_patches_in_the_picture(vision):
    pixels = np.zeros((128, 128, 3), np.uint8)
    maps = np.zeros((3, 128, 128), np.float32)
    views = pack(pixels, maps, layout(128, 128, 128, 16), overview=False)
    features = vision(torch.from_numpy(views)[None])
    expected = (torch.arange(4) + 0.5) / 4
    torch.testing.assert_close(features.centres[0].unflatten(0, (4, 4))[0, :, 0], expected, **CLOSE)
    torch.testing.assert_close(features.centres[0].unflatten(0, (4, 4))[:, 0, 1], expected, **CLOSE)


@torch.no_grad()
def test_the_tokens_of_a_picture_do_not_depend_on_its_neighbours(vision):
    pictures = views_of(100, 120), views_of(64, 64, seed=1), views_of(70, 200, seed=2)
    features = vision(batch_of(*pictures))
    tokens, evidence = vision.image_tokens(features, 2, 2)
    assert tokens.shape == (3, 9, 32)
    for index, picture in enumerate(pictures):
        alone, its_evidence = vision.image_tokens(vision(picture[None]), 2, 2)
        torch.testing.assert_close(tokens[index], alone[0], **CLOSE)
        torch.testing.assert_close(
            evidence.verdict_logits[index], its_evidence.verdict_logits[0], **CLOSE
        )
        of_picture = evidence.view_logits[features.picture == index]
        torch.testing.assert_close(of_picture, its_evidence.view_logits, **CLOSE)


@torch.no_grad()
def test_many_tiles_are_encoded_in_parts_as_if_at_once(vision):
    views = views_of(64, 700)  # 13 tiles and the overview, more than one part of 8
    together = vision(views[None])
    parts = [vision._encode(view[None]) for view in views]
    for name in ("fused", "summary", "stride4", "stride8", "centres", "inside"):
        joined = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(getattr(together, name), joined, **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("cuts", [[1], [1, 5], [4, 8, 12]])
def test_a_picture_may_be_packed_in_parts(vision, cuts):
    views = views_of(64, 700)
    parts = [part.numpy() for part in torch.tensor_split(views, cuts)]
    assert_same(encode(vision, parts, torch.float32), vision(views[None]))


@torch.no_grad()
def test_features_leave_the_encoders_in_the_dtype_of_the_weights(vision):
    views = views_of(64, 100)
    exact, fast = (encode(vision, [views.numpy()], d) for d in (torch.float32, torch.bfloat16))
    assert fast.fused.dtype is torch.float32
    assert not torch.equal(fast.fused, exact.fused)
    torch.testing.assert_close(fast.fused, exact.fused, atol=0.1, rtol=0.1)


@torch.no_grad()
def test_views_are_numbered_by_picture_and_place(vision):
    features = vision(batch_of(views_of(64, 64), views_of(64, 100)))
    # 64 x 64 has one tile; 64 x 100 has two
    assert features.picture.tolist() == [0, 0, 1, 1, 1]
    assert features.view.tolist() == [0, 1, 0, 1, 2]
    assert features.batch == 2
    tiles = select_tiles(features)
    assert tiles.view.tolist() == [1, 1, 2]
    assert tiles.fused.shape == (3, 16, 32)
    assert tiles.stride4.shape == (3, 8, 16, 16)
    assert tiles.stride8.shape == (3, 8, 8, 8)
    assert tiles.batch == 2


@torch.no_grad()
def test_centres_are_where_the_patches_lie_on_the_picture(vision):
    features = vision(views_of(64, 128)[None])
    # view 1 spans x 0 to 64 of 128: its patches of 16 are centred at 8, 24, 40, 56
    torch.testing.assert_close(
        features.centres[1].view(4, 4, 2)[0, :, 0], torch.tensor([8.0, 24, 40, 56]) / 128, **CLOSE
    )
    torch.testing.assert_close(
        features.centres[1].view(4, 4, 2)[:, 0, 1], torch.tensor([8.0, 24, 40, 56]) / 64, **CLOSE
    )


@torch.no_grad()
def test_patches_outside_the_picture_are_marked(vision):
    features = vision(views_of(32, 64)[None])
    # the tile holds 32 of 64 rows: two of four rows of patches
    assert features.inside[1].view(4, 4).tolist() == [[True] * 4] * 2 + [[False] * 4] * 2


@torch.no_grad()
@pytest.mark.parametrize("shape", [(64, 2000), (2000, 64), (64, 64 * 100)])
def test_a_strip_too_thin_to_fill_half_a_patch_keeps_a_sound_summary(vision, shape):
    views = views_of(*shape)[:3]
    features = vision(views[None])
    assert features.inside.any(1).all()
    tokens, _ = vision.image_tokens(features, 2, 2)
    assert tokens.abs().max() < 100


@torch.no_grad()
def test_the_mosaic_puts_each_tile_in_its_own_cells(vision):
    features = vision(views_of(128, 128)[None])
    features.fused = features.centres[..., :1].expand_as(features.fused).contiguous()
    tokens, _ = vision.image_tokens(features, 2, 2)
    mosaic = tokens[0, 4:8, 0].view(2, 2)
    # the tokens are their own x: the left cells' mean lies in [0, 1/2), the right cells' beyond
    assert (mosaic[:, 0] < 0.5).all()
    assert (mosaic[:, 1] >= 0.5).all()


@torch.no_grad()
def test_the_semantic_encoder_without_a_stem_is_clip_itself():
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2,
        image_size=64, patch_size=16, hidden_act="quick_gelu",
    )  # fmt: skip
    encoder = SemanticEncoder(config, (1, -2), 0).eval()
    colours = torch.rand(2, 3, 64, 64)
    states = encoder.clip(pixel_values=normalise(colours), output_hidden_states=True).hidden_states
    tokens, summary = encoder(colours, None)
    expected = torch.cat([states[1][:, 1:], states[2][:, 1:]], dim=-1)
    torch.testing.assert_close(tokens, expected, **CLOSE)
    torch.testing.assert_close(summary, states[2][:, 0], **CLOSE)


@torch.no_grad()
def test_the_artifact_encoder_is_dino_itself_over_the_stem(vision):
    artifact = vision.artifact
    colours, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    features = artifact(colours, maps)
    assert [tuple(stem.shape[2:]) for stem in features.stem] == [(16, 16), (8, 8), (4, 4)]
    output = artifact.dino(features.stem[-1])
    torch.testing.assert_close(
        artifact.dino.layernorm(features.tokens), output.last_hidden_state[:, 1:], **CLOSE
    )


@torch.no_grad()
def test_the_artifact_encoders_attention_is_that_of_its_last_block(vision):
    artifact = ForgeryVision(tiny()).eval().artifact
    artifact.dino.set_attn_implementation("eager")
    features = artifact(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    output = artifact.dino(features.stem[-1], output_attentions=True)
    torch.testing.assert_close(features.attention, output.attentions[-1][:, :, 1:, 1:], **CLOSE)


def test_a_flat_picture_leaves_no_noise_residual_but_at_its_border():
    residual = noise_residual(torch.full((1, 3, 16, 16), 0.4))
    assert residual[:, :, 2:-2, 2:-2].abs().max() < 1e-4


@torch.no_grad()
def test_maps_and_colours_both_move_the_fused_tokens(vision):
    views = views_of(64, 64)
    plain = vision(views[None]).fused
    for channel in range(6):
        changed = views.clone()
        changed[:, channel] = 1 - changed[:, channel]
        assert not torch.allclose(vision(changed[None]).fused, plain)


@torch.no_grad()
def test_views_of_another_size_are_resampled_for_encoders_with_no_maps():
    config = tiny()
    config.map_names, config.stem_channels = (), ()
    config.dino_config.num_channels = 3
    config.dino_config.image_size, config.dino_config.patch_size = 64, 16
    vision = ForgeryVision(config).eval()
    assert not [m for m in vision.artifact.modules() if isinstance(m, nn.BatchNorm2d)]
    frame = torch.ones(1, 2, 3, 96, 96)
    views = torch.cat([torch.rand(1, 2, 3, 96, 96), frame], dim=2)
    features = vision(views)
    assert features.fused.shape == (2, 16, 32)
    assert features.stride4 is None
