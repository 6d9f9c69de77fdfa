"""Tell transformers' Auto classes of ForgeryVLM; to import this module is enough."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
)

from morelli.model.config import ForgeryVLMConfig
from morelli.model.forgery_vlm import ForgeryModel, ForgeryVLM


def register() -> None:
    """Register the configuration and both models; calling it again changes nothing.

    `AutoModelForCausalLM` is there because TRL loads a reference model through it.
    """
    AutoConfig.register(ForgeryVLMConfig.model_type, ForgeryVLMConfig, exist_ok=True)
    AutoModel.register(ForgeryVLMConfig, ForgeryModel, exist_ok=True)
    for auto in (AutoModelForImageTextToText, AutoModelForCausalLM):
        auto.register(ForgeryVLMConfig, ForgeryVLM, exist_ok=True)


register()
