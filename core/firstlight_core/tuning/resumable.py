"""A tuning that goes on where an earlier one was stopped or killed: of an artifact, and of a source."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.manifest import tool_versions
from firstlight_core.artifact.publishing import Staging, open_staging
from firstlight_core.documents.tuning import (
    BuildRow,
    SourceFigures,
    StoppedTuningDocument,
    TakenOver,
    TunedArtifactDocument,
    TunedDocument,
    TuneFigures,
)
from firstlight_core.files import state_problem
from firstlight_core.history.fingerprints import artifact_fingerprint, machine_fingerprint
from firstlight_core.measure.benchmark import machine
from firstlight_core.measure.quality import DRIFT_PROMPTS
from firstlight_core.measure.quality_prompts import QualityPrompt
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Stage
from firstlight_core.tuning.budget import DriftBudget
from firstlight_core.tuning.build_search import Builds
from firstlight_core.tuning.journal import Journal, journal_key
from firstlight_core.tuning.outcome import done_words, figures, publish_best, stopped
from firstlight_core.tuning.search import Search
from firstlight_core.tuning.settings import AS_BUILT
from firstlight_core.tuning.sources import tune_source
from firstlight_core.tuning.writing import without_threads

_FORMAT = 1
"""Part of the journal's name; a change of what it means makes old ones unfindable."""
OnStopped = Callable[[StoppedTuningDocument], None]


class Resumable:
    """A tuning that goes on where an earlier one was."""

    def __init__(self, target: Path, search: Search, on_stopped: OnStopped | None) -> None:
        self._target = target
        self._search = search
        self._on_stopped = on_stopped
        self._taken_over: TakenOver = {"builds": 0, "measurements": 0}

    def _builds(self) -> list[BuildRow]:
        return []

    async def _resume(self, *facts: object, builds: int = 0) -> None:
        """Take over what an earlier tuning with the same facts has measured."""
        search = self._search
        here = [machine_fingerprint(machine()), tool_versions()]
        key = journal_key([_FORMAT, *facts, sorted(set(search.lengths)), search.new_tokens, *here])
        file = find_paths().tuning / f"rounds-{key}.jsonl"
        search.journal = await asyncio.to_thread(Journal.open, file)
        self._taken_over = {"builds": builds, "measurements": search.journal.reused}
        if words := done_words(self._taken_over):
            search.tell(Stage("resume", f"Taking over {words} of an earlier tuning"))

    def _finish(self, document: TuneFigures) -> None:
        """Forget the measurements; of a void tuning those that were not disturbed are for the next one."""
        if not document["void"]:
            self._search.journal.close()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what was done when the tuning is cancelled."""
        try:
            yield
        except asyncio.CancelledError:
            if self._on_stopped is not None:
                rows = self._builds()
                self._on_stopped(stopped(self._search, self._target, self._taken_over, rows))
            raise


class ArtifactTuning(Resumable):
    """The tuning of an artifact."""

    def __init__(
        self,
        artifact: Path,
        search: Search,
        notes: Sequence[str],
        on_stopped: OnStopped | None,
    ) -> None:
        super().__init__(artifact, search, on_stopped)
        self._notes = notes

    async def run(self) -> TunedArtifactDocument:
        """Find the fastest threads.

        Raises:
            FirstlightError: it cannot be opened, an engine died, or the disk refuses.
        """
        artifact, search = self._target, self._search
        check_artifact(artifact)
        with self._telling(), open_staging(find_paths().work / "tuning") as staging:
            try:
                plain = await asyncio.to_thread(
                    without_threads, artifact, staging.work / artifact.name
                )
            except OSError as error:
                raise state_problem(error, staging.work) from error
            mark = await asyncio.to_thread(artifact_fingerprint, plain)
            await self._resume("artifact", str(artifact), mark)
            search.expect()
            threads = await search.fastest_threads(plain)
            winner, baseline = search.trial(plain, threads), search.trial(plain, AS_BUILT)
            _, compared = await search.compare(winner, baseline)
            document = figures(search, compared, self._taken_over, self._notes)
        self._finish(document)
        return {"kind": "artifact", **document, "artifact": str(artifact), "applied": False}


class SourceRun(Resumable):
    """The tuning of a source."""

    def __init__(self, made: Builds, notes: Sequence[str], on_stopped: OnStopped | None) -> None:
        super().__init__(made.source, made.search, on_stopped)
        self._made = made
        self._notes = notes

    def _builds(self) -> list[BuildRow]:
        return [candidate.to_json() for candidate in self._made.tried]

    async def run(
        self,
        questions: Sequence[QualityPrompt],
        prompts: str,
        budget: DriftBudget,
        output: Path | None,
        staging: Staging | None,
    ) -> TunedDocument:
        """Find the fastest build and threads, and publish them as `output`; without one only figures remain.

        Raises:
            FirstlightError: as `tune_source`, or the disk refuses.
        """
        made, search = self._made, self._search
        with self._telling():
            await made.list_all()
            await self._resume(
                "source", made.cache.identity, made.precision.key, builds=made.reused
            )
            search.expect(builds=len(made.plain), scouts=len(made.plain))
            conversations = [prompt.messages for prompt in questions[:DRIFT_PROMPTS]]
            outcome = await tune_source(made, conversations, budget)
            document: SourceFigures = {
                **figures(search, outcome.compared, self._taken_over, self._notes),
                "source": str(made.source),
                "precision": made.precision.key,
                "prompts": prompts,
                "builds": self._builds(),
                "max_drift": outcome.max_drift,
            }
            if output is None or staging is None:
                self._finish(document)
                return {"kind": "source", **document}
            search.tell(Stage("publish", "Publishing"))
            command = ["firstlight", "tune", str(made.source), "-o", str(output)]
            command += ["--precision", made.precision.key]
            if budget.words is not None:
                command += ["--drift-budget", budget.words]
            await asyncio.to_thread(
                publish_best,
                outcome.folder,
                staging,
                output,
                document,
                source=made.source,
                command=command,
            )
            self._finish(document)
            return {"kind": "published", **document, "artifact": str(output)}
