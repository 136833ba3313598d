"""The conversion as a picture: the pipeline with its bar, what is measured, and the memory under its predicted peak."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from firstlight_core.conversion.progress import OVERRUN, UNCERTAINTY
from firstlight_core.crowding import Crowding
from firstlight_core.documents.estimate import Estimates
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.state.conversion_stages import (
    ConversionPlanProgress,
    converted,
    current_row,
    planned,
    predicted_peak,
    progress_of,
)
from firstlight_tui.state.job_list import count_text
from firstlight_tui.state.work import Work
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series
from firstlight_tui.widgets.charts.pipeline import Pipeline, PipelineStage
from firstlight_tui.widgets.words import part
from firstlight_tui.widgets.work_view import SILENT_SECONDS


class ConversionBoard(Vertical):
    """Shows the plan before anything runs, and the work while it runs and after."""

    DEFAULT_CSS = """
    ConversionBoard { height: 1fr; min-height: 12; }
    ConversionBoard #work { height: auto; margin: 1 0; }
    ConversionBoard #memory { height: 1fr; min-height: 5; }
    """

    def compose(self) -> ComposeResult:
        yield Chart(id="pipeline")
        yield Words(id="work")
        yield Chart(id="memory")

    def show_converted(self, keys: Sequence[str], estimates: Estimates) -> None:
        """Show that all is done already; nobody measured its memory here."""
        self._show(converted(keys, estimates), Content(""), None)

    def show_plan(self, keys: Sequence[str], estimates: Estimates) -> None:
        """Show what is to come."""
        progress = planned(keys, estimates)
        self._show(progress, plan_estimate_words(keys, estimates), self._plot(keys, estimates))

    def show_work(self, work: Work, estimates: Estimates, crowded: Crowding | None) -> None:
        """Show how far the work is."""
        progress = progress_of(work, estimates)
        keys = [row["precision"] for row in work.queue]
        self._show(
            progress,
            work_words(work, estimates, crowded),
            self._plot(keys, estimates, work),
            bar_note(work, progress),
        )

    def say(self, words: Content) -> None:
        """Show words in the place of the work's."""
        self.query_one("#work", Words).update(words)

    def _show(
        self,
        progress: ConversionPlanProgress,
        words: Content,
        plot: LinePlot | None,
        note: str = "",
    ) -> None:
        stages = tuple(
            PipelineStage(
                label=stage.label,
                status=stage.status,
                seconds=stage.seconds,
                weight=stage.weight,
                share=stage.share,
            )
            for stage in progress.stages
        )
        pipeline = Pipeline(stages=stages, note=note)
        self.query_one("#pipeline", Chart).show(pipeline)
        self.query_one("#work", Words).update(words)
        self.query_one("#memory", Chart).show(plot)

    def _plot(
        self, keys: Sequence[str], estimates: Estimates, work: Work | None = None
    ) -> LinePlot | None:
        predicted = predicted_peak(keys, estimates)
        points = tuple(work.memory) if work is not None else ()
        if predicted is None and not points:
            return None
        label = f"predicted peak {bytes_text(predicted or 0)} (estimate)"
        title = "RAM of this conversion"
        if work is not None and points:
            now = f"now {bytes_text(points[-1][1])} · " if work.running else ""
            peak = work.measured.get("peak_rss_bytes") or max(held for _, held in points)
            title += f": {now}peak {bytes_text(peak)} measured"
        return LinePlot(
            series=(Series(label="RAM", points=points, filled=True),),
            title=title,
            y_text=_tick_text,
            x_ends=("start", seconds_text(points[-1][0]) if points else ""),
            reference=Reference(value=predicted, label=label) if predicted is not None else None,
            in_bytes=True,
        )


def _tick_text(value: float, largest: float) -> str:
    """Words of a tick; one function for all plots, or no two of them would be equal and each would be painted."""
    return bytes_text(value) if value else "0"


