"""The card under the precision table: everything that is known of one row, in words."""

from collections.abc import Callable
from typing import Literal

from textual.content import Content

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.precision.options import options_for, read_options
from firstlight_core.text import bytes_text, one_line, seconds_text, visible
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.precision_columns import PrecisionRow, drift_text, number

Estimated = Literal["bytes", "peak_ram_bytes", "disk_bytes", "seconds", "run_ram_bytes"]
ESTIMATED: tuple[tuple[Estimated, str, Callable[[float], str]], ...] = (
    ("bytes", "size", bytes_text),
    ("peak_ram_bytes", "peak RAM while converting", bytes_text),
    ("disk_bytes", "disk while working", bytes_text),
    ("seconds", "time", seconds_text),
    ("run_ram_bytes", "RAM to run", bytes_text),
)


def card(
    row: PrecisionRow,
    *,
    config: OliveConfig | None,
    tied: bool,
    reference: PrecisionRow | None = None,
    source_bytes: float | None = None,
    whole: bool = False,
) -> HangingText:
    """Note, claim, estimate, measurements, options and, when it cannot run here, the reason.

    `reference` is the FP32 row, of which the claims are shares; `source_bytes` the size of the source's weights;
    `whole` adds what the estimate assumes.
    """
    note = Content(f"  {visible(one_line(row.precision.note))}")
    lines = [Paragraph(text=Content.styled(row.precision.label, "bold") + note)]
    if not row.available:
        reason = one_line(str(row.guess.get("reason") or "It cannot run here."))
        lines.append(_line("not here", reason, "$text-warning"))
    if (claim := row.precision.claim) is not None:
        words = f"size {claim.size} of FP32, {claim.speed}, {claim.quality}, for: {claim.use}"
        if share := _share(row, reference):
            words += f"; this model: {share}"
        lines.append(_line("claim", words))
    if row.guess:
        facts = [
            f"{label} {as_text(value)}"
            for key, label, as_text in ESTIMATED
            if (value := row.guess.get(key)) is not None
        ]
        assumes = one_line(str(row.guess.get("assumes") or "")) if whole else ""
        if facts and source_bytes and (guess := row.guess.get("bytes")) and guess > source_bytes:
            facts[0] += f", {guess / source_bytes:.2f} × the source"
        if row.edited:
            assumes = "size with your options; time is not estimated for them"
            if not row.guess.get("bytes"):
                assumes = "size and time are not estimated for this configuration"
        lines.append(_line("estimate", "; ".join(facts) + (f" ({assumes})" if assumes else "")))
    lines.append(_line("measured", measured_words(row) or "nothing yet"))
    if options := options_words(row, config, tied=tied):
        lines.append(_line("advanced", options))
    return HangingText(*lines)


def _share(row: PrecisionRow, reference: PrecisionRow | None) -> str:
    """Size of a row as a share of FP32, and whose figures these are; empty when it is not known."""
    mine, whole = row_bytes(row), row_bytes(reference) if reference else None
    if mine is None or not whole or whole[0] <= 0:
        return ""
    kinds = "measured" if mine[1] == whole[1] == "measured" else "estimate"
    if mine[1] == "measured" and kinds == "estimate":
        kinds = "measured size / estimated FP32 size"
    return f"{100 * mine[0] / whole[0]:.0f} % of FP32 ({kinds})"


def row_bytes(row: PrecisionRow) -> tuple[float, str] | None:
    """Size of a row and its mark: measured if it was, else estimated."""
    if row.figures is not None and row.figures.bytes is not None:
        return row.figures.bytes, "measured"
    guess = row.guess.get("bytes")
    return (guess, "estimate") if guess else None


def measured_words(row: PrecisionRow) -> str:
    """Return the measurements of a row; empty without any."""
    figures = row.figures
    if figures is None:
        return ""
    parts = []
    if figures.bytes is not None:
        size = bytes_text(figures.bytes)
        if guess := row.guess.get("bytes"):
            size += f" ({100 * (figures.bytes / guess - 1):+.1f} % against the estimate)"
        parts.append(size)
    if figures.seconds is not None:
        parts.append(f"converted in {seconds_text(figures.seconds)}")
    if figures.peak_rss_bytes:
        parts.append(f"peak RAM {bytes_text(figures.peak_rss_bytes)}")
    if figures.load_s is not None:
        parts.append(f"load {1000 * figures.load_s:.0f} ms")
    speeds = []
    if figures.ttft_s is not None:
        speeds.append(f"TTFT {number(1000 * figures.ttft_s)} ms")
    if figures.prefill_tps is not None:
        speeds.append(f"prefill {figures.prefill_tps:.0f} tok/s")
    if figures.decode_tps is not None:
        speeds.append(f"decode {figures.decode_tps:.0f} tok/s")
    if speeds:
        void = ", void: the machine was busy, measure again" if figures.void else ""
        parts.append(f"{', '.join(speeds)} (prompt of {figures.prompt_tokens} tokens{void})")
    if figures.run_rss_bytes:
        parts.append(f"RAM running {bytes_text(figures.run_rss_bytes)}")
    words = "; ".join([*parts, *_quality_words(figures)])
    return f"on {figures.measured_at[:10]}: {words}" if figures.measured_at and words else words


def _quality_words(figures: Figures) -> list[str]:
    parts = []
    if figures.kl_mean is not None:
        drift = f"drift: mean KL {drift_text(figures.kl_mean)}"
        if figures.top1_agreement is not None:
            drift += f", top-1 agreement {100 * figures.top1_agreement:.1f} %"
        parts.append(drift)
    if figures.usable is False:
        parts.append("quality: not good enough")
    return parts


def options_words(row: PrecisionRow, config: OliveConfig | None, *, tied: bool) -> str:
    """Return the advanced options that an edited configuration sets; empty when it is not edited."""
    if config is None or not row.edited:
        return ""
    options = options_for(row.precision, tied=tied)
    values = read_options(config)
    parts = [
        f"{option.label.lower()} {choice.label}"
        for option in options
        for choice in option.choices
        if choice.value == values[option.key]
    ]
    return "; ".join(parts) or "an edited configuration"


def _line(mark: str, words: str, style: str = "$text-accent") -> Paragraph:
    return Paragraph(head=[(f"{mark:10}", style)], text=Content(visible(words)))
