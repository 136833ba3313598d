"""Writes a Hugging Face folder of a real model's shape with random weights, for measuring what conversions cost.

The tokenizer is the sample's, its vocabulary padded to the shape's size so that every token can be decoded.
"""

import json
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.measuring import timed
from firstlight_core.paths import find_paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One model shape; the numbers are those of the published config.json."""

    name: str
    architecture: str
    model_type: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocab: int
    context: int
    tied: bool
    bias: bool
    """Whether q, k and v have a bias (Qwen2)."""

    def config(self) -> dict[str, Any]:
        """The config.json of this shape."""
        return {
            "architectures": [self.architecture],
            "model_type": self.model_type,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "vocab_size": self.vocab,
            "max_position_embeddings": self.context,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "hidden_act": "silu",
            "bos_token_id": None,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "tie_word_embeddings": self.tied,
            "dtype": "bfloat16",
        }

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of every tensor, in file order."""
        head = self.hidden // self.heads
        queries, keys = self.heads * head, self.kv_heads * head
        yield "model.embed_tokens.weight", (self.vocab, self.hidden)
        for number in range(self.layers):
            layer = f"model.layers.{number}."
            yield layer + "input_layernorm.weight", (self.hidden,)
            yield layer + "post_attention_layernorm.weight", (self.hidden,)
            for part, rows in (("q", queries), ("k", keys), ("v", keys)):
                yield f"{layer}self_attn.{part}_proj.weight", (rows, self.hidden)
                if self.bias:
                    yield f"{layer}self_attn.{part}_proj.bias", (rows,)
            yield layer + "self_attn.o_proj.weight", (self.hidden, queries)
            yield layer + "mlp.gate_proj.weight", (self.intermediate, self.hidden)
            yield layer + "mlp.up_proj.weight", (self.intermediate, self.hidden)
            yield layer + "mlp.down_proj.weight", (self.hidden, self.intermediate)
        yield "model.norm.weight", (self.hidden,)
        if not self.tied:
            yield "lm_head.weight", (self.vocab, self.hidden)


def _smollm2(*, tied: bool) -> Shape:
    return Shape(
        name=f"smollm2-135m-{'tied' if tied else 'untied'}",
        architecture="LlamaForCausalLM",
        model_type="llama",
        layers=30,
        hidden=576,
        intermediate=1536,
        heads=9,
        kv_heads=3,
        vocab=49_152,
        context=8_192,
        tied=tied,
        bias=False,
    )


def _qwen25(*, tied: bool) -> Shape:
    return Shape(
        name=f"qwen2.5-0.5b-{'tied' if tied else 'untied'}",
        architecture="Qwen2ForCausalLM",
        model_type="qwen2",
        layers=24,
        hidden=896,
        intermediate=4_864,
        heads=14,
        kv_heads=2,
        vocab=151_936,
        context=32_768,
        tied=tied,
        bias=True,
    )


SHAPES = tuple(make(tied=tied) for make in (_smollm2, _qwen25) for tied in (True, False))
SMALL = replace(
    _qwen25(tied=True),
    name="sample-2m-tied",
    layers=3,
    hidden=256,
    intermediate=512,
    heads=4,
    vocab=2_048,
    context=1_024,
)
"""The shape of the sample."""
LARGE = replace(
    _qwen25(tied=True),
    name="qwen2.5-1.5b-tied",
    layers=28,
    hidden=1_536,
    intermediate=8_960,
    heads=12,
)

BIG = "qwen2.5-0.5b-tied"


@contextmanager
def bench_folder() -> Iterator[Path]:
    """Where the gigabyte of random weights lies; FIRSTLIGHT_BENCH_FOLDER keeps it for the next time."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(os.environ.get("FIRSTLIGHT_BENCH_FOLDER") or temporary)


def big_source(folder: Path) -> Path:
    """The source of the 0.5 B shape below `folder`, written when it is not there."""
    source = folder / "sources" / BIG
    if not (source / "model.safetensors").is_file():
        write_model(source, next(shape for shape in SHAPES if shape.name == BIG))
    return source


def int4_of(source: Path, folder: Path) -> Path:
    """The int4 artifact of a source below `folder`, converted when it is not there."""
    artifact = folder / "artifacts" / f"{source.name}-int4"
    if not artifact.is_dir():
        artifact.parent.mkdir(parents=True, exist_ok=True)
        command = Path(sys.executable).with_name("firstlight")
        timed(
            [command, "convert", source, "-o", artifact],
            env={"FIRSTLIGHT_HOME": str(folder / "home")},
        )
    return artifact


def write_model(folder: Path, shape: Shape, *, seed: int = 0) -> Path:
    """Write config, tokenizer files and bf16 weights of `shape` into `folder`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = find_paths().sample
    (folder / "config.json").write_text(json.dumps(shape.config()))
    for name in ("generation_config.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((sample / name).read_bytes())
    tokenizer = json.loads((sample / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    known = len(vocabulary) + sum(
        entry["content"] not in vocabulary for entry in tokenizer["added_tokens"]
    )
    vocabulary |= {f"<unused{n}>": n for n in range(known, shape.vocab)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    _write_weights(folder / "model.safetensors", shape, np.random.default_rng(seed))
    return folder


def _write_weights(path: Path, shape: Shape, generator: np.random.Generator) -> None:
    header: dict[str, Any] = {}
    position = 0
    for name, size in shape.tensors():
        count = int(np.prod(size)) * 2
        header[name] = {
            "dtype": "BF16",
            "shape": list(size),
            "data_offsets": [position, position + count],
        }
        position += count
    raw = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(raw)) + raw)
        for name, size in shape.tensors():
            values = generator.standard_normal(size, dtype=np.float32) * np.float32(0.02)
            if name.endswith("norm.weight"):
                values = np.ones(size, np.float32)
            # bfloat16 is the upper half of float32.
            stream.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())
