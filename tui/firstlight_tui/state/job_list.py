"""The job list: what runs, since when and how far, what waits, and how the last ones ended."""

from dataclasses import dataclass

from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.state.jobs import Jobs
from firstlight_tui.state.work import Work, waits_words

STEPS_OF_OTHERS = {"tune": "benchmark", "serve": "deploy", "install": "environment"}
"""Work that is not the main work of a step, and the step where it is begun."""
MARKS = {"running": "◐", "waiting": "○", "done": "✓", "failed": "✗", "cancelled": "·"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One line of the list."""

    name: str
    status: str
    label: str
    words: str
    time: str
    """How long it has run or waited, or ran."""

    @property
    def mark(self) -> str:
        """Its status as one character."""
        return MARKS[self.status]


def job_rows(jobs: Jobs) -> list[JobRow]:
    """Return what runs, then what waits in its order, then what has ended, the newest first."""
    ended = [work for work in jobs.works if not work.pending and work.alone]
    ended.sort(key=lambda work: work.ended or 0.0, reverse=True)
    running = [work for work in jobs.running if not work.only_looks]
    return [_row(work) for work in (*running, *jobs.waiting, *ended)]


def _row(work: Work) -> JobRow:
    return JobRow(
        name=work.name,
        status=work.status,
        label=work.label,
        words=_words(work),
        time=seconds_text(float(round(work.seconds))),
    )


def _words(work: Work) -> str:
    match work.status:
        case "waiting":
            return waits_words(work)
        case "running":
            return _progress_words(work)
        case "failed":
            return str(work.error) if work.error is not None else "failed"
        case "cancelled":
            return "stopped; what was finished is kept" if work.has_part else "stopped"
    return "done"


def _progress_words(work: Work) -> str:
    if work.stage is None:
        return "starting"
    words = work.stage.label
    if (progress := work.progress) is not None:
        words += f"  {count_text(progress.done, progress.total, progress.unit)}"
    return words


def count_text(done: int, total: int | None, unit: str) -> str:
    """`7 of 24 layers`, `1.2 MiB of 3 MiB`, or only what is done when the total is not known."""
    if unit == "bytes":
        return bytes_text(done) + (f" of {bytes_text(total)}" if total else "")
    return f"{done}" + (f" of {total}" if total else "") + (f" {unit}" if unit else "")


def jobs_badge(jobs: Jobs) -> str:
    """Return the rail's line about the jobs; empty when nothing runs or waits."""
    waiting = len(jobs.waiting)
    running = len(jobs.to_lose) - waiting
    if not running and not waiting:
        return ""
    words = [f"◐ {running}" if running else "", f"○ {waiting}" if waiting else ""]
    return f"Jobs {' '.join(filter(None, words))}  F3"