def plan_estimate_words(keys: Sequence[str], estimates: Estimates) -> Content:
    """Return the estimates of a queue that has not begun."""
    rows = [estimates.get(key, {}) for key in keys]
    facts = []
    if any(row.get("seconds") for row in rows):
        facts.append(f"about {seconds_text(planned(keys, estimates).expected)}")
    if peak := predicted_peak(keys, estimates):
        facts.append(f"{bytes_text(peak)} of RAM")
    if disk := sum(row.get("bytes") or 0 for row in rows):
        # Olive's own files beside the artifact, until the conversion ends.
        spare = max((row.get("disk_bytes") or 0) - (row.get("bytes") or 0) for row in rows)
        meanwhile = f", {bytes_text(disk + spare)} while it works" if spare > 0 else ""
        facts.append(f"{bytes_text(disk)} on disk{meanwhile}")
    if not facts:
        return Content.styled("No estimate for this model.", "$foreground-muted")
    return Content.assemble(part("estimate  ", "$text-accent"), part(" · ".join(facts)))


def bar_note(work: Work, progress: ConversionPlanProgress) -> str:
    """Return the words behind the overall bar: the time so far, and what is left or expected."""
    elapsed = seconds_text(work.seconds)
    if not work.running:
        return elapsed
    if progress.left is None:
        expected = seconds_text(progress.expected)
        if work.seconds > progress.expected:
            return f"{elapsed} · longer than the {expected} estimated"
        return f"{elapsed} · about {expected} in all (estimate)"
    slower = progress.left + work.seconds > (1 + UNCERTAINTY) * progress.expected
    left = "a few seconds left" if progress.left < 3 else f"about {_round(progress.left)} left"
    return f"{elapsed} · {left}{', slower than estimated' if slower else ''}"


def _round(seconds: float) -> str:
    """Seconds in steps of five above twenty: the figure is an estimate and should not flicker."""
    return seconds_text(5 * round(seconds / 5) if seconds > 20 else float(round(seconds)))


def work_words(work: Work, estimates: Estimates, crowded: Crowding | None) -> Content:
    """Return the stage in work, how the work ended, what is measured, and what slows it down."""
    lines = [_state_line(work)]
    if line := _measured_line(work, estimates):
        lines.append(line)
    if work.running and crowded is not None:
        lines.append(Content.styled(f"! {crowded.words}", "$text-warning"))
    if work.running and work.silent_seconds > SILENT_SECONDS:
        words = f"No output for {seconds_text(work.silent_seconds)}; the process is still running."
        lines.append(Content.styled(words, "$foreground-muted"))
    return Content("\n").join(lines)


def _state_line(work: Work) -> Content:
    took = seconds_text(work.seconds)
    match work.status:
        case "running":
            return _stage_words(work)
        case "done":
            return Content.styled(f"✓ Done in {took}", "bold $text-success")
        case "cancelled":
            words = f"Stopped after {took}; nothing was left behind"
            return Content.styled(words, "$text-warning")
    failed = sum(row.get("state") == "failed" for row in work.queue)
    words = f"✗ Failed after {took}"
    if 0 < failed < len(work.queue):
        words = f"✗ {failed} of {len(work.queue)} failed; ended after {took}"
    return Content.styled(words, "bold $text-error")


def _stage_words(work: Work) -> Content:
    if work.stage is None:
        return Content.styled("Starting …", "$foreground-muted")
    pieces = [part(work.stage.label, "bold")]
    if (progress := work.progress) is not None:
        counted = count_text(progress.done, progress.total, progress.unit)
        pieces.append(part(f"  {counted}", "$text-accent"))
        if progress.note:
            pieces.append(part(f"  {progress.note}", "$foreground-muted"))
    return Content.assemble(*pieces)


def _measured_line(work: Work, estimates: Estimates) -> Content | None:
    facts = []
    row = current_row(work)
    if work.running and row is not None and (written := work.measured.get("bytes_written")):
        whole = estimates.get(row["precision"], {}).get("disk_bytes")
        of_whole = f" of about {bytes_text(whole)} (estimate)" if whole else ""
        facts.append(part(f"{bytes_text(written)} written{of_whole}"))
    if peak := work.measured.get("peak_rss_bytes"):
        predicted = predicted_peak([row["precision"] for row in work.queue], estimates)
        words, style = f"peak RAM {bytes_text(peak)}", ""
        if predicted is not None:
            words += f"; predicted {bytes_text(predicted)} (estimate)"
            if peak > OVERRUN * predicted:
                words, style = f"{words}: more than predicted", "$text-warning"
        facts.append(part(words, style))
    if not facts:
        return None
    joined = [piece for fact in facts for piece in (part(" · ", "$foreground-muted"), fact)][1:]
    return Content.assemble(part("measured  ", "$text-accent"), *joined)
