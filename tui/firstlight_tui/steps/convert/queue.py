"""One queue of conversions: carries it out, keeps what is finished, watches its memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from firstlight_core.conversion.calibration_choice import text_for
from firstlight_core.conversion.progress import HELD, PEAK, memory_alarm
from firstlight_core.documents.conversion import ConversionOutcome, FailedPrecision, OliveConfig
from firstlight_core.documents.estimate import Estimates
from firstlight_core.documents.ledger import CancelledValues, InspectedModel, PrecisionValues
from firstlight_core.errors import ErrorDocument, FirstlightError, error_from_document
from firstlight_core.monitor import Sample
from firstlight_core.precision.table import find_precision
from firstlight_core.process.events import Event, Measured, Stage
from firstlight_core.text import bytes_text
from firstlight_tui.state.conversion_stages import current_row, predicted_peak
from firstlight_tui.state.work import PREDICTED, OnEvent, Started, Work, WorkKey
from firstlight_tui.state.work_rows import QueueRow, QueueState
from firstlight_tui.state.workspace import Workspace

START = "start"
"""The stage with which the core begins a precision."""


class ConvertedQueue(TypedDict):
    """The precisions that a queue converted."""

    converted: list[str]


WORK = WorkKey[ConvertedQueue]("convert")


class ConversionJob:
    """The task of the work `convert`; it knows no step and outlives them."""

    def __init__(
        self,
        workspace: Workspace,
        source: str,
        keys: Sequence[str],
        *,
        method: str,
        configs: Mapping[str, OliveConfig],
        calibration: str | None,
        estimates: Estimates,
        ask_to_stop: Callable[[str], object],
    ) -> None:
        """`ask_to_stop` asks the user a question whose yes stops the work."""
        self._workspace = workspace
        self._source = source
        self._keys = list(keys)
        self._outputs: dict[str, Path] = {}
        self._method = method
        self._configs = configs if method == "config" else {}
        self._calibration = calibration
        self._estimates = estimates
        self._ask_to_stop = ask_to_stop
        self._asked = False
        self._starts = 0
        self._failures: list[tuple[str, ErrorDocument]] = []
        self._peaks: list[float] = []

    @property
    def _work(self) -> Work:
        return self._workspace.works[WORK]

    async def run(self, on_event: OnEvent, started: Started) -> ConvertedQueue:
        """Convert every precision of the queue; those that are finished count even if a later one fails.

        Raises:
            FirstlightError: a precision could not be converted.
        """
        keys = self._keys
        rows: list[QueueRow] = [{"precision": key, "state": "waiting"} for key in keys]
        self._work.queue[:] = rows
        folder = await self._workspace.ledger.make_folder()
        self._outputs = {key: folder / "artifacts" / key for key in keys}
        self._record_choices(keys)
        self._begin(keys[0])
        stop_watching = self._workspace.sampled.listen(self.watch)

        def hear(event: Event) -> None:
            # The core builds one precision while the one before is still being checked.
            if isinstance(event, Stage) and event.name == START:
                self._started()
            # The core says it, not the child: it does not count as a sign of life.
            if isinstance(event, Measured) and event.name in (HELD, PEAK):
                self._remember_memory(event)
            else:
                on_event(event)

        try:
            if len(keys) == 1:
                await self._convert_one(keys[0], hear, started)
            else:
                await self._workspace.services.convert_many(
                    Path(self._source),
                    self._outputs,
                    configs={k: v for k, v in self._configs.items() if k in keys} or None,
                    calibration=self._calibration,
                    on_done=self.finished,
                    method=self._method,
                    on_event=hear,
                    started=started,
                )
        except asyncio.CancelledError:
            row = current_row(self._work)
            key = row["precision"] if row is not None else keys[0]
            cancelled: CancelledValues = {"precision": key}
            self._workspace.record("convert", "cancelled", cancelled)
            raise
        except FirstlightError as error:
            # Refused as a whole, before anything has begun.
            if not self._failures:
                self._fail(keys[0], error.to_json())
            raise
        finally:
            stop_watching()
        if self._failures:
            raise _failure(self._failures, len(keys))
        return {"converted": keys}

    def _record_choices(self, keys: Sequence[str]) -> None:
        """Keep what the steps before have found: a wizard that is killed while it converts leaves a run that says so."""
        workspace, session = self._workspace, self._workspace.session
        if session.environment is not None:
            workspace.record("environment", "done", session.environment)
        if session.model is not None:
            model: InspectedModel = {**session.model, "path": self._source}
            workspace.record("model", "done", model)
        choice: PrecisionValues = {"precisions": list(keys), "method": self._method}
        workspace.record("precision", "done", choice)

    async def _convert_one(self, key: str, hear: OnEvent, started: Started) -> None:
        try:
            document = await self._workspace.services.convert(
                Path(self._source),
                self._outputs[key],
                precision=key,
                config=self._configs.get(key),
                calibration=text_for(
                    find_precision(key), self._calibration, self._configs.get(key)
                ),
                method=self._method,
                on_event=hear,
                started=started,
            )
        except FirstlightError as error:
            self._fail(key, error.to_json())
            raise
        self.finished(key, document)

    def finished(self, key: str, document: ConversionOutcome) -> None:
        """One precision has its artifact, or its error; the next one begins."""
        workspace = self._workspace
        if document["kind"] == "failure":
            self._fail(key, document["error"])
        else:
            self._set(key, "done")
            if peak := document.get("peak_rss_bytes"):
                # What the core measured: it samples more often, and nothing but this conversion.
                self._peaks.append(float(peak))
                self._work.measured["peak_rss_bytes"] = max(self._peaks)
            workspace.record("convert", "done", document, seconds=document["seconds"])
            # Another model may have been chosen meanwhile: its session is not ours to fill.
            if workspace.session.source == self._source:
                workspace.session = workspace.session.converted(document, keep=self._walked_on())
        if all(row["state"] != "running" for row in self._work.queue):
            self._begin_next()

    def _walked_on(self) -> bool:
        """Return whether a later step is on the screen: what it works on must not change under the user's hands."""
        return self._workspace.navigation.is_after("convert")

    def _started(self) -> None:
        """The core has begun a precision; the first one is known already."""
        self._starts += 1
        begun = sum("begun" in row for row in self._work.queue)
        if self._starts > begun:
            self._begin_next()

    def _begin_next(self) -> None:
        waiting = [row for row in self._work.queue if row["state"] == "waiting"]
        if waiting:
            self._begin(waiting[0]["precision"])

    def _begin(self, key: str) -> None:
        self._set(key, "running", begun=self._work.seconds)

    def _fail(self, key: str, error: ErrorDocument) -> None:
        self._failures.append((key, error))
        self._set(key, "failed")
        failure: FailedPrecision = {"kind": "failure", "precision": key, "error": error}
        self._workspace.record("convert", "failed", failure)

    def _set(self, key: str, state: QueueState, *, begun: float | None = None) -> None:
        for row in self._work.queue:
            if row["precision"] == key:
                row["state"] = state
                if begun is not None:
                    row["begun"] = begun
        self._work.dirty = True

    def _remember_memory(self, event: Measured) -> None:
        measured = self._work.measured
        if event.name == PEAK:
            measured["peak_rss_bytes"] = max(event.value, measured.get("peak_rss_bytes", 0.0))
        else:
            measured[HELD] = event.value
            self._work.remember_memory(event.value)
        self._work.dirty = True

    def watch(self, sample: Sample) -> None:
        """Keep the peak of the job's memory; ask once when it outgrows the prediction while memory is short."""
        work = self._work
        if not work.running or not sample.job_rss:
            return
        work.measured["peak_rss_bytes"] = max(
            float(sample.job_rss), work.measured.get("peak_rss_bytes", 0.0)
        )
        work.dirty = True
        work.remember_memory(float(sample.job_rss))
        predicted = predicted_peak(self._keys, self._estimates)
        if predicted is not None:
            work.measured[PREDICTED] = predicted
        left = sample.memory_total - sample.memory_used
        if self._asked or not memory_alarm(
            sample.job_rss, predicted, available=left, total=sample.memory_total
        ):
            return
        self._asked = True
        question = (
            f"The conversion uses {bytes_text(sample.job_rss)}, more than the predicted "
            f"{bytes_text(predicted or 0)}, and only {bytes_text(left)} of memory is left: it will probably not fit. "
            "Stop it now? No partial files will be left."
        )
        self._ask_to_stop(question)


def _failure(failures: Sequence[tuple[str, ErrorDocument]], queued: int) -> FirstlightError:
    key, first = failures[0]
    words = f"{find_precision(key).label}: {first['message']}"
    if queued > 1:
        words = f"{len(failures)} of {queued} precisions could not be converted. {words}"
    return error_from_document({**first, "message": words})
