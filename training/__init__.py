"""Teach ForgeryVLM: the localiser first, then words, verdict and mask together."""

import warnings

# PEFT 0.21 asks transformers by the old name, which concerns nobody who trains here.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
