"""INT4 calibrated with the real Olive: closer to the original on questions that it was not rounded on."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.publishing import read_manifest
from firstlight_core.conversion.convert import convert, convert_plans, plan_conversion
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift
from firstlight_core.measure.quality_prompts import load_prompts
from firstlight_core.measure.reference import find_reference
from firstlight_core.precision.options import with_options
from firstlight_core.precision.table import find_precision
from firstlight_core.process.events import Event, Progress, Stage
from firstlight_core.process.offline import child_environment

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("loaded_jobs")]
_WRITE = """
import gc, sys
gc.disable()
import torch
from transformers import AutoConfig, AutoModelForCausalLM
torch.manual_seed(0)
folder, hidden, wide, tied = sys.argv[1:]
config = AutoConfig.for_model(
    "llama", vocab_size=2048, hidden_size=int(hidden), num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=48, intermediate_size=int(wide), max_position_embeddings=1024,
    bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
config.tie_word_embeddings = tied == "tied"
AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
"""


def halves(sample: Path, folder: Path) -> tuple[Path, Path]:
    """The sample's prompts in two files: one to round on, one to measure on."""
    lines = (sample.parent / "prompts.jsonl").read_text().splitlines(keepends=True)
    lines = [line for line in lines if "prompt" in json.loads(line)]
    paths = folder / "rounded-on.jsonl", folder / "measured-on.jsonl"
    for path, chosen in zip(paths, (lines[0::2], lines[1::2]), strict=True):
        path.write_text("".join(chosen))
    return paths


async def drift(folder: Path, source: Path, prompts: Path) -> dict[str, Any]:
    conversations = [prompt.messages for prompt in load_prompts(prompts)]
    reference = await find_reference(source, conversations, new_tokens=24)
    async with open_engine(folder) as engine:
        return await measure_drift(engine, reference, conversations)


@pytest.mark.slow
async def test_it_drifts_less_than_int4_on_other_prompts(
    sample: Path, artifact: Callable[[str], Path], tmp_path: Path, clean_children: None
) -> None:
    rounded_on, measured_on = halves(sample, tmp_path)
    events: list[Event] = []
    out = tmp_path / "out"
    made = await convert(
        sample,
        out,
        precision="int4-calibrated",
        calibration=rounded_on,
        on_event=events.append,
    )
    stages = [event.name for event in events if isinstance(event, Stage)]
    assert stages[:7] == [
        "start",
        "load-olive",
        "load-original",
        "calibration",
        "calibration-answers",
        # The half of the prompts is short.
        "calibration-answers",
        "calibrate",
    ]
    begun = next(n for n, e in enumerate(events) if isinstance(e, Stage) and e.name == "calibrate")
    ended = next(n for n, e in enumerate(events) if isinstance(e, Stage) and e.name == "build")
    layers = [e for e in events[begun:ended] if isinstance(e, Progress)]
    assert {(e.total, e.unit) for e in layers} == {(3, "layers")}
    assert [e.done for e in layers] == sorted(e.done for e in layers)
    assert (layers[0].done, layers[-1].done) == (0, 3)
    assert (made["built"]["bits"], made["built"]["block_size"]) == ([4, 8], [32])
    calibration = made["calibration"]
    assert calibration["source"] == str(rounded_on)
    assert 256 <= calibration["tokens"] <= 4_200 and calibration["seconds"] > 0
    assert calibration["added_tokens"] > 500
    manifest = read_manifest(out)
    assert manifest is not None and manifest["calibration"] == calibration
    plain = await drift(artifact("int4"), sample, measured_on)
    closer = await drift(out, sample, measured_on)
    assert closer["kl_mean"] <= 0.6 * plain["kl_mean"]


async def test_it_can_be_cancelled_while_it_rounds(
    sample: Path, tmp_path: Path, clean_children: None
) -> None:
    task: asyncio.Task[Any] | None = None

    def hear(event: Event) -> None:
        if isinstance(event, Stage) and event.name == "calibrate":
            assert task is not None
            task.cancel()

    out = tmp_path / "root" / "out"
    task = asyncio.create_task(convert(sample, out, precision="int4-calibrated", on_event=hear))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not out.parent.exists() or not list(out.parent.iterdir())


@pytest.mark.slow
async def test_an_adapter_is_merged_and_then_rounded(sample: Path, tmp_path: Path) -> None:
    made = await convert(sample.parent / "adapter", tmp_path / "out", precision="int4-calibrated")
    assert made["built"]["bits"] == [4, 8]
    assert made["agreement"]["top1"] >= 0.9
    assert made["calibration"]["source"] == "built-in"


PART_BLOCKS: dict[str, list[tuple[str, dict[str, int | str | bool]]]] = {
    "tied": [
        ("int4-quality", {}),
        ("int4-calibrated", {"block_size": 128, "algorithm": "k_quant"}),
    ],
    "untied": [
        ("int4-calibrated", {}),
        ("int4-calibrated", {"block_size": 64, "algorithm": "k_quant"}),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("ends", PART_BLOCKS)
async def test_rows_of_part_blocks_and_odd_numbers_of_them_are_proven(
    ends: str, sample: Path, tmp_path: Path
) -> None:
    """96 and 160 columns: 3 and 5 blocks of 32, 1 ½ and 2 ½ of 64."""
    source = tmp_path / "source"
    subprocess.run(
        [sys.executable, "-P", "-c", _WRITE, str(source), "96", "160", ends],
        env=child_environment(),
        check=True,
        capture_output=True,
    )
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(sample / name, source / name)
    plans = []
    for number, (key, options) in enumerate(PART_BLOCKS[ends]):
        row = find_precision(key)
        config = with_options(run_config(source, row), options, precision=row, tied=ends == "tied")
        plans.append(
            plan_conversion(source, tmp_path / f"out-{number}", precision=key, config=config)
        )
    document = await convert_plans(plans)
    assert document["ok"], document["failures"]
    for made, (_, options) in zip(document["results"], PART_BLOCKS[ends], strict=True):
        assert made["proof"]["level"] == "proven"
        assert made["agreement"]["structure"]["error_max"] < 1e-4
        assert made["proof"]["weights"]["unmatched"] == []
        wanted = {32, int(options.get("block_size", 32))}
        assert made["built"]["block_size"] == sorted(wanted)
