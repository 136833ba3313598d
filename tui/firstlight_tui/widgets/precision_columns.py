"""The columns of the precision table: whose figure it is (claim, estimate, measured), and how a row shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firstlight_core.documents.estimate import RowEstimate
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.measure.drift_words import KL_ZERO, kl_text
from firstlight_core.precision.table import Precision

NOTHING = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRow:
    """The row of one precision: estimate, measurements, marks."""

    precision: Precision
    guess: RowEstimate
    figures: Figures | None
    marked: bool = False
    recommended: bool = False
    edited: bool = False
    """Whether advanced options, or an edited configuration, stand behind it."""

    @property
    def available(self) -> bool:
        """True if it can be made here."""
        return bool(self.guess.get("available", True)) or self.figures is not None


@dataclass(frozen=True, slots=True)
class SizeUnit:
    """One unit for all sizes of a kind, so that they can be compared at a glance."""

    name: str
    size: int

    @classmethod
    def fitting(cls, sizes: Sequence[float]) -> "SizeUnit":
        """MiB, or GiB when one of the sizes would have more than four digits of MiB."""
        large = bool(sizes) and max(sizes) >= 9_999 * 2**20
        return cls("GiB", 2**30) if large else cls("MiB", 2**20)

    def show(self, size: float | None) -> str:
        """Return a size in this unit, without its name."""
        return number(None if size is None else size / self.size)


@dataclass(frozen=True, slots=True)
class Units:
    """The units of the table: of sizes on disk, and of memory."""

    disk: SizeUnit
    memory: SizeUnit

    @classmethod
    def fitting(cls, rows: Sequence[PrecisionRow]) -> "Units":
        """Return the units in which every figure of these rows is short."""
        disk = [row.guess["bytes"] for row in rows if row.guess.get("bytes")]
        disk += [row.figures.bytes for row in rows if row.figures and row.figures.bytes]
        peaks = [row.guess.get("peak_ram_bytes") for row in rows]
        running = [row.guess.get("run_ram_bytes") for row in rows]
        memory = [size for size in (*peaks, *running) if size]
        return cls(SizeUnit.fitting(disk), SizeUnit.fitting(memory))


def number(value: float | None) -> str:
    """Return a figure of at most five characters: `0.034`, `1.78`, `2.00`, `461`, `12.7k`.

    Zeros at its end stay, so that figures below each other look alike.
    """
    if value is None:
        return NOTHING
    if abs(value) >= 9999.5:
        return f"{value / 1000:.3g}k" if abs(value) < 999_500 else f"{value / 1e6:.3g}M"
    if abs(value) >= 99.5:
        return f"{value:.0f}"
    return f"{value:#.3g}" if abs(value) >= 1 else f"{value:.2g}"


def drift_text(kl: float | None) -> str:
    """Return a mean KL divergence of at most six characters: `0.012`, `4.7e-6`."""
    if kl is None:
        return NOTHING
    if abs(kl) < KL_ZERO or kl >= 0.001:
        return kl_text(kl)
    mantissa, exponent = f"{kl:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


@dataclass(frozen=True, slots=True)
class Bar:
    """The length of a bar beside a figure, and whether it is only an estimate, or void."""

    amount: float
    estimated: bool = False
    void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureColumn:
    """One column: whose figure it is, what it is, how wide, and how a row shows it."""

    key: str
    mark: str
    """claim, est. or meas.; empty for the name."""
    name: str
    unit: str
    width: int
    show: Callable[[PrecisionRow, Units], str]
    bar: Callable[[PrecisionRow], Bar] | None = None
    """The bar beside the figure, where there is room for bars."""
    narrow: bool = False
    """Whether it stays when the terminal is narrow; the card below always shows everything."""


def _claim_size(row: PrecisionRow, units: Units) -> str:
    return row.precision.claim.size if row.precision.claim else NOTHING


def _claim_words(row: PrecisionRow, units: Units) -> str:
    return row.precision.claim.speed if row.precision.claim else NOTHING


def _measured(name: str, scale: float = 1.0) -> Callable[[PrecisionRow, Units], str]:
    def show(row: PrecisionRow, units: Units) -> str:
        value = getattr(row.figures, name, None)
        text = number(None if value is None else value * scale)
        speed = name in ("load_s", "ttft_s", "prefill_tps", "decode_tps")
        return (
            f"{text}?" if speed and value is not None and row.figures and row.figures.void else text
        )

    return show


def _size_bar(row: PrecisionRow) -> Bar:
    if row.figures is not None and row.figures.bytes:
        return Bar(float(row.figures.bytes))
    return Bar(float(row.guess.get("bytes") or 0.0), estimated=True)


def _speed_bar(row: PrecisionRow) -> Bar:
    figures = row.figures
    if figures is None or figures.decode_tps is None:
        return Bar(0.0)
    return Bar(figures.decode_tps, void=figures.void)


COLUMNS: tuple[FigureColumn, ...] = (
    FigureColumn(
        key="claim",
        mark="claim",
        name="size",
        unit="×FP32",
        width=6,
        show=_claim_size,
        narrow=True,
    ),
    FigureColumn(
        key="claimed-speed", mark="claim", name="speed", unit="", width=9, show=_claim_words
    ),
    FigureColumn(
        key="bytes",
        mark="est.",
        name="size",
        unit="{disk}",
        width=4,
        show=lambda row, units: units.disk.show(row.guess.get("bytes")),
        narrow=True,
    ),
    FigureColumn(
        key="peak",
        mark="est.",
        name="peak",
        unit="{memory}",
        width=4,
        show=lambda row, units: units.memory.show(row.guess.get("peak_ram_bytes")),
    ),
    FigureColumn(
        key="seconds",
        mark="est.",
        name="time",
        unit="s",
        width=4,
        show=lambda row, units: number(row.guess.get("seconds")),
        narrow=True,
    ),
    FigureColumn(
        key="run",
        mark="est.",
        name="run",
        unit="{memory}",
        width=4,
        show=lambda row, units: units.memory.show(row.guess.get("run_ram_bytes")),
    ),
    FigureColumn(
        key="measured",
        mark="meas.",
        name="size",
        unit="{disk}",
        width=5,
        show=lambda row, units: units.disk.show(row.figures.bytes if row.figures else None),
        bar=_size_bar,
        narrow=True,
    ),
    FigureColumn(
        key="load", mark="meas.", name="load", unit="ms", width=4, show=_measured("load_s", 1000)
    ),
    FigureColumn(
        key="ttft", mark="meas.", name="TTFT", unit="ms", width=5, show=_measured("ttft_s", 1000)
    ),
    FigureColumn(
        key="prefill",
        mark="meas.",
        name="prefill",
        unit="tok/s",
        width=7,
        show=_measured("prefill_tps"),
    ),
    FigureColumn(
        key="decode",
        mark="meas.",
        name="decode",
        unit="tok/s",
        width=6,
        show=_measured("decode_tps"),
        bar=_speed_bar,
        narrow=True,
    ),
    FigureColumn(
        key="drift",
        mark="meas.",
        name="drift",
        unit="KL",
        width=6,
        show=lambda row, units: drift_text(row.figures.kl_mean if row.figures else None),
        narrow=True,
    ),
)
STYLES = {"claim": "dim", "est.": "", "meas.": "bold"}
