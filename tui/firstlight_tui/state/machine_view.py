"""The contents of the monitor: samples, the running job and its predicted peak, and exceeded thresholds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from firstlight_core.machine import Alert, find_alerts
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds, Sample
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.work import PREDICTED, Work

Mode = Literal["off", "strip", "panel", "page"]
MODES: tuple[Mode, ...] = ("off", "strip", "panel", "page")


class MonitorMode:
    """How much of the monitor is on the screen; the same on every step."""

    def __init__(self) -> None:
        self.mode: Mode = "panel"
        self.changed: Signal[Mode] = Signal()

    def show(self, mode: Mode) -> None:
        """Show this form."""
        self.mode = mode
        self.changed.publish(mode)

    def more(self) -> Mode:
        """Show the next larger form; after the full page, none."""
        self.show(MODES[(MODES.index(self.mode) + 1) % len(MODES)])
        return self.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """Everything that a form of the monitor draws."""

    samples: tuple[Sample, ...] = ()
    job: str = ""
    """Name and progress of the running work; empty when nothing runs."""
    share: float | None = None
    """How much of it is done, 0 to 1."""
    job_seconds: float | None = None
    predicted: float | None = None
    """Bytes of memory that the job should need at most."""
    decode_rate: float | None = None
    """The newest figure, whether or not an answer is being made."""
    alerts: tuple[Alert, ...] = ()
    thresholds: AlertThresholds = field(default_factory=ALERT_THRESHOLDS.copy)
    """The thresholds of the alerts."""

    @property
    def last(self) -> Sample | None:
        """The newest sample."""
        return self.samples[-1] if self.samples else None


def rates_now(works: Iterable[Work], chat: Chat) -> tuple[float | None, float | None]:
    """Return decode and prefill rate of what is generated at this moment, in tokens a second; None for what is not."""
    for work in works:
        decode, prefill = work.measured.get("decode_tps"), work.measured.get("prefill_tps")
        if decode or prefill:
            return decode or None, prefill or None
    for conversation in chat.conversations:
        if conversation.status == "answering" and conversation.turns:
            return conversation.turns[-1].rate_so_far, None
    return None, None


def machine_view(
    samples: Iterable[Sample],
    works: Iterable[Work],
    chat: Chat,
    decode_rate: float | None,
    thresholds: AlertThresholds = ALERT_THRESHOLDS,
) -> MachineView:
    """Return what the monitor shows now."""
    seen = tuple(samples)
    work = next(iter(works), None)
    first = chat.first
    requests = sum(conversation.requests for conversation in chat.conversations)
    failures = sum(conversation.failures for conversation in chat.conversations)
    newest = chat.newest_answer
    first_token = newest.stats.get("ttft_s") if newest is not None else None
    job, share = "", None
    if work is not None:
        progress = work.progress
        job = work.stage.label if work.stage is not None else work.label
        if progress is not None and progress.total:
            share = progress.done / progress.total
            job += f" {progress.done}/{progress.total}"
    elif first.available:
        job = f"chat: {first.name}"
    return MachineView(
        samples=seen,
        job=job,
        share=share,
        job_seconds=work.seconds if work is not None else None,
        predicted=work.measured.get(PREDICTED) if work is not None else None,
        decode_rate=decode_rate,
        alerts=find_alerts(
            seen,
            response_ms=first_token * 1000 if first_token is not None else None,
            error_percent=100 * failures / requests if requests else None,
            thresholds=thresholds,
        ),
        thresholds=thresholds,
    )
