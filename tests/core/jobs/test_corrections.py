"""What the conversion corrects of the builder: tiny models, converted for real and held against transformers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

matrix = pytest.importorskip("bench.matrix.__main__", reason="a source distribution has no bench")

ROWS = (
    "LlamaForCausalLM: rope: linear",
    "LlamaForCausalLM: rope: yarn, mscale",
    "LlamaForCausalLM: rope: llama3, other factors",
    "LlamaForCausalLM: rope: longrope",
    "LlamaForCausalLM: setting: stray partial_rotary_factor",
    "LlamaForCausalLM: head size: 24",
    "LlamaForCausalLM: head: config tied, own head",
    "LlamaForCausalLM: sizes: vocabulary = intermediate size",
    "Qwen2ForCausalLM: rope: yarn",
    "Qwen2ForCausalLM: rope: dynamic",
    "LlamaForCausalLM: own head and bias: attention_bias true",
    "Qwen2ForCausalLM: window: sliding_window 40, use_sliding_window true, max_window_layers 1",
    "MistralForCausalLM: window: sliding_window 40",
    "MistralForCausalLM: window: sliding_window 400",
    "MistralForCausalLM: window and rope: linear",
    "Phi3ForCausalLM: window: sliding_window 40",
    "Phi3ForCausalLM: setting: partial_rotary_factor 0.75",
    "Gemma3ForCausalLM: type: bfloat16",
    "Gemma3ForCausalLM: rope: linear",
    "SmolLM3ForCausalLM: window: sliding_window 40, use_sliding_window true",
    "OlmoForCausalLM: head: tied",
    "Gemma3ForCausalLM: setting: soft caps",
    "GemmaForCausalLM: setting: hidden_size 96",
    "GptOssForCausalLM: model: plain",
    "PhiForCausalLM: setting: layer_norm_eps 1e-3",
    "NemotronForCausalLM: type: bfloat16",
)


@pytest.mark.real
@pytest.mark.slow
def test_every_corrected_kind_computes_what_transformers_computes(tmp_path: Path) -> None:
    """Token by token and in one go, past windows and original lengths; without its correction each row is wrong."""
    ended = subprocess.run(
        [sys.executable, "-m", "bench.matrix.worker", str(tmp_path)],
        input="".join(json.dumps(key) + "\n" for key in ROWS),
        cwd=matrix.ROOT,
        env=matrix.worker_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    made = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [row["key"] for row in made] == list(ROWS)
    assert {row["key"]: row.get("why") for row in made if row["status"] != "right"} == {}
    worst = {row["key"]: row["figures"]["fp32"]["kl"] for row in made}
    assert {key: kl for key, kl in worst.items() if kl > 1e-9} == {}
