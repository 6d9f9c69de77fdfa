import pytest
import torch

from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.fusion import ForgeryAwareFusion, Projector
from morelli.model.presets import PRESETS, embedded
from morelli.model.vision import ForgeryVision


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_on_the_meta_device(name):
    with torch.device("meta"):
        model = ForgeryVLM(PRESETS[name]())
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.config.num_image_tokens > 0


@pytest.mark.parametrize("name", PRESETS)
def test_placeholder_and_seg_are_two_tokens_of_the_vocabulary(name):
    config = PRESETS[name]()
    tokens = {config.image_token_id, config.seg_token_id}
    assert len(tokens) == 2
    assert max(tokens) < config.text_config.vocab_size


def test_fakereasonings_fusion_and_projectors_have_the_published_number_of_parameters():
    with torch.device("meta"):
        vision = ForgeryVision(PRESETS["fakereasoning-13b"]())
    # 4 x (5120 x 5120 + 5120) + (5120 x 20480 + 20480) + (20480 x 5120 + 5120)
    # + convolutions (16 x 32 + 32) + (32 x 16 + 16) + two norms of 2 x 5120
    assert isinstance(vision.fusion, ForgeryAwareFusion)
    assert count(vision.fusion) == 314_640_432
    projectors = [m for m in vision.children() if isinstance(m, Projector)]
    assert len(projectors) == 2
    # two of (1024 x 5120 + 5120) + (5120 x 5120 + 5120)
    assert sum(map(count, projectors)) == 62_935_040


def test_fakereasoning_reads_the_verdict_at_its_published_temperature():
    assert PRESETS["fakereasoning-13b"]().verdict_temperature == 10.0


def test_embeddeds_artifact_encoder_stays_within_its_budget():
    with torch.device("meta"):
        vision = ForgeryVision(embedded())
    assert count(vision.artifact) <= 10_000_000


def test_two_calls_of_a_preset_share_no_state():
    first = PRESETS["tiny"]()
    first.text_config.hidden_size = 4
    assert PRESETS["tiny"]().text_config.hidden_size == 32
