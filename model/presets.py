"""Named configurations; a variant states only its difference.

The big presets describe published models at their published sizes. They are trained by users who
have the GPUs; only `embedded` ships with weights.
"""

from collections.abc import Callable
from typing import Any

from transformers import CLIPVisionConfig, Dinov2Config, LlamaConfig, Qwen2Config

from morelli.model.config import ForgeryVLMConfig


def tiny() -> ForgeryVLMConfig:
    """Return the random model that tests run: a forward pass in milliseconds."""
    return ForgeryVLMConfig(
        clip_config=CLIPVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            image_size=64, patch_size=16, hidden_act="quick_gelu",
        ),
        dino_config=Dinov2Config(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2,
            num_channels=16, image_size=4, patch_size=1, use_mask_token=False,
        ),
        text_config=LlamaConfig(
            vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
            bos_token_id=1, eos_token_id=2, pad_token_id=2,
        ),
        view_size=64,
        tile_overlap=8,
        scale_areas=(20_000,),
        map_names=("noise", "jpeg", "copy-move"),
        stem_channels=(8, 8, 16),
        semantic_taps=(1, 2),
        fusion_heads=2,
        overview_grid=2,
        mosaic_grid=2,
        evidence_width=16,
        mask_width=32,
        mask_heads=2,
        mask_mlp=32,
        image_token_id=14,
        seg_token_id=16,
        tie_word_embeddings=True,
    )  # fmt: skip


def embedded() -> ForgeryVLMConfig:
    """Return the default for two CPU cores: CLIP ViT-B/16's first 8 layers and SmolLM2-135M."""
    return ForgeryVLMConfig(
        clip_config=CLIPVisionConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=8,
            num_attention_heads=12, image_size=224, patch_size=16, hidden_act="quick_gelu",
        ),
        dino_config=Dinov2Config(
            hidden_size=256, num_hidden_layers=4, num_attention_heads=8, mlp_ratio=4,
            num_channels=256, image_size=14, patch_size=1, use_mask_token=False,
        ),
        text_config=LlamaConfig(
            vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
            num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192,
            rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
            pad_token_id=2, rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        ),
        scale_areas=(300_000, 3_000_000),
        map_names=("noise", "jpeg", "copy-move"),
        stem_channels=(96, 160, 256),
        semantic_taps=(4, 8),
        fusion_heads=8,
        overview_grid=7,
        mosaic_grid=7,
        evidence_width=256,
        mask_mlp=512,
        image_token_id=14,
        seg_token_id=16,
        base={"clip": "clip-vit-b16", "text": "smollm2-135m-instruct"},
        tie_word_embeddings=True,
    )  # fmt: skip


def _large_encoders() -> dict[str, Any]:
    """CLIP ViT-L/14 at 336 pixels and DINOv2 ViT-L/14, as FakeReasoning joins them."""
    return {
        "clip_config": CLIPVisionConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
            num_attention_heads=16, image_size=336, patch_size=14, hidden_act="quick_gelu",
        ),
        "dino_config": Dinov2Config(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, image_size=518,
            patch_size=14,
        ),
        "view_size": 336,
    }  # fmt: skip


def fakereasoning_13b() -> ForgeryVLMConfig:
    """Return FakeReasoning: CLIP-L/14-336, DINOv2-L, Vicuna-13B, T = 10; our verdict words."""
    return ForgeryVLMConfig(
        **_large_encoders(),
        text_config=LlamaConfig(
            vocab_size=32002, hidden_size=5120, intermediate_size=13824, num_hidden_layers=40,
            num_attention_heads=40, num_key_value_heads=40, max_position_embeddings=4096,
        ),
        verdict_temperature=10.0,
        image_token_id=32000,
        seg_token_id=32001,
    )  # fmt: skip


def _with_sam(text_config: Any, **changes: Any) -> ForgeryVLMConfig:
    return ForgeryVLMConfig(
        **{
            **_large_encoders(),
            "view_size": 1024,
            "text_config": text_config,
            "mask_encoder": "sam-vit-b",
            **changes,
        }
    )


def qwen2_5_7b() -> ForgeryVLMConfig:
    """Return the large encoders before Qwen2.5-7B, with Segment Anything ViT-H."""
    text = Qwen2Config(
        vocab_size=152064, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
        num_attention_heads=28, num_key_value_heads=4, max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    )  # fmt: skip
    return _with_sam(text, mask_encoder="sam-vit-h", image_token_id=151655, seg_token_id=151665)


def smollm2_1_7b() -> ForgeryVLMConfig:
    """Return the large encoders before SmolLM2-1.7B, with Segment Anything ViT-B."""
    text = LlamaConfig(
        vocab_size=49152, hidden_size=2048, intermediate_size=8192, num_hidden_layers=24,
        num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=8192,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 130000.0},
    )  # fmt: skip
    return _with_sam(text, image_token_id=14, seg_token_id=16, tie_word_embeddings=True)


PRESETS: dict[str, Callable[[], ForgeryVLMConfig]] = {
    "tiny": tiny,
    "embedded": embedded,
    "fakereasoning-13b": fakereasoning_13b,
    "qwen2.5-7b": qwen2_5_7b,
    "smollm2-1.7b": smollm2_1_7b,
}
