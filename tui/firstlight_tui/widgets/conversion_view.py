"""How far a queue of conversions is: precisions, stages, time left by the estimate, memory against the prediction."""

from typing import Literal, NotRequired, TypedDict

from textual.content import Content

from firstlight_core.conversion.progress import OVERRUN, UNCERTAINTY, remaining
from firstlight_core.documents.estimate import Estimates, PartialEstimate
from firstlight_core.precision.table import find_precision
from firstlight_core.text import bytes_text, one_line, seconds_text
from firstlight_tui.state.work import Work
from firstlight_tui.widgets.words import part
from firstlight_tui.widgets.work_view import WorkView

QueueState = Literal["waiting", "running", "done", "failed", "cancelled"]
MARKS = {
    "waiting": ("· ", "$foreground-muted"),
    "running": ("◐ ", "bold $text-accent"),
    "done": ("✓ ", "$text-success"),
    "failed": ("✗ ", "bold $text-error"),
    "cancelled": ("– ", "$text-warning"),
}


class QueueRow(TypedDict):
    """One precision of the queue."""

    precision: str
    state: QueueState
    begun: NotRequired[float]
    """Seconds of the work at which its conversion began."""


class ConversionView(WorkView):
    """Shows the stages of the conversion that runs, or ran last; the others as one mark each."""

    def show_conversion(self, work: Work, estimates: Estimates) -> None:
        """Paint the work; `work.rows` holds one row a precision, in the order of the queue."""
        row = current_row(work)
        begun = row.get("begun", 0.0) if row is not None else 0.0
        first = next((i for i, (_, at) in enumerate(work.stages) if at >= begun), None)
        lines = [self._queue_line(work)] if len(work.rows) > 1 else []
        if first is not None:
            lines += [self._stage_line(work, index) for index in range(first, len(work.stages))]
        lines.append(self._closing_line(work))
        if work.running and row is not None:
            guess = estimates.get(row["precision"], {})
            if seconds := guess.get("seconds"):
                lines.append(_left_line(seconds, work.seconds - begun, row))
            if line := _written_line(work, guess):
                lines.append(line)
        if line := _memory_line(work, estimates):
            lines.append(line)
        self.update(Content("\n").join(lines))

    def _stage_line(self, work: Work, index: int) -> Content:
        # The queue has failed as a whole, but the precision that ran last may be a good one.
        row = current_row(work)
        if work.status == "failed" and row is not None and row["state"] == "done":
            stage, begun = work.stages[index]
            later = [at for _, at in work.stages[index + 1 :]] or [work.seconds]
            took = part(f"  {seconds_text(later[0] - begun)}", "$foreground-muted")
            return Content.assemble(part("✓ ", "$text-success"), part(stage.label), took)
        return super()._stage_line(work, index)

    def _closing_line(self, work: Work) -> Content:
        failed = sum(row.get("state") == "failed" for row in work.rows)
        if work.status == "failed" and 0 < failed < len(work.rows):
            words = f"{failed} of {len(work.rows)} failed; ended after {seconds_text(work.seconds)}"
            return Content.styled(words, "bold $text-error")
        return super()._closing_line(work)

    def _queue_line(self, work: Work) -> Content:
        pieces = []
        for row in work.rows:
            state = str(row.get("state", "waiting"))
            if state in ("running", "waiting") and work.status == "cancelled":
                state = "cancelled"
            mark, style = MARKS[state]
            pieces += [part(mark, style), part(f"{find_precision(row['precision']).label}   ")]
        return Content.assemble(*pieces)


def current_row(work: Work) -> QueueRow | None:
    """Return the row that is being converted, or the last one that was begun; None before the first."""
    rows: list[QueueRow] = work.rows
    begun = [row for row in rows if "begun" in row]
    running = [row for row in begun if row["state"] == "running"]
    return (running or begun)[-1] if begun else None


def _left_line(estimated: float, elapsed: float, row: QueueRow) -> Content:
    left = remaining(estimated, elapsed)
    if left is None:
        words = f"Taking longer than estimated ({seconds_text(estimated)}). Still running."
        return Content.assemble(part("estimate  ", "$text-accent"), part(words))
    high = max(1, round(left.high))
    span = f"{left.low:.0f} to {high} s"
    if high >= 120:
        span = f"{seconds_text(left.low)} to {seconds_text(high)}"
    words = f"{span} left for {find_precision(row['precision']).label}"
    return Content.assemble(
        part("estimate  ", "$text-accent"),
        part(words),
        part(f" (±{100 * UNCERTAINTY:.0f} %)", "$foreground-muted"),
    )


def _written_line(work: Work, guess: PartialEstimate) -> Content | None:
    if not (written := work.measured.get("bytes_written")):
        return None
    words = f"{bytes_text(written)} written"
    if guess.get("disk_bytes"):
        words += f" of about {bytes_text(guess['disk_bytes'])} (estimate)"
    return Content.assemble(part("measured  ", "$text-accent"), part(words))


def _memory_line(work: Work, estimates: Estimates) -> Content | None:
    peak = work.measured.get("peak_rss_bytes")
    predicted = predicted_peak(work, estimates)
    if peak is None:
        return None
    over = predicted is not None and peak > OVERRUN * predicted
    words = f"peak RAM {bytes_text(peak)}"
    if predicted is not None:
        words += f"; predicted {bytes_text(predicted)} (estimate)"
    if over:
        words += ": more than predicted"
    return Content.assemble(
        part("measured  ", "$text-accent"), part(one_line(words), "$text-warning" if over else "")
    )


def predicted_peak(work: Work, estimates: Estimates) -> float | None:
    """The largest peak predicted for a precision of the queue: one process makes them all."""
    peaks = [estimates.get(str(row["precision"]), {}).get("peak_ram_bytes") for row in work.rows]
    known = [float(peak) for peak in peaks if peak]
    return max(known) if known else None
