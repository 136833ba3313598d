"""One tuning: the question for every setting, the measured rounds, and their result."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.documents.tuning import Comparison, TrialRow, TuneStage
from firstlight_core.errors import UsageError
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.tuning.choice import confirmed, fastest, times_as_fast
from firstlight_core.tuning.race import Started, Tell, Trial, race
from firstlight_core.tuning.settings import AS_BUILT, Build, Threads, thread_candidates

PROMPT_TOKENS = 256
NEW_TOKENS = 64
REPEATS = 7
"""Repetitions of the last comparison; earlier rounds only select what is worth comparing."""
ROUNDS = 8
"""Rounds of every race before the last one, for settings that are not dropped."""


@dataclass(kw_only=True)
class Search:
    """How settings are measured, and all that were; the answer that is timed has so many tokens of prompt and of text."""

    prompt_tokens: int = PROMPT_TOKENS
    new_tokens: int = NEW_TOKENS
    repeats: int = REPEATS
    candidates: Sequence[Threads] = field(default_factory=thread_candidates)
    tell: Tell
    started: Started = None
    watch: InterferenceWatch
    race: Callable[..., Awaitable[None]] = race
    trials: list[TrialRow] = field(default_factory=list)
    """The document's `trials[]`, in the order in which they were measured."""
    _shortened: str = ""

    def check(self) -> None:
        """Whether the numbers make sense.

        Raises:
            UsageError: one is out of range.
        """
        for name, value, low, high in (
            ("number of prompt tokens", self.prompt_tokens, 1, 1_000_000),
            ("number of new tokens", self.new_tokens, 8, 100_000),
            ("number of repeats", self.repeats, 3, 1_000),
        ):
            if not low <= value <= high:
                raise UsageError(f"The {name} must lie between {low} and {high}.")

    def trial(self, folder: Path, threads: Threads, build: Build | None = None) -> Trial:
        """Return a setting, ready to be measured.

        Raises:
            InputRefused: the artifact may not be opened, or its context is too short.
        """
        trial = Trial(
            folder,
            threads,
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            build=build,
        )
        self._shortened = trial.note or self._shortened
        return trial

    async def fastest_threads(self, folder: Path) -> Threads:
        """Return the thread setting with which this artifact answers fastest; all become rows of `trials`."""
        settings = [*self.candidates, AS_BUILT]
        trials = [self.trial(folder, threads) for threads in settings]
        return (await self._winner("threads", trials)).threads

    async def fastest_build(self, folders: Sequence[tuple[Build, Path]], threads: Threads) -> Trial:
        """Return the build that answers fastest with these threads; with only one there is nothing to measure."""
        trials = [self.trial(folder, threads, build) for build, folder in folders]
        return trials[0] if len(trials) == 1 else await self._winner("build", trials)

    async def _winner(self, stage: TuneStage, trials: list[Trial]) -> Trial:
        await self._race(trials, ROUNDS, drop=True)
        self.trials += [trial.row(stage) for trial in trials]
        left = [trial for trial in trials if not trial.dropped]
        return left[fastest([trial.seconds for trial in left])]

    async def compare(self, winner: Trial, baseline: Trial) -> tuple[Trial, Comparison]:
        """Measure the winner against the baseline in turns; the one to take, and `{baseline, best}`.

        The race chose the winner by its figures, which flatters it; these are new ones. `best.faster` says round by round
        how many times the baseline's speed. A winner that does not win again is `refuted`, and the baseline is the best.
        """
        new, old = (self.trial(t.artifact.folder, t.threads, t.build) for t in (winner, baseline))
        if (new.artifact.folder, new.threads) == (old.artifact.folder, old.threads):
            await self._race([old], self.repeats, drop=False)
            row = old.row("comparison")
            return baseline, {"baseline": row, "best": row}
        await self._race([new, old], self.repeats, drop=False)
        faster = times_as_fast(new.counted, old.counted)
        tried = new.row("comparison")
        tried["faster"] = faster
        row = old.row("comparison")
        if confirmed(faster["answer"]["samples"]):
            return winner, {"baseline": row, "best": tried}
        return baseline, {"baseline": row, "best": row, "refuted": tried}

    async def _race(self, trials: Sequence[Trial], rounds: int, *, drop: bool) -> None:
        await self.race(
            trials, rounds, watch=self.watch, tell=self.tell, started=self.started, drop=drop
        )

    def notes(self) -> list[str]:
        """Sentences for a reader: what was shortened, and why figures may be void."""
        return [*([self._shortened] if self._shortened else []), *self.watch.notes()]
