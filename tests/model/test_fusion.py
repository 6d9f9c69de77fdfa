import math

import pytest
import torch
from torch.nn import functional

from morelli.model.fusion import ForgeryAwareFusion, Projector

VIEWS, PATCHES, WIDTH, HEADS, DINO_HEADS = 2, 9, 24, 4, 3


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return ForgeryAwareFusion(WIDTH, HEADS, DINO_HEADS, dropout=0.1).eval()


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    semantic = torch.randn(VIEWS, PATCHES, WIDTH, generator=generator)
    artifact = torch.randn(VIEWS, PATCHES, WIDTH, generator=generator)
    scores = torch.randn(VIEWS, DINO_HEADS, PATCHES, PATCHES, generator=generator)
    return semantic, artifact, scores.softmax(-1)


def published_fusion(fusion, semantic, artifact, attention):
    """FakeReasoning's block in plain loops and sums, one view and one head at a time."""
    first, _, second = fusion.bias
    up = first.weight[:, :, 0, 0], first.bias
    down = second.weight[:, :, 0, 0], second.bias
    fused = []
    for view in range(len(semantic)):
        logarithm = torch.log(attention[view] + 1e-6)
        hidden = torch.einsum("oc,cqk->oqk", up[0], logarithm) + up[1][:, None, None]
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        bias = torch.einsum("oc,cqk->oqk", down[0], hidden) + down[1][:, None, None]
        query = fusion.query(semantic[view])
        key, value = fusion.key(artifact[view]), fusion.value(artifact[view])
        width = WIDTH // HEADS
        heads = []
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            scores = query[:, part] @ key[:, part].T / math.sqrt(width) + bias[head]
            heads.append(scores.softmax(-1) @ value[:, part])
        mixed = fusion.merge(torch.cat(heads, dim=-1))
        hidden = functional.layer_norm(
            semantic[view] + mixed,
            (WIDTH,),
            fusion.norm_attention.weight,
            fusion.norm_attention.bias,
        )
        rise, _, _, fall = fusion.feed_forward
        grown = fall(torch.clamp(rise(hidden), min=0))
        fused.append(
            functional.layer_norm(
                hidden + grown,
                (WIDTH,),
                fusion.norm_feed_forward.weight,
                fusion.norm_feed_forward.bias,
            )
        )
    return torch.stack(fused)


def test_the_block_is_the_published_formula(fusion, inputs):
    torch.testing.assert_close(
        fusion(*inputs), published_fusion(fusion, *inputs), atol=1e-5, rtol=1e-5
    )


def test_a_bias_of_zero_convolutions_is_plain_cross_attention(fusion, inputs):
    semantic, artifact, attention = inputs
    for convolution in (fusion.bias[0], fusion.bias[2]):
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)
    plain = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).eval()
    layers = (fusion.query, fusion.key, fusion.value)
    plain.in_proj_weight.data = torch.cat([layer.weight for layer in layers])
    plain.in_proj_bias.data = torch.cat([layer.bias for layer in layers])
    plain.out_proj = fusion.merge
    mixed = plain(semantic, artifact, artifact, need_weights=False)[0]
    hidden = fusion.norm_attention(semantic + mixed)
    expected = fusion.norm_feed_forward(hidden + fusion.feed_forward(hidden))
    torch.testing.assert_close(fusion(semantic, artifact, attention), expected)
    flat = torch.full_like(attention, 1 / PATCHES)
    torch.testing.assert_close(fusion(semantic, artifact, flat), expected)


def test_the_bias_moves_the_result(fusion, inputs):
    semantic, artifact, attention = inputs
    flat = torch.full_like(attention, 1 / PATCHES)
    assert (
        fusion(semantic, artifact, attention) - fusion(semantic, artifact, flat)
    ).abs().max() > 0


def test_an_attention_of_exact_zeros_stays_finite(fusion, inputs):
    semantic, artifact, attention = inputs
    identity = torch.eye(PATCHES).expand_as(attention)
    assert fusion(semantic, artifact, identity).isfinite().all()


def test_views_do_not_see_each_other(fusion, inputs):
    together = fusion(*inputs)
    alone = fusion(*(part[1:] for part in inputs))
    torch.testing.assert_close(together[1:], alone)


def test_a_projector_is_two_linear_layers_with_gelu():
    projector = Projector(6, 8)
    tokens = torch.randn(2, 3, 6)
    expected = projector[2](functional.gelu(projector[0](tokens)))
    assert expected.shape == (2, 3, 8)
    torch.testing.assert_close(projector(tokens), expected)
