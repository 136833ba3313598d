"""One tuning: the question for every setting, the measured rounds, and their result."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.documents.tuning import Comparison, PeerFigures, TrialRow, TuneStage
from firstlight_core.errors import UsageError
from firstlight_core.history.ratio import FEWEST_SAMPLES
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.metrics import figure
from firstlight_core.text import one_line
from firstlight_core.tuning.choice import fastest, times_as_fast
from firstlight_core.tuning.gains import gains, proven
from firstlight_core.tuning.halving import FIRST_ROUNDS, Rung, measurements_left, rungs
from firstlight_core.tuning.journal import Journal
from firstlight_core.tuning.llama_bench import LlamaBench, LlamaContestant
from firstlight_core.tuning.race import Tell, race
from firstlight_core.tuning.remaining import Outlook
from firstlight_core.tuning.settings import AS_BUILT, Build, Threads, thread_candidates
from firstlight_core.tuning.trial import Contestant, Started, Trial

PROMPT_TOKENS = 256
NEW_TOKENS = 64
REPEATS = 11
"""Repetitions of the last comparison; earlier rounds only select what is worth comparing."""


@dataclass(kw_only=True)
class Search:
    """How settings are measured, and all that were; the answer that is timed has so many tokens of prompt and of text."""

    lengths: Sequence[int] = (PROMPT_TOKENS,)
    """Prompt lengths; what is judged is the geometric mean of their times."""
    new_tokens: int = NEW_TOKENS
    repeats: int = REPEATS
    candidates: Sequence[Threads] = field(default_factory=thread_candidates)
    tell: Tell
    started: Started = None
    watch: InterferenceWatch
    race: Callable[..., Awaitable[None]] = race
    journal: Journal = field(default_factory=Journal)
    peer: LlamaBench | None = None
    """Another program that the winner is compared with in turns."""
    outlook: Outlook = field(init=False)
    trials: list[TrialRow] = field(default_factory=list)
    """The document's `trials[]`, in the order in which they were measured."""
    running: tuple[TuneStage, Sequence[Trial]] | None = field(default=None, init=False)
    """The race under way."""
    _shortened: str = field(default="", init=False)
    _peer_fault: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.outlook = Outlook(self.tell)

    def check(self) -> None:
        """Check that the numbers make sense.

        Raises:
            UsageError: one is out of range.
        """
        for name, values, low, high in (
            ("number of prompt tokens", self.lengths, 1, 1_000_000),
            ("number of new tokens", [self.new_tokens], 8, 100_000),
            ("number of repeats", [self.repeats], FEWEST_SAMPLES, 1_000),
        ):
            if not values or not all(low <= value <= high for value in values):
                raise UsageError(f"The {name} must lie between {low} and {high}.")

    def expect(self, *, threads: bool = True, builds: int = 1, scouts: int = 0) -> None:
        """Count what is to be measured, as far as it is known now."""
        ladders: dict[TuneStage, tuple[Rung, ...]] = {
            "scout": scout_ladder(scouts) if scouts else (),
            "build": rungs(builds),
            "comparison": (Rung(3 if self.peer is not None else 2, self.repeats),),
        }
        if threads:
            ladders["threads"] = rungs(len(self.candidates) + 1)
        for stage, ladder in ladders.items():
            places = ladder[0].settings if ladder else 0
            rounds, measurements = measurements_left(ladder, 0, places, 0)
            self.outlook.expect(stage, rounds, measurements * len(self.lengths))

    def trial(self, folder: Path, threads: Threads, build: Build | None = None) -> Trial:
        """Return a setting, ready to be measured.

        Raises:
            InputRefused: the artifact may not be opened, or its context is too short.
        """
        trial = Trial(
            folder,
            threads,
            lengths=self.lengths,
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
        if len(trials) == 1:
            self.outlook.expect("build", 0, 0)
            return trials[0]
        return await self._winner("build", trials)

    async def scout(
        self, folders: Sequence[tuple[Build, Path]], threads: Threads
    ) -> list[list[float]]:
        """Return the seconds of a few answers of each build."""
        trials = [self.trial(folder, threads, build) for build, folder in folders]
        await self._race("scout", trials, scout_ladder(len(trials)))
        self.trials += [trial.row("scout") for trial in trials]
        return [trial.seconds for trial in trials]

    async def _winner(self, stage: TuneStage, trials: list[Trial]) -> Trial:
        await self._race(stage, trials, rungs(len(trials)))
        self.trials += [trial.row(stage) for trial in trials]
        left = [trial for trial in trials if not trial.dropped]
        return left[fastest([trial.seconds for trial in left])]

    async def compare(self, winner: Trial, baseline: Trial) -> tuple[Trial, Comparison]:
        """Measure the winner against the baseline in turns; the one to take, and `{baseline, best}`.

        The race chose the winner by its figures, which flatters it; these are new ones. `best.gain` says how many times
        the baseline's speed, with an interval. A winner whose gain is inside the noise is `refuted`, and the baseline is
        the best.
        """
        new, old = (self.trial(t.artifact.folder, t.threads, t.build) for t in (winner, baseline))
        same = (new.artifact.folder, new.threads) == (old.artifact.folder, old.threads)
        peer = self._peer(old.lengths)
        trials: list[Contestant] = [*(() if same else (new,)), old, *((peer,) if peer else ())]
        await self._race("comparison", trials, (Rung(len(trials), self.repeats),))
        row = old.row("comparison")
        compared: Comparison = {"baseline": row, "best": row}
        best, measured = baseline, old
        if not same:
            tried = new.row("comparison")
            tried["faster"] = times_as_fast(new.counted, old.counted)
            tried["gain"] = gains(new.by_length, old.by_length)
            if proven(tried["gain"]["answer"]):
                compared["best"] = tried
                best, measured = winner, new
            else:
                compared["refuted"] = tried
        if peer is not None and peer.fault:
            self._peer_fault = peer.fault
        elif peer is not None:
            compared["peer"] = _peer_figures(peer, measured)
        return best, compared

    def _peer(self, lengths: Sequence[int]) -> LlamaContestant | None:
        if self.peer is None:
            return None
        return LlamaContestant(self.peer, lengths, self.new_tokens, self.watch)

    async def _race(
        self, stage: TuneStage, trials: Sequence[Contestant], ladder: Sequence[Rung]
    ) -> None:
        self.running = (stage, [trial for trial in trials if isinstance(trial, Trial)])
        await self.race(
            stage,
            trials,
            ladder,
            watch=self.watch,
            tell=self.tell,
            journal=self.journal,
            outlook=self.outlook,
            started=self.started,
        )
        self.running = None

    def trials_so_far(self) -> list[TrialRow]:
        """Return the rows of the races that are done, and of the one under way."""
        if self.running is None:
            return self.trials
        stage, trials = self.running
        return [*self.trials, *(trial.row(stage) for trial in trials if trial.rounds)]

    def notes(self) -> list[str]:
        """Sentences for a reader: what was shortened or left out, and why figures may be void."""
        notes = [self._shortened, self._peer_fault, *self.watch.notes()]
        return [note for note in notes if note]


def read_lengths(texts: Sequence[str]) -> list[int]:
    """Return the prompt lengths of texts such as "128,512".

    Raises:
        UsageError: one is no number.
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    try:
        return [int(part) for part in parts]
    except ValueError:
        raise UsageError(
            f"{one_line(','.join(texts), 60)!r} is no list of prompt lengths.",
            hint="Write tokens with commas between them: 128,512",
        ) from None


def scout_ladder(count: int) -> tuple[Rung, ...]:
    """Return the ladder of a first look, which nobody leaves."""
    return (Rung(count, FIRST_ROUNDS),)


def _peer_figures(peer: LlamaContestant, best: Trial) -> PeerFigures:
    counted = peer.counted
    return {
        "name": "llama.cpp",
        "program": peer.bench.program,
        "version": peer.bench.version,
        "model": str(peer.bench.model),
        "label": peer.bench.label,
        "threads": peer.bench.threads,
        "total_s": figure(peer.seconds),
        "decode_tps": figure([sample["decode_tps"] for sample in counted]),
        "prefill_tps": figure([sample["prefill_tps"] for sample in counted]),
        "by_length": peer.length_figures(),
        "gain": gains(best.by_length, peer.by_length),
    }
