"""Measure the overhead of a conversion: `firstlight convert` in turn with the same Olive run by hand, on two models."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.measuring import Figure, timed
from bench.random_model import bench_folder, big_source
from firstlight_core.conversion.convert import plan_conversion
from firstlight_core.paths import find_paths
from firstlight_core.process.offline import OFFLINE

PAIRS = 5
THREES = 2
THREE = ("int8", "int4", "int4-compact")
_BY_HAND = Path(__file__).with_name("hand_olive.py")
_MANY = """
import asyncio, sys
from pathlib import Path
from firstlight_core.conversion.convert import convert_many
source, place, *keys = sys.argv[1:]
made = asyncio.run(convert_many(Path(source), {key: Path(place) / key for key in keys}))
sys.exit(0 if made["ok"] else 1)
"""
"""Several precisions with one Olive, as the wizard does it."""


def measure() -> list[Figure]:
    """Wall and peak memory against Olive by hand; three precisions against one; the sample and a 0.5 B shape."""
    figures = []
    with bench_folder() as folder:
        for name, model in (("sample", find_paths().sample), ("0.5 B shape", big_source(folder))):
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                figures += _pairs(name, model, Path(scratch))
    return figures


def _pairs(name: str, source: Path, scratch: Path) -> list[Figure]:
    command = Path(sys.executable).with_name("firstlight")
    whole, again, job, by_hand, our_peak, hand_peak, three = [], [], [], [], [], [], []
    for number in range(PAIRS):
        config = scratch / f"hand-{number}.json"
        config.write_text(json.dumps(_hand_config(source, scratch / f"hand-{number}")))
        seconds, peak = timed([sys.executable, _BY_HAND, config], env=OFFLINE)
        by_hand.append(seconds)
        hand_peak.append(peak / 2**20)
        # Every first conversion is one on a machine that has never seen the source: nothing is remembered.
        env = {"FIRSTLIGHT_HOME": str(scratch / f"state-{number}")}
        folder = scratch / f"ours-{number}"
        seconds, peak = timed([command, "convert", source, "-o", folder], env=env)
        whole.append(seconds)
        our_peak.append(peak / 2**20)
        job.append(float(json.loads((folder / "firstlight.json").read_text())["olive_seconds"]))
        again.append(timed([command, "convert", source, "-o", folder], env=env)[0])
        if number < THREES:
            env = {"FIRSTLIGHT_HOME": str(scratch / f"state-many-{number}")}
            many: list[str | Path] = [
                sys.executable,
                "-c",
                _MANY,
                source,
                scratch / f"many-{number}",
                *THREE,
            ]
            (scratch / f"many-{number}").mkdir()
            three.append(timed(many, env=env)[0])
        for made in scratch.glob("*-[0-9]"):
            shutil.rmtree(made)
    hand: dict[str, Any] = {"against": "Olive by hand", "against_samples": tuple(by_hand)}
    return [
        Figure(
            name=f"convert {name}, Olive's job only",
            unit="s",
            samples=tuple(job),
            target="<= 1.10 × by hand",
            **hand,
        ),
        Figure(
            name=f"convert {name}, the whole command with gate, comparison and publishing",
            unit="s",
            samples=tuple(whole),
            target="<= 1.10 × by hand",
            **hand,
        ),
        Figure(
            name=f"convert {name} again, the source's fingerprint and answers remembered",
            unit="s",
            samples=tuple(again),
            **hand,
        ),
        Figure(
            name=f"convert {name}, peak memory of all processes together, the original and the check included",
            unit="MiB",
            samples=tuple(our_peak),
            target="<= 1.05 × by hand",
            against="Olive by hand",
            against_samples=tuple(hand_peak),
        ),
        Figure(
            name=f"converting {name} to {', '.join(THREE)}",
            unit="s",
            samples=tuple(three),
            target="<= 2.2 × one",
            against="one whole command (int4)",
            against_samples=tuple(whole),
        ),
    ]


def _hand_config(source: Path, folder: Path) -> dict[str, object]:
    plan = plan_conversion(source, folder / "output", precision="int4")
    for name in ("output", "cache"):
        (folder / name).mkdir(parents=True)
    return {
        **plan.run_config,
        "output_dir": str(folder / "output"),
        "cache_dir": str(folder / "cache"),
    }
