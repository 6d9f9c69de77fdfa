import pytest

from morelli.model.config import ForgeryVLMConfig
from morelli.model.forgery_vlm import ForgeryModel
from morelli.model.presets import PRESETS, tiny


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_passes_its_own_check(name):
    PRESETS[name]().check()


def test_encoders_whose_grids_differ_are_refused():
    config = tiny()
    config.dino_config.image_size = 8
    with pytest.raises(ValueError, match="CLIP 4, DINO 8"):
        config.check()


def test_encoders_without_a_stem_are_compared_at_the_resolution_of_clip():
    config = tiny()
    config.stem_channels = ()
    config.dino_config.patch_size = 8
    with pytest.raises(ValueError, match="CLIP 4, DINO 8"):
        config.check()


def test_a_width_that_the_fusions_heads_do_not_divide_is_refused():
    config = tiny()
    config.fusion_heads = 3
    with pytest.raises(ValueError, match="width 32 is not a multiple of fusion_heads 3"):
        config.check()


def test_a_stem_of_another_number_of_stages_is_refused():
    config = tiny()
    config.stem_channels = (8, 16)
    with pytest.raises(ValueError, match="strides 4, 8, 16"):
        config.check()


def test_building_a_model_checks_its_configuration():
    config = tiny()
    config.dino_config.image_size = 8
    with pytest.raises(ValueError, match="grids differ"):
        ForgeryModel(config)


def test_a_stem_that_does_not_fit_the_artifact_encoder_is_refused():
    config = tiny()
    config.stem_channels = (8, 8, 12)
    with pytest.raises(ValueError, match="num_channels must be 12, got 16"):
        ForgeryModel(config)


def test_image_tokens_are_the_overview_the_mosaic_and_the_evidence():
    config = tiny()
    # 2 x 2 + 2 x 2 + 1
    assert config.num_image_tokens == 9
    config.evidence_width = 0
    config.mosaic_grid = 0
    assert config.num_image_tokens == 4


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_survives_its_json(tmp_path, name):
    config = PRESETS[name]()
    config.save_pretrained(tmp_path)
    loaded = ForgeryVLMConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    loaded.check()


def test_large_pictures_are_cut_at_a_larger_scale():
    config = tiny()
    config.scale_areas = (100, 400)
    assert [config.scale(height, 10) for height in (1, 10, 11, 40, 41)] == [1, 1, 2, 2, 3]


def test_scales_need_a_stem_that_averages():
    config = tiny()
    config.stem_channels = ()
    config.dino_config.image_size = 64
    config.dino_config.patch_size = 16
    with pytest.raises(ValueError, match="scale_areas"):
        config.check()
