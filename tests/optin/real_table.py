"""The table of `make test-real`: what was estimated and measured of each precision of each real model, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight_core.precision.table import find_precision

NAMES = {"smollm2": "SmolLM2-135M-Instruct", "gemma3": "Gemma 3 270M (base)"}
NOTE = (
    "Weights: 4-bit GGUF files of the package index, dequantised to bfloat16. They lay on a 4-bit grid once, "
    "which is kind to INT4; models that never did drift more."
)
HEAD = (
    "Precision",
    "Size",
    "Peak RAM of the conversion",
    "RAM to run",
    "Decode, tokens/s",
    "Same token as the original",
    "Mean KL, nats",
    "Perplexity",
    "Same answers",
    "Quality",
)


@dataclass(slots=True)
class Figures:
    """One precision of one model; sizes in bytes. A refusal has nothing but its reason."""

    model: str
    precision: str
    refused: str = ""
    estimated: dict[str, float] = field(default_factory=dict)
    """`bytes`, `peak_ram_bytes` and `run_ram_bytes`, before this machine taught anything."""
    measured: dict[str, float] = field(default_factory=dict)
    decode_tps: float | None = None
    """None where the machine was too busy: the figure is void."""
    drift: dict[str, Any] = field(default_factory=dict)
    answers: tuple[int, int] = (0, 0)
    verdict: str = ""

    def ratio(self, name: str) -> float:
        """Estimate ÷ measurement."""
        return self.estimated[name] / self.measured[name]


def write_table(path: Path, rows: Sequence[Figures], machine: str) -> None:
    """Write the table; models in the order of their first row."""
    lines = [f"Measured by `make test-real` on {machine}.", "", NOTE, ""]
    for model in dict.fromkeys(row.model for row in rows):
        lines += [f"**{NAMES[model]}**", "", _line(HEAD), _line(["---"] * len(HEAD))]
        lines += [_line(_cells(row)) for row in rows if row.model == model]
        lines.append("")
    known = [row for row in rows if not row.refused]
    for name, title in (
        ("bytes", "size"),
        ("peak_ram_bytes", "peak RAM"),
        ("run_ram_bytes", "RAM to run"),
    ):
        if ratios := [row.ratio(name) for row in known]:
            low, high = 100 * (min(ratios) - 1), 100 * (max(ratios) - 1)
            lines.append(f"Estimates of the {title} were {low:+.1f} to {high:+.1f} % off.")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Figures) -> list[str]:
    label = find_precision(row.precision).label
    if row.refused:
        return [label, row.refused, *[""] * (len(HEAD) - 2)]
    sizes = [_size(row, name) for name in ("bytes", "peak_ram_bytes", "run_ram_bytes")]
    drift = row.drift
    return [
        label,
        *sizes,
        f"{row.decode_tps:.0f}" if row.decode_tps is not None else "void",
        f"{100 * drift['top1_agreement']:.1f} %",
        f"{drift['kl_mean']:.2g}",
        f"× {drift['perplexity_ratio']:.4f}",
        f"{row.answers[0]} of {row.answers[1]}",
        row.verdict,
    ]


def _size(row: Figures, name: str) -> str:
    return f"{row.measured[name] / 2**20:,.0f} MiB ({100 * (row.ratio(name) - 1):+.1f} %)"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
