"""Public model families at their published shapes: none is refused, and the parameters are the published ones."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.estimate.artifact_size import artifact_bytes
from firstlight_core.estimate.estimates import Room, estimate
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.structure import LAYER_PARTS
from firstlight_core.precision.table import PRECISIONS, find_precision
from tests.support.zoo import honest_folder


@dataclass(frozen=True)
class Family:
    """The numbers of a published config.json, and the parameter count of its model card."""

    name: str
    architecture: str
    model_type: str
    layers: int
    hidden: int
    wide: int
    heads: int
    kv_heads: int
    vocab: int
    parameters: int
    tied: bool
    head_dim: int | None = None
    bias: bool = False
    extra: tuple[tuple[str, Any], ...] = ()


LLAMA, QWEN2, QWEN3 = "LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"
GEMMA3, PHI3, MISTRAL = "Gemma3ForCausalLM", "Phi3ForCausalLM", "MistralForCausalLM"
FAMILIES = (
    Family("smollm2-135m", LLAMA, "llama", 30, 576, 1536, 9, 3, 49_152, 134_515_008, True),
    Family("llama-3.2-1b", LLAMA, "llama", 16, 2048, 8192, 32, 8, 128_256, 1_235_814_400, True, 64),
    Family(
        "qwen2.5-0.5b", QWEN2, "qwen2", 24, 896, 4864, 14, 2, 151_936, 494_032_768, True, bias=True
    ),
    Family(
        "qwen2.5-7b",
        QWEN2,
        "qwen2",
        28,
        3584,
        18_944,
        28,
        4,
        152_064,
        7_615_616_512,
        False,
        bias=True,
    ),
    Family("qwen3-0.6b", QWEN3, "qwen3", 28, 1024, 3072, 16, 8, 151_936, 596_049_920, True, 128),
    Family(
        "gemma-3-1b", GEMMA3, "gemma3_text", 26, 1152, 6912, 4, 1, 262_144, 999_885_952, True, 256
    ),
    Family(
        "mistral-7b-v0.3", MISTRAL, "mistral", 32, 4096, 14_336, 32, 8, 32_768, 7_248_023_552, False
    ),
    Family(
        "phi-3.5-mini",
        PHI3,
        "phi3",
        32,
        3072,
        8192,
        32,
        32,
        32_064,
        3_821_079_552,
        False,
        extra=(("original_max_position_embeddings", 4096),),
    ),
    Family(
        "phi-4-mini",
        PHI3,
        "phi3",
        32,
        3072,
        8192,
        24,
        8,
        200_064,
        3_836_021_760,
        True,
        extra=(("original_max_position_embeddings", 4096),),
    ),
)


def shapes(family: Family) -> dict[str, list[int]]:
    """Every tensor of the family, by its name in the published files."""
    head = family.head_dim or family.hidden // family.heads
    queries, keys = family.heads * head, family.kv_heads * head
    hidden, wide = family.hidden, family.wide
    parts = {
        "self_attn.q_proj": [queries, hidden],
        "self_attn.k_proj": [keys, hidden],
        "self_attn.v_proj": [keys, hidden],
        "self_attn.o_proj": [hidden, queries],
        "self_attn.qkv_proj": [queries + 2 * keys, hidden],
        "self_attn.q_norm": [head],
        "self_attn.k_norm": [head],
        "mlp.gate_proj": [wide, hidden],
        "mlp.up_proj": [wide, hidden],
        "mlp.gate_up_proj": [2 * wide, hidden],
        "mlp.down_proj": [hidden, wide],
    }
    line = {"model.embed_tokens.weight": [family.vocab, hidden], "model.norm.weight": [hidden]}
    for number in range(family.layers):
        for part in LAYER_PARTS[family.architecture]:
            line[f"model.layers.{number}.{part}.weight"] = parts.get(part, [hidden])
        if family.bias:
            for part, size in (("q", queries), ("k", keys), ("v", keys)):
                line[f"model.layers.{number}.self_attn.{part}_proj.bias"] = [size]
    if not family.tied:
        line["lm_head.weight"] = [family.vocab, hidden]
    return line


def write(folder: Path, family: Family) -> Path:
    """The folder with its weights as a hole in a sparse file."""
    honest_folder(
        folder,
        architectures=[family.architecture],
        model_type=family.model_type,
        hidden_size=family.hidden,
        intermediate_size=family.wide,
        num_hidden_layers=family.layers,
        num_attention_heads=family.heads,
        num_key_value_heads=family.kv_heads,
        vocab_size=family.vocab,
        max_position_embeddings=32_768,
        tie_word_embeddings=family.tied,
        head_dim=family.head_dim,
        **dict(family.extra),
    )
    header: dict[str, Any] = {}
    position = 0
    for name, shape in shapes(family).items():
        size = 2
        for number in shape:
            size *= number
        offsets = [position, position + size]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": offsets}
        position += size
    raw = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(raw)) + raw)
        stream.truncate(8 + len(raw) + position)
    return folder


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_family(family: Family, tmp_path: Path) -> None:
    inspection = inspect_model(write(tmp_path / "m", family))
    assert inspection.parameters == family.parameters
    assert inspection.supported
    assert inspection.structure.tied is family.tied
    sizes = {row.key: artifact_bytes(inspection, row) for row in PRECISIONS}
    assert sizes["fp32"] > sizes["fp16"] > sizes["int4-quality"] > sizes["int4"]
    assert sizes["int4"] > sizes["int4-compact"]
    assert sizes["int4-quality"] > sizes["int4-calibrated"] > sizes["int4"]


def test_small_tied_int8_can_be_larger_than_its_source(tmp_path: Path) -> None:
    """SPEC 1.3 wants this said: a separate FP32 embedding."""
    family = next(family for family in FAMILIES if family.name == "qwen2.5-0.5b")
    inspection = inspect_model(write(tmp_path / "m", family))
    int8, compact, fp16 = (
        artifact_bytes(inspection, find_precision(key)) for key in ("int8", "int8-compact", "fp16")
    )
    assert int8 > inspection.weight_bytes
    assert compact < 0.6 * fp16
    # Measured: conversions of random weights of this shape.
    assert compact == pytest.approx(569_286_876, rel=0.01)


def test_a_row_that_shares_a_table_needs_a_tied_model(tmp_path: Path) -> None:
    for family in FAMILIES:
        inspection = inspect_model(write(tmp_path / family.name, family))
        row = estimate(
            inspection, find_precision("int8-compact"), room=Room(memory=2**50, disk=2**50)
        )
        assert (row["blocked_by"] == "model") is not family.tied, family.name
        assert row["available"] is family.tied
