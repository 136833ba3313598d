"""Settings measured against each other: in turns, round by round; what is clearly slower drops out."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from firstlight_core.artifact.target import artifact_target
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import TrialRow, TrialSettings, TuneStage
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.subjects import ArtifactSubject
from firstlight_core.monitor import available_memory
from firstlight_core.process.events import Event, Progress, Stage
from firstlight_core.tuning.choice import figure, still_running
from firstlight_core.tuning.settings import Build, Threads

LEAST_ROUNDS = 2
"""Rounds that every setting gets; one alone may have met a slow moment."""
Tell = Callable[[Event], None]
Started = Callable[[int], None] | None


class Trial(ArtifactSubject):
    """An artifact with one setting of its threads."""

    def __init__(
        self,
        folder: Path,
        threads: Threads,
        *,
        prompt_tokens: int,
        new_tokens: int,
        build: Build | None = None,
    ) -> None:
        super().__init__(artifact_target(folder), [prompt_tokens], new_tokens)
        self.threads = threads
        self.build = build
        self.new_tokens = new_tokens
        self.dropped = False

    @property
    def label(self) -> str:
        return self.build.label if self.build is not None else self.threads.label

    @property
    def counted(self) -> list[Repetition]:
        """The repetitions that count."""
        return self.samples[self.lengths[0]]

    @property
    def seconds(self) -> list[float]:
        """Seconds of a whole answer, prefill included, for each repetition."""
        return [sample["total_s"] for sample in self.counted]

    async def open(self, stack: AsyncExitStack, started: Started) -> None:
        """Load it with these threads and nothing of Firstlight's own, and throw the first answer away."""
        self._engine = await stack.enter_async_context(
            open_engine(
                self.artifact.folder,
                max_length=self.max_length,
                session=self.threads.options(),
                started=started,
            )
        )
        self.loaded = self._engine.loaded
        await self.warm_up(self.lengths[0], self.new_tokens)

    def row(self, stage: TuneStage) -> TrialRow:
        """Return what was measured, as a row of the document."""
        settings: TrialSettings = self.threads.to_json()
        if self.build is not None:
            settings = {**self.build.to_json(), **self.threads.to_json()}
        row: TrialRow = {
            "stage": stage,
            "label": self.label,
            "settings": settings,
            "rounds": len(self.counted),
            "total_s": figure(self.seconds),
        }
        if rates := [sample["decode_tps"] for sample in self.counted if "decode_tps" in sample]:
            row["decode_tps"] = figure(rates)
        if rates := [sample["prefill_tps"] for sample in self.counted if "prefill_tps" in sample]:
            row["prefill_tps"] = figure(rates)
        if times := [sample["ttft_s"] for sample in self.counted if "ttft_s" in sample]:
            row["ttft_s"] = figure(times)
        if self.dropped:
            row["dropped"] = True
        return row


async def race(
    trials: Sequence[Trial],
    rounds: int,
    *,
    watch: InterferenceWatch,
    tell: Tell,
    started: Started = None,
    drop: bool = True,
    memory: Callable[[], int] = available_memory,
) -> None:
    """Measure every trial once a round; after two rounds those that are clearly slower are left out.

    All are loaded at once where memory allows it; else each is loaded anew for every repetition.

    Raises:
        FirstlightError: an artifact cannot be loaded, or its engine died.
    """
    together = sum(trial.least_bytes for trial in trials) < memory()
    running = list(trials)
    many = f"{len(trials)} settings" if len(trials) > 1 else "the setting"
    async with AsyncExitStack() as stack:
        if together:
            tell(Stage("load", f"Loading {many}"))
            for number, trial in enumerate(trials):
                tell(Progress(number, len(trials), "settings", trial.label))
                await trial.open(stack, started)
            watch.begin([trial.engine.pid for trial in trials])
        tell(Stage("race", f"Measuring {many}" + (" in turns" if len(trials) > 1 else "")))
        done = 0
        for number in range(rounds):
            turn = number % len(running)
            for trial in running[turn:] + running[:turn]:
                await _repeat(trial, together=together, watch=watch, tell=tell, started=started)
                done += 1
                total = done + len(running) * (rounds - number - 1)
                tell(Progress(done, max(done, total), "measurements", trial.label))
            if drop and number + 1 >= LEAST_ROUNDS:
                remaining = still_running([trial.seconds for trial in running])
                for index, trial in enumerate(running):
                    trial.dropped = index not in remaining
                running = [running[index] for index in remaining]
        if together:
            watch.end()


async def _repeat(
    trial: Trial, *, together: bool, watch: InterferenceWatch, tell: Tell, started: Started
) -> None:
    async with AsyncExitStack() as own:
        if not together:
            await trial.open(own, started)
            watch.begin([trial.engine.pid])
        await trial.repeat(trial.lengths[0], trial.new_tokens, tell)
        if not together:
            watch.end()
