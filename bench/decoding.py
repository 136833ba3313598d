"""What Firstlight's engine costs: its decode and prefill rates in turn with a bare onnxruntime-genai loop."""

import sys
import tempfile
from pathlib import Path

from bench.measuring import Figure, spoken
from firstlight_core.paths import find_paths
from firstlight_core.runner import OFFLINE

RUNS = 5
_BARE = Path(__file__).with_name("bare_genai.py")
PROMPT, NEW = 256, 256


def measure() -> list[Figure]:
    """Rates on the sample's int4 artifact. It decodes so fast that fixed costs weigh more than on a real model."""
    command = Path(sys.executable).with_name("firstlight")
    rates: dict[str, list[float]] = {
        name: [] for name in ("ours", "bare", "ours_prefill", "bare_prefill")
    }
    with tempfile.TemporaryDirectory() as folder:
        env = {"FIRSTLIGHT_HOME": str(Path(folder) / "state")}
        artifact = Path(folder) / "int4"
        spoken([command, "convert", find_paths().sample, "-o", artifact, "--json"], env=env)
        for _ in range(RUNS):
            bare = spoken(
                [sys.executable, _BARE, artifact, str(PROMPT), str(NEW)],
                env=OFFLINE,
            )
            rates["bare"].append(bare["decode_tps"])
            rates["bare_prefill"].append(bare["prefill_tps"])
            options = [
                "--lengths",
                str(PROMPT),
                "--new-tokens",
                str(NEW),
                "--repeats",
                "3",
                "--json",
            ]
            case = spoken([command, "bench", artifact, *options], env=env)["results"][0]["cases"][0]
            rates["ours"].append(case["decode_tps"]["median"])
            rates["ours_prefill"].append(case["prefill_tps"]["median"])
    return [
        Figure(
            name="decode rate of `bench`",
            unit="tok/s",
            samples=tuple(rates["ours"]),
            target=">= 0.98 × bare",
            against="a bare genai loop",
            against_samples=tuple(rates["bare"]),
        ),
        Figure(
            name="prefill rate of `bench`",
            unit="tok/s",
            samples=tuple(rates["ours_prefill"]),
            against="a bare genai loop",
            against_samples=tuple(rates["bare_prefill"]),
        ),
    ]
