"""INT4 calibrated with the real Olive: closer to the original on questions that it was not rounded on."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.publishing import read_manifest
from firstlight_core.conversion.convert import convert
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift
from firstlight_core.measure.quality_prompts import load_prompts
from firstlight_core.measure.reference import find_reference
from firstlight_core.process.events import Event, Progress, Stage

pytestmark = pytest.mark.real


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
    assert made["calibration"]["source"] == "own answers"
