"""What Firstlight's care costs: `firstlight convert` in turn with the same Olive run by hand, on two models."""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measuring import Figure, spoken, timed
from bench.random_model import bench_folder, big_source
from firstlight_core.conversion.convert import plan_conversion
from firstlight_core.paths import find_paths
from firstlight_core.runner import OFFLINE

PAIRS = 5
THREES = 2
THREE = ("int8", "int4", "int4-compact")
_BY_HAND = Path(__file__).with_name("hand_olive.py")
_MANY = """
import asyncio, json, sys
from pathlib import Path
from firstlight_core.conversion.convert import convert_many
source, place, *keys = sys.argv[1:]
made = asyncio.run(convert_many(Path(source), {key: Path(place) / key for key in keys}))
print(json.dumps(len(made["results"])))
"""
"""Several precisions with one Olive, as the wizard does it."""


def measure() -> list[Figure]:
    """Wall and peak memory against Olive by hand; three precisions against one; the sample and a 0.5 B shape."""
    figures = []
    with bench_folder() as folder:
        for name, model in (("sample", find_paths().sample), ("0.5 B shape", big_source(folder))):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                figures += _pairs(name, model, Path(place))
    return figures


def _pairs(name: str, source: Path, place: Path) -> list[Figure]:
    command = Path(sys.executable).with_name("firstlight")
    env = {"FIRSTLIGHT_HOME": str(place / "state")}
    whole, job, by_hand, our_peak, hand_peak, three = [], [], [], [], [], []
    for number in range(PAIRS):
        config = place / f"hand-{number}.json"
        config.write_text(json.dumps(_hand_config(source, place / f"hand-{number}")))
        seconds, peak = timed([sys.executable, _BY_HAND, config], env=OFFLINE)
        by_hand.append(seconds)
        hand_peak.append(peak / 2**20)
        seconds, made = _spoken_in(
            [command, "convert", source, "-o", place / f"ours-{number}", "--json"], env
        )
        whole.append(seconds)
        job.append(float(made["seconds"]))
        our_peak.append(made["peak_rss_bytes"] / 2**20)
        if number < THREES:
            many = [sys.executable, "-c", _MANY, source, place / f"many-{number}", *THREE]
            (place / f"many-{number}").mkdir()
            three.append(_spoken_in(many, env)[0])
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
            **hand,
        ),
        Figure(
            name=f"convert {name}, peak memory",
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


def _spoken_in(command: list[Any], env: dict[str, str]) -> tuple[float, Any]:
    begun = time.perf_counter()
    document = spoken(command, env=env)
    return time.perf_counter() - begun, document


def _hand_config(source: Path, folder: Path) -> dict[str, object]:
    plan = plan_conversion(source, folder / "output", precision="int4")
    for name in ("output", "cache"):
        (folder / name).mkdir(parents=True)
    return {
        **plan.run_config,
        "output_dir": str(folder / "output"),
        "cache_dir": str(folder / "cache"),
    }
