"""What Firstlight's care costs: `firstlight convert` in turn with the same Olive run by hand."""

import json
import sys
import tempfile
from pathlib import Path

from bench.measuring import Figure, spoken, timed
from firstlight_core.conversion.convert import plan_conversion
from firstlight_core.paths import find_paths
from firstlight_core.runner import OFFLINE

RUNS = 3
_BY_HAND = Path(__file__).with_name("hand_olive.py")
THREE = ("fp32", "int8", "int4")


def measure() -> list[Figure]:
    """Wall and peak memory against Olive by hand; three precisions against one."""
    command = Path(sys.executable).with_name("firstlight")
    ours, job, by_hand, our_peak, hand_peak, three = [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        env = {"FIRSTLIGHT_HOME": str(place / "state")}
        sample = find_paths().sample
        for number in range(RUNS):
            config = place / f"hand-{number}.json"
            config.write_text(json.dumps(_hand_config(sample, place / f"hand-{number}")))
            seconds, peak = timed([sys.executable, _BY_HAND, config], env=OFFLINE)
            by_hand.append(seconds)
            hand_peak.append(peak / 2**20)
            output = place / f"ours-{number}"
            seconds, _ = timed([command, "convert", sample, "-o", output], env=env)
            ours.append(seconds)
            made = spoken([command, "convert", sample, "-o", f"{output}-again", "--json"], env=env)
            job.append(float(made["seconds"]))
            our_peak.append(made["peak_rss_bytes"] / 2**20)
            plan = place / f"three-{number}.toml"
            plan.write_text(f'source = "sample"\nprecisions = {json.dumps(THREE)}\n')
            walked = spoken([command, "run", plan, "--yes", "--json"], env=env)
            three.append(next(s["seconds"] for s in walked["steps"] if s["id"] == "convert"))
    return [
        Figure(
            name="convert, Olive's job only",
            unit="s",
            samples=tuple(job),
            target="<= 1.10 × by hand",
            against="Olive by hand",
            against_samples=tuple(by_hand),
        ),
        Figure(
            name="convert, the whole command with gate and publishing",
            unit="s",
            samples=tuple(ours),
            against="Olive by hand",
            against_samples=tuple(by_hand),
        ),
        Figure(
            name="convert, peak memory",
            unit="MiB",
            samples=tuple(our_peak),
            target="<= 1.05 × by hand",
            against="Olive by hand",
            against_samples=tuple(hand_peak),
        ),
        Figure(
            name="converting three precisions",
            unit="s",
            samples=tuple(three),
            target="<= 2.2 × one",
            against="one precision",
            against_samples=tuple(ours),
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
