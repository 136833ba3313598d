"""The monitor's drawings: four columns of figures with their last minute, and one line of the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.machine import own_cpu
from firstlight_core.monitor import Sample
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.state.machine_view import MachineView
from firstlight_tui.widgets.charts.canvas import Canvas, Dots, Piece, cut, fitted, lines_of, spark
from firstlight_tui.widgets.charts.canvas import trough as trough_pieces
from firstlight_tui.widgets.charts.roles import BOLD, CAUTION, FILL, MUTED, SERIES, TROUGH

MINUTE = 60
"""Samples of a panel's history, one a second."""
GAP = 3
GIB = 2**30


def gib(size: float) -> str:
    """Return a size in GiB, without its unit."""
    return f"{size / GIB:.1f}"


def rate_text(rate: float) -> str:
    """Bytes a second, in words."""
    return f"{bytes_text(round(rate))}/s"


def hot(share: float, limit: float) -> str:
    """Style of a figure: the warning colour from its threshold on."""
    return f"{BOLD} {CAUTION}" if share >= limit else BOLD


@dataclass(frozen=True, slots=True)
class _Area:
    """A part of a canvas."""

    canvas: Canvas
    column: int
    row: int
    width: int
    height: int

    def line(self, row: int, *pieces: Piece) -> None:
        """Write a line, cut to the width."""
        room, start = self.width, self.column
        for text, style in pieces:
            text = cut(text, room)
            self.canvas.text(start, self.row + row, text, style)
            room, start = room - cell_len(text), start + cell_len(text)

    def history(
        self,
        values: Sequence[float | None],
        top: float,
        style: str,
        *,
        first: int = 1,
        rows: int | None = None,
        reference: tuple[float, str] | None = None,
    ) -> None:
        """Draw the newest values as a filled area whose right edge is now; a value that is None leaves a gap."""
        rows = self.height - 2 if rows is None else rows
        if rows < 1 or top <= 0:
            return
        dots = Dots(self.width, rows)
        newest = values[-MINUTE:]
        for x in range(dots.width):
            index = len(newest) - 1 - (dots.width - 1 - x) * MINUTE // dots.width
            value = newest[index] if 0 <= index < len(newest) else None
            if value is not None:
                dots.fill_below(x, dots.height - max(1, round(dots.height * min(1.0, value / top))))
        if reference is not None:
            value, label = reference
            row = self.row + first + rows - 1 - min(rows - 1, int(rows * value / top))
            self.canvas.text(self.column, row, "┈" * self.width, CAUTION)
        dots.draw_on(self.canvas, self.column, self.row + first, style)
        if reference is not None:
            self.canvas.text(self.column, row, cut(f"{label} ", self.width), CAUTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePanel:
    """CPU, memory, the job and its speed side by side; in a single line the same in short."""

    view: MachineView

    def rows(self, width: int) -> int:
        """The lines that it wants."""
        return 4

    def draw(self, width: int, height: int) -> Content:
        """Return the columns; the last line says which threshold is passed and what to do."""
        if height == 1:
            return strip_line(self.view).wrap(max(1, width))[0]
        canvas = Canvas(width, height)
        sample = self.view.last
        if sample is None:
            return canvas.content()
        room = (width - 3 * GAP) // 4
        for index, paint in enumerate((self._cpu, self._memory, self._job, self._speed)):
            start = index * (room + GAP)
            if index:
                for row in range(height):
                    canvas.text(start - 2, row, "▏", TROUGH)
            paint(_Area(canvas, start, 0, room, height), sample)
        if self.view.alerts and height > 2:
            words = " · ".join(f"{alert.words}. {alert.advice}" for alert in self.view.alerts)
            canvas.text(0, height - 1, fitted(f"! {words}", width), CAUTION)
        return canvas.content()

    def _past(self, name: str) -> list[float | None]:
        return [getattr(sample, name) for sample in self.view.samples[-MINUTE:]]

    def _cpu(self, area: _Area, sample: Sample) -> None:
        head: list[Piece] = [
            ("CPU ", MUTED),
            (f"{sample.cpu:.0f} %", hot(sample.cpu, self.view.thresholds["cpu_usage_percent"])),
        ]
        further = []
        if (own := own_cpu(sample)) is not None:
            further += [f"  job {own:.0f}", f" · others {max(0.0, sample.cpu - own):.0f}"]
        if sample.temperature is not None:
            further.append(f"  {sample.temperature:.0f} °C")
        room = area.width - sum(cell_len(text) for text, _ in head)
        for words in further:
            # Half a figure says less than none.
            if (room := room - cell_len(words)) < 0:
                break
            head.append((words, MUTED))
        area.line(0, *head)
        rows = area.height - 2
        if 0 < len(sample.cores) <= rows:
            bars = max(4, area.width - 10)
            area.history(self._past("cpu"), 100, SERIES[1], rows=rows - len(sample.cores))
            for core, load in enumerate(sample.cores):
                past = [s.cores[core] for s in self.view.samples[-MINUTE:] if len(s.cores) > core]
                area.line(
                    1 + rows - len(sample.cores) + core,
                    (f"c{core} ", MUTED),
                    (spark(past, bars, top=100).rjust(bars), SERIES[1]),
                    (f" {load:3.0f} %", MUTED),
                )
        elif sample.cores and rows > 1:
            area.history(self._past("cpu"), 100, SERIES[1], rows=rows - 1)
            label = f"{len(sample.cores)} cores "
            line = spark(sample.cores, area.width - len(label), top=100)
            area.line(rows, (label, MUTED), (line, SERIES[1]))
        else:
            area.history(self._past("cpu"), 100, SERIES[1])
        span = "60 s ago", "now"
        line = "─" * max(0, area.width - len(span[0]) - len(span[1]) - 2)
        area.line(area.height - 1, (f"{span[0]} ", MUTED), (line, TROUGH), (f" {span[1]}", MUTED))

    def _memory(self, area: _Area, sample: Sample) -> None:
        used = f"{gib(sample.memory_used)} / {gib(sample.memory_total)} GiB"
        share = 100 * sample.memory_used / max(1, sample.memory_total)
        head: list[Piece] = [
            ("RAM ", MUTED),
            (used, hot(share, self.view.thresholds["memory_usage_percent"])),
        ]
        if sample.swap_used:
            head.append((f"  swap {gib(sample.swap_used)}", MUTED))
        area.line(0, *head)
        predicted = self.view.predicted
        if predicted and sample.job_rss:
            past = self._past("job_rss")
            top = 1.15 * max(predicted, *(value or 0.0 for value in past))
            label = f"job's predicted peak {bytes_text(round(predicted))}"
            area.history(past, top, FILL, reference=(predicted, label))
        else:
            area.history(self._past("memory_used"), sample.memory_total, FILL)
        disk = f"disk {bytes_text(sample.disk_free)} free"
        if sample.disk_write_rate is not None:
            with_rate = f"{disk} · writes {rate_text(sample.disk_write_rate)}"
            # Half a word says less than none.
            disk = with_rate if len(with_rate) <= area.width else disk
        area.line(area.height - 1, (disk, MUTED))

    def _job(self, area: _Area, sample: Sample) -> None:
        view = self.view
        lines: list[list[Piece]] = [[(view.job or "no job runs", BOLD if view.job else MUTED)]]
        if view.share is not None:
            percent = f" {100 * view.share:.0f} %"
            lines.append(
                [*trough_pieces(view.share, area.width - len(percent), FILL), (percent, "")]
            )
        facts = []
        if view.job_seconds is not None:
            facts.append(seconds_text(view.job_seconds))
        if sample.job_rss:
            facts.append(f"RAM {bytes_text(sample.job_rss)}")
        if (own := own_cpu(sample)) is not None:
            facts.append(f"CPU {own:.0f} %")
        if sample.job_threads:
            facts.append(f"{sample.job_threads} threads")
        lines += [[(line, "")] for line in _wrapped(facts, area.width)]
        moved = []
        if sample.job_read_rate is not None:
            moved.append(f"reads {rate_text(sample.job_read_rate)}")
        if sample.job_write_rate is not None:
            moved.append(f"writes {rate_text(sample.job_write_rate)}")
        lines += [[(line, MUTED)] for line in _wrapped(moved, area.width)]
        if sample.battery is not None:
            lines.append([(f"battery {sample.battery:.0f} %", MUTED)])
        for row, pieces in enumerate(lines[: area.height]):
            area.line(row, *pieces)

    def _speed(self, area: _Area, sample: Sample) -> None:
        rate = self.view.decode_rate
        head = f"{rate:.0f} tok/s" if rate else "–"
        area.line(0, ("Decode ", MUTED), (head, BOLD))
        past = self._past("decode_rate")
        known = [value for value in past if value]
        if known:
            area.history(past, 1.1 * max(known), SERIES[2])
        foot = f"peak {max(known):.0f} · low {min(known):.0f}" if known else ""
        if prefills := [value for value in self._past("prefill_rate") if value]:
            foot += f"{' · ' if foot else ''}prefill {prefills[-1]:.0f}"
        area.line(area.height - 1, (foot, MUTED))


def _wrapped(words: Sequence[str], width: int) -> list[str]:
    """Words joined by dots, as many on a line as fit."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    return lines


def strip_line(view: MachineView) -> Content:
    """Return the monitor as one line; a passed threshold comes first."""
    sample = view.last
    if sample is None:
        return Content("")
    pieces: list[Piece] = [(f"! {alert.words}  ", CAUTION) for alert in view.alerts]
    is_said = any(alert.figure == "cpu_usage_percent" for alert in view.alerts)
    past = [s.cpu for s in view.samples[-8:]]
    rate = f"{view.decode_rate:.0f} tok/s" if view.decode_rate else "–"
    if not is_said:
        pieces += [("CPU ", MUTED), (f"{sample.cpu:3.0f} % ", "")]
    pieces += [
        (spark(past, 8, top=100).rjust(8), SERIES[1]),
        ("  RAM ", MUTED),
        (f"{gib(sample.memory_used)}/{sample.memory_total / GIB:.0f} GiB", ""),
        ("  job ", MUTED),
        (bytes_text(sample.job_rss) if sample.job_rss else "–", ""),
        ("  disk ", MUTED),
        (f"{sample.disk_free / GIB:.0f} GiB", ""),
        (f"  {rate}", ""),
    ]
    return lines_of([pieces])
