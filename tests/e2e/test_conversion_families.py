"""Families that the tested pair of tools converts only with Firstlight's adjustments, from config to conversation."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.conversion.convert import convert
from firstlight_core.documents import jobs_engine
from firstlight_core.inference.engine import open_engine
from firstlight_core.jobs.genai_sections import least_cache
from firstlight_core.process.offline import child_environment

pytestmark = pytest.mark.usefixtures("loaded_jobs")

_WRITE = """
import gc, sys
gc.disable()
import torch
from transformers import AutoConfig, AutoModelForCausalLM
torch.manual_seed(0)
kind, folder = sys.argv[1:]
config = AutoConfig.for_model(
    kind, vocab_size=2048, hidden_size=64, head_dim=16, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=96, max_position_embeddings=8192, sliding_window=4096,
    query_pre_attn_scalar=16, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
config.tie_word_embeddings = True
AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
"""


@pytest.mark.parametrize(
    ("decoder", "tokens"),
    [
        ({"sliding_window": {"window_size": 512, "layers": [0, 2]}}, 512),
        ({"sliding_window": {"window_size": 262_144, "layers": []}}, 0),
        ({"sliding_window": {"window_size": "many", "layers": [0]}}, 0),
        ({"sliding_window": None}, 0),
        ({}, 0),
    ],
)
def test_only_sliding_layers_need_a_large_cache(
    decoder: dict[str, Any], tokens: int, tmp_path: Path
) -> None:
    (tmp_path / "genai_config.json").write_text(json.dumps({"model": {"decoder": decoder}}))
    assert least_cache(tmp_path) == tokens


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gemma2", "gemma3_text"])
async def test_gemma_is_converted_and_talks(kind: str, sample: Path, tmp_path: Path) -> None:
    """Its attention window is larger than a short answer's cache; Gemma 3 keeps two sets of rope settings."""
    source = tmp_path / "source"
    subprocess.run(
        [sys.executable, "-P", "-c", _WRITE, kind, str(source)],
        env=child_environment(),
        check=True,
        capture_output=True,
    )
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(sample / name, source / name)
    made = await convert(source, tmp_path / "out", precision="int8-compact")
    assert made["agreement"]["top1"] >= 0.9
    assert made["built"]["embedding"] == "quantised uint8"
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
    async with open_engine(tmp_path / "out", max_length=4_600) as engine:
        for _ in range(2):
            answer = await engine.answer(messages, max_tokens=4, greedy=True)
            messages += [{"role": "assistant", "content": answer["text"]}]
            messages += [{"role": "user", "content": "And more?"}]
        # Beyond its window a sliding KV cache cannot go back: the prompt is computed anew, and answers the same.
        question = (await engine.render(messages))["ids"]
        ids = (question * (4_300 // len(question) + 1))[:4_300]
        request = {"max_tokens": 60, "search": {"do_sample": False}, "stream": False}
        long = [await engine.call(jobs_engine.CHAT({"ids": ids, **request})) for _ in range(2)]
        turn = [*ids, *long[0]["tokens"], *question]
        reused = await engine.call(jobs_engine.CHAT({"ids": turn, **request}))
        fresh = await engine.call(jobs_engine.CHAT({"ids": turn, "fresh": True, **request}))
    assert answer["stats"]["new_tokens"] > 0
    assert long[0]["tokens"] == long[1]["tokens"]
    assert reused["tokens"] == fresh["tokens"]
    assert len(long[0]["tokens"]) == 60, "an answer within the slack of the cache tests nothing"
