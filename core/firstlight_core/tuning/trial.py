"""Contestants of a race: an artifact with a setting of its threads; its measurements and its row."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from firstlight_core.artifact.target import artifact_target
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import LengthFigures, TrialRow, TrialSettings, TuneStage
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.metrics import figure
from firstlight_core.measure.subjects import ArtifactSubject, Subject, speed_figures
from firstlight_core.tuning.settings import Build, Threads

Started = Callable[[int], None] | None


class Contestant(Subject):
    """A subject of a race, with what it has measured at each prompt length."""

    new_tokens: int
    dropped: bool = False
    """Whether it left early because it was clearly slower."""
    fault: str = ""
    """Why it cannot be measured any more."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Name of it in the journal."""

    @property
    def memory(self) -> int:
        """The least memory that it takes while others are measured."""
        return 0

    @property
    def rounds(self) -> int:
        """Rounds that it has done, at every length."""
        return min(len(self.samples[length]) for length in self.lengths)

    @property
    def counted(self) -> list[Repetition]:
        """The rounds that count; of several lengths each figure is the geometric mean."""
        rows = [self.samples[length][: self.rounds] for length in self.lengths]
        return [combined(samples) for samples in zip(*rows, strict=True)]

    @property
    def by_length(self) -> list[list[Repetition]]:
        """The repetitions that count at each length."""
        return [self.samples[length] for length in self.lengths]

    @property
    def seconds(self) -> list[float]:
        """Seconds of a whole answer, prefill included, for each round."""
        return [sample["total_s"] for sample in self.counted]

    def length_figures(self) -> list[LengthFigures]:
        """Return the figures at each prompt length."""
        return [
            {
                **speed_figures(self.samples[length]),
                "prompt_tokens": length,
                "total_s": figure([sample["total_s"] for sample in self.samples[length]]),
            }
            for length in self.lengths
        ]


def combined(samples: Sequence[Repetition]) -> Repetition:
    """Return one round over several lengths: the geometric mean of each figure that all of them have."""
    if len(samples) == 1:
        return samples[0]
    whole = samples[0].copy()
    whole["total_s"] = _geometric([sample["total_s"] for sample in samples])
    if all("decode_tps" in sample for sample in samples):
        whole["decode_tps"] = _geometric([sample["decode_tps"] for sample in samples])
    if all("prefill_tps" in sample for sample in samples):
        whole["prefill_tps"] = _geometric([sample["prefill_tps"] for sample in samples])
    if all("ttft_s" in sample for sample in samples):
        whole["ttft_s"] = _geometric([sample["ttft_s"] for sample in samples])
    return whole


def _geometric(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


class Trial(ArtifactSubject, Contestant):
    """An artifact with one setting of its threads."""

    def __init__(
        self,
        folder: Path,
        threads: Threads,
        *,
        lengths: Sequence[int],
        new_tokens: int,
        build: Build | None = None,
    ) -> None:
        super().__init__(artifact_target(folder), lengths, new_tokens)
        self.threads = threads
        self.build = build
        self.new_tokens = new_tokens

    @property
    def key(self) -> str:
        return f"{self.build.name if self.build is not None else ''}|{self.threads.label}"

    @property
    def label(self) -> str:
        return self.build.label if self.build is not None else self.threads.label

    @property
    def memory(self) -> int:
        return self.least_bytes

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
        counted = self.counted
        row: TrialRow = {
            "stage": stage,
            "label": self.label,
            "settings": settings,
            "rounds": len(counted),
            "total_s": figure(self.seconds),
            "by_length": self.length_figures(),
        }
        if rates := [sample["decode_tps"] for sample in counted if "decode_tps" in sample]:
            row["decode_tps"] = figure(rates)
        if rates := [sample["prefill_tps"] for sample in counted if "prefill_tps" in sample]:
            row["prefill_tps"] = figure(rates)
        if times := [sample["ttft_s"] for sample in counted if "ttft_s" in sample]:
            row["ttft_s"] = figure(times)
        if self.dropped:
            row["dropped"] = True
        return row
