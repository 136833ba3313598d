"""Settings measured against each other: in turns, round by round; the slower half drops out at each rung."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.monitor import available_memory
from firstlight_core.process.events import Event, Progress, Stage
from firstlight_core.tuning.halving import Rung, measurements_left, survivors
from firstlight_core.tuning.journal import Journal
from firstlight_core.tuning.remaining import Outlook
from firstlight_core.tuning.trial import Contestant, Started

Tell = Callable[[Event], None]


async def race(
    name: str,
    trials: Sequence[Contestant],
    ladder: Sequence[Rung],
    *,
    watch: InterferenceWatch,
    tell: Tell,
    journal: Journal,
    outlook: Outlook,
    started: Started = None,
    memory: Callable[[], int] = available_memory,
) -> None:
    """Measure every trial once a round, up each rung of the ladder; what an earlier process measured is taken over.

    All are loaded at once where memory allows it; else each is loaded anew for every repetition. A rung that has fewer
    places than there are trials is for the fastest; the others are marked as dropped.

    Raises:
        FirstlightError: an artifact cannot be loaded, its engine died, or the disk refuses.
    """
    course = _Course(name, list(trials), ladder, watch, tell, journal, outlook, started)
    course.take_over()
    async with AsyncExitStack() as stack:
        for at, rung in enumerate(ladder):
            if at and course.drop_to(rung.settings) == 1:
                break
            if course.lacks(rung):
                if not course.opened:
                    await course.open(stack, memory)
                try:
                    await course.climb(at)
                except BaseException:
                    course.end()
                    raise
        course.end()


class _Course:
    """One race under way."""

    def __init__(
        self,
        name: str,
        running: list[Contestant],
        ladder: Sequence[Rung],
        watch: InterferenceWatch,
        tell: Tell,
        journal: Journal,
        outlook: Outlook,
        started: Started,
    ) -> None:
        self._name = name
        self._running = running
        self._ladder = ladder
        self._watch = watch
        self._tell = tell
        self._journal = journal
        self._outlook = outlook
        self._started = started
        self._together = True
        self.opened = False

    def take_over(self) -> None:
        """Give every trial what an earlier process has measured of it."""
        for trial in self._running:
            for length in trial.lengths:
                earlier = self._journal.samples(self._name, trial.key, length)
                trial.samples[length] += earlier[: self._ladder[-1].rounds]

    def drop_to(self, places: int) -> int:
        """Let the fastest go on, and return how many they are; what is clearly slower leaves even where there is a place."""
        running = self._running
        remaining = survivors([trial.seconds for trial in running], places)
        for index, trial in enumerate(running):
            trial.dropped = index not in remaining
        self._running = [running[index] for index in remaining]
        return len(remaining)

    def lacks(self, rung: Rung) -> bool:
        """Return whether something is to be measured on this rung."""
        return any(not t.fault and t.rounds < rung.rounds for t in self._running)

    async def open(self, stack: AsyncExitStack, memory: Callable[[], int]) -> None:
        """Load all that still run, if they fit into memory together."""
        self.opened = True
        running = self._running
        self._together = sum(trial.memory for trial in running) < memory()
        self._outlook.begin()
        if not self._together:
            return
        self._tell(Stage("load", f"Loading {_many(running)}"))
        for number, trial in enumerate(running):
            self._tell(Progress(number, len(running), "settings", trial.label))
            await trial.open(stack, self._started)
        self._watch.begin([pid for trial in running for pid in trial.pids or ()])

    async def climb(self, at: int) -> None:
        """Measure all that run until they have had the rounds of rung `at`."""
        rung, running = self._ladder[at], self._running
        turns = " in turns" if len(running) > 1 else ""
        step = f", step {at + 1} of {len(self._ladder)}" if len(self._ladder) > 1 else ""
        self._tell(Stage("race", f"Measuring {_many(running)}{turns}{step}"))
        self._say_left(at, min((trial.rounds for trial in running if not trial.fault), default=0))
        lengths = len(running[0].lengths)
        total = rung.rounds * len(running) * lengths
        for number in range(rung.rounds):
            turn = number % len(running)
            for trial in running[turn:] + running[:turn]:
                for length in trial.lengths:
                    if len(trial.samples[length]) <= number and not trial.fault:
                        await self._repeat(trial, length)
                        done = sum(len(t.samples[size]) for t in running for size in t.lengths)
                        self._tell(Progress(done, max(done, total), "measurements", trial.label))
            self._say_left(at, number + 1)

    def _say_left(self, at: int, done: int) -> None:
        running = self._running
        rounds, count = measurements_left(self._ladder, at, len(running), done)
        self._outlook.expect(self._name, rounds, count * len(running[0].lengths))
        self._outlook.say()

    async def _repeat(self, trial: Contestant, length: int) -> None:
        async with AsyncExitStack() as own:
            pids: list[int] = []
            if not self._together:
                await trial.open(own, self._started)
                pids = list(trial.pids or ())
            if pids:
                self._watch.begin(pids)
            await trial.repeat(length, trial.new_tokens, self._tell)
            if pids:
                self._watch.end()
        for sample in trial.samples[length][-1:]:
            if not trial.fault:
                self._journal.add(self._name, trial.key, length, sample)
                self._outlook.measured()

    def end(self) -> None:
        """Say whether the machine was disturbed while this process measured."""
        if self.opened:
            if self._together:
                self._watch.end()
            self._journal.judge(self._name, self._watch.notes())
        self._outlook.expect(self._name, 0, 0)


def _many(trials: Sequence[Contestant]) -> str:
    return f"{len(trials)} settings" if len(trials) > 1 else "the setting"
