"""How long `firstlight inspect` takes for a model of 7 B parameters: headers only, so the weights are a hole."""

import json
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from bench.measuring import Figure, timed
from firstlight_core.paths import find_paths

RUNS = 7
LAYERS, HIDDEN, INNER, HEADS, KV_HEADS, VOCABULARY = 28, 3584, 18944, 28, 4, 152_064
"""Shape of Qwen2.5-7B-Instruct (its config.json)."""
SHARDS = 4


def measure() -> list[Figure]:
    """Wall time and peak memory of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        model = seven_billion(Path(folder) / "model")
        program = Path(sys.executable).with_name("firstlight")
        command: list[str | Path] = [program, "inspect", model, "--json"]
        samples = [timed(command, env={"FIRSTLIGHT_HOME": folder}) for _ in range(RUNS + 1)][1:]
    return [
        Figure(
            name="inspect of a 7 B folder",
            unit="s",
            samples=tuple(s for s, _ in samples),
            target="<= 1 s",
        ),
        Figure(
            name="inspect of a 7 B folder, peak memory",
            unit="MiB",
            samples=tuple(rss / 2**20 for _, rss in samples),
            target="<= 100 MiB",
        ),
    ]


def seven_billion(folder: Path) -> Path:
    """A folder of the shape of Qwen2.5-7B, with sparse weight files that take no room."""
    sample = find_paths().sample
    folder.mkdir(parents=True)
    for name in (
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
        "chat_template.jinja",
    ):
        shutil.copy(sample / name, folder)
    config = json.loads((sample / "config.json").read_text())
    config |= {
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": False,
        "max_position_embeddings": 32_768,
        "layer_types": ["full_attention"] * LAYERS,
    }
    (folder / "config.json").write_text(json.dumps(config))
    placed: dict[str, str] = {}
    tensors = list(_tensors().items())
    size = -(-len(tensors) // SHARDS)
    for number in range(SHARDS):
        name = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        part = dict(tensors[number * size : (number + 1) * size])
        _write_sparse(folder / name, part)
        placed |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": placed})
    )
    return folder


def _tensors() -> dict[str, tuple[int, ...]]:
    kv = HIDDEN // HEADS * KV_HEADS
    tensors: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "lm_head.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        tensors |= {
            f"{prefix}input_layernorm.weight": (HIDDEN,),
            f"{prefix}post_attention_layernorm.weight": (HIDDEN,),
            f"{prefix}mlp.gate_proj.weight": (INNER, HIDDEN),
            f"{prefix}mlp.up_proj.weight": (INNER, HIDDEN),
            f"{prefix}mlp.down_proj.weight": (HIDDEN, INNER),
            f"{prefix}self_attn.o_proj.weight": (HIDDEN, HIDDEN),
        }
        for name, out in (("q", HIDDEN), ("k", kv), ("v", kv)):
            tensors[f"{prefix}self_attn.{name}_proj.weight"] = (out, HIDDEN)
            tensors[f"{prefix}self_attn.{name}_proj.bias"] = (out,)
    return tensors


def _write_sparse(path: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    header, offset = {}, 0
    for name, shape in tensors.items():
        count = 2
        for side in shape:
            count *= side
        header[name] = {
            "dtype": "BF16",
            "shape": list(shape),
            "data_offsets": [offset, offset + count],
        }
        offset += count
    raw = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(raw)) + raw)
        stream.truncate(8 + len(raw) + offset)
