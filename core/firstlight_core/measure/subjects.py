"""Measured subjects: the interface, and an artifact, prompted with exact token counts or in words like a server."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import ClassVar, Literal, cast

import psutil

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.target import Target, artifact_folder
from firstlight_core.documents import jobs_engine
from firstlight_core.documents.bench_parts import ClientsLevel, LoadFigures
from firstlight_core.documents.figures import Figure
from firstlight_core.documents.inference import LoadedModel, TokenTimes
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.measure import BenchCase, BenchResult, SpeedFigures
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused
from firstlight_core.inference.engine import Engine, open_engine
from firstlight_core.measure.energy import EnergyLog
from firstlight_core.measure.load_times import measure_loads
from firstlight_core.measure.metrics import figure, percentile, tail_percentiles
from firstlight_core.measure.prompt_sizer import PromptSizer
from firstlight_core.process.events import Event, Measured

Tell = Callable[[Event], None]

NOTHING: Figure = {"median": 0.0, "min": 0.0, "max": 0.0, "samples": []}
TEMPLATE_TOKENS = 64
"""Token reserve for the chat template and the prompt's beginning, when an artifact is prompted in words."""


class Subject(ABC):
    """One target while it is measured. Lengths in tokens of prompt."""

    KIND: ClassVar[Literal["artifact", "server"]] = "artifact"

    def __init__(self, target: Target, lengths: Sequence[int]) -> None:
        self.target = target
        self.lengths = sorted(set(lengths))
        self.samples: dict[int, list[Repetition]] = {length: [] for length in self.lengths}
        self.faults: list[str] = []
        """A sentence for each repetition that failed."""
        self.loaded: LoadedModel = {"load_s": 0.0}
        self.sweep: list[ClientsLevel] = []
        """Figures of several clients at once, level by level."""
        self.energy = EnergyLog(None)

    @property
    def label(self) -> str:
        """A short name for tables."""
        return self.target.label

    @property
    @abstractmethod
    def pids(self) -> list[int] | None:
        """The processes whose work is this subject's; None when they cannot be known."""

    @abstractmethod
    async def open(self, stack: AsyncExitStack, started: Callable[[int], None] | None) -> None:
        """Load it, until the stack is closed."""

    @abstractmethod
    async def measure(self, length: int, new_tokens: int) -> Repetition:
        """Run one repetition and return its stats."""

    async def warm_up(self, length: int, new_tokens: int) -> str | None:
        """Run a repetition that is not counted; return a sentence when this length cannot be measured."""
        await self.measure(length, new_tokens)
        return None

    async def repeat(self, length: int, new_tokens: int, tell: Tell) -> None:
        """A repetition that counts."""
        self.energy.start()
        sample = await self.measure(length, new_tokens)
        self.energy.stop(length, sample.get("new_tokens", 0))
        self.samples[length].append(sample)
        if "ttft_s" in sample:
            tell(Measured("ttft_s", sample["ttft_s"], "s", self.label, length))
        if "decode_tps" in sample:
            tell(Measured("decode_tps", sample["decode_tps"], "tokens/s", self.label, length))
        if "prefill_tps" in sample:
            tell(Measured("prefill_tps", sample["prefill_tps"], "tokens/s", self.label, length))

    def document(self) -> BenchResult:
        """Return this subject's entry in `results`."""
        document: BenchResult = {
            "kind": self.KIND,
            "target": self.target.text,
            "label": self.label,
            "load_s": self.loaded["load_s"],
            "cases": [self.case(length, self.samples[length]) for length in self.lengths],
        }
        if (energy := self.energy.total()) is not None:
            document["energy"] = energy
        return document

    def case(self, length: int, samples: Sequence[Repetition]) -> BenchCase:
        """Return the figures at one prompt length."""
        case = cast(BenchCase, speed_figures(samples))
        if totals := [sample["total_s"] for sample in samples]:
            tail = tail_percentiles(totals)
            case["latency_s"] = {"p50": tail["p50"], "p95": tail["p95"], "p99": tail["p99"]}
            case["new_tokens"] = round(percentile([s["new_tokens"] for s in samples], 50))
        if (joules := self.energy.per_token(length)) is not None:
            case["joules_per_token"] = joules
        return case


class ArtifactSubject(Subject):
    """An artifact, measured on exactly so many tokens; no stop token ends its answer."""

    def __init__(self, target: Target, lengths: Sequence[int], new_tokens: int) -> None:
        self.artifact = check_artifact(artifact_folder(target))
        room = self.artifact.context_length - new_tokens - self._margin()
        if room < 1:
            raise InputRefused(
                f"{target.label} has a context of {self.artifact.context_length} tokens; "
                f"{new_tokens} new ones leave no prompt.",
                hint="Ask for fewer new tokens.",
            )
        super().__init__(target, [min(length, room) for length in lengths])
        self.max_length = self.lengths[-1] + new_tokens + self._margin()
        too_long = [length for length in lengths if length > room]
        self.note = (
            f"{target.label}: prompts of {', '.join(map(str, too_long))} tokens were shortened to {room}, "
            f"which is what a context of {self.artifact.context_length} holds."
            if too_long
            else ""
        )
        self.peak = 0
        self._loads: LoadFigures | None = None
        self._engine: Engine | None = None

    def _margin(self) -> int:
        return 0

    @property
    def least_bytes(self) -> int:
        """The least memory that it takes; weights are held about twice while they are repacked for the processor."""
        return 2 * self.artifact.bytes + self.artifact.kv_bytes_per_token * self.max_length

    @property
    def engine(self) -> Engine:
        """The loaded engine."""
        assert self._engine is not None
        return self._engine

    @property
    def pids(self) -> list[int] | None:
        return [self.engine.pid]

    async def measure_loads(
        self, loads: int, tell: Tell, started: Callable[[int], None] | None
    ) -> None:
        """Load it cold and warm, `loads` times each; the last warm load is that of `open`."""
        self._loads = await measure_loads(
            self.artifact,
            self.label,
            loads,
            max_length=self.max_length,
            tell=tell,
            started=started,
        )

    async def open(self, stack: AsyncExitStack, started: Callable[[int], None] | None) -> None:
        self._engine = await stack.enter_async_context(
            open_engine(self.artifact.folder, max_length=self.max_length, started=started)
        )
        self.loaded = self._engine.loaded

    async def measure(self, length: int, new_tokens: int) -> Repetition:
        sample = await self.engine.call(
            jobs_engine.MEASURE({"prompt_tokens": length, "new_tokens": new_tokens})
        )
        self.peak = max(self.peak, int(sample["rss_bytes"]["peak"]))
        return sample

    async def repeat(self, length: int, new_tokens: int, tell: Tell) -> None:
        await super().repeat(length, new_tokens, tell)
        sample = self.samples[length][-1]
        tell(Measured("rss_bytes", float(sample["rss_bytes"]["now"]), "bytes"))
        tell(Measured("cpu_percent", cpu_percent([sample]), "%"))

    def document(self) -> BenchResult:
        samples = [sample for samples in self.samples.values() for sample in samples]
        document = super().document()
        document["folder"] = str(self.artifact.folder)
        if self._loads is not None:
            warm = [*self._loads.get("warm_s", NOTHING)["samples"], self.loaded["load_s"]]
            document["load"] = {**self._loads, "warm_s": figure(warm)}
            document["load_s"] = document["load"]["warm_s"]["median"]
        if self.artifact.precision:
            document["precision"] = self.artifact.precision
        document["bytes"] = self.artifact.bytes
        document["context"] = self.max_length
        document["rss_bytes"] = {
            "baseline": self.loaded["rss_bytes"]["baseline"],
            "loaded": self.loaded["rss_bytes"]["loaded"],
            "peak": self.peak,
        }
        document["cpu_percent"] = cpu_percent(samples)
        return document

    def case(self, length: int, samples: Sequence[Repetition]) -> BenchCase:
        return {"prompt_tokens": length, **super().case(length, samples)}


class PairedArtifact(ArtifactSubject):
    """An artifact that gets the same conversations as a server of that artifact."""

    def __init__(
        self, target: Target, lengths: Sequence[int], new_tokens: int, sizer: PromptSizer
    ) -> None:
        super().__init__(target, lengths, new_tokens)
        self.sizer = sizer
        self.question: list[Message] = []
        """The last question; the server gets the same one."""

    async def measure_loads(
        self, loads: int, tell: Tell, started: Callable[[int], None] | None
    ) -> None:
        """Measure nothing: the service holds the files of the artifact."""

    def _margin(self) -> int:
        return TEMPLATE_TOKENS

    async def measure(self, length: int, new_tokens: int) -> Repetition:
        self.question = self.sizer.conversation(self.sizer.words(length))
        answer = await self.engine.call(
            jobs_engine.CHAT(
                {
                    "messages": self.question,
                    "max_tokens": new_tokens,
                    "search": {"do_sample": False},
                    "fresh": True,
                    "stream": False,
                }
            ),
            template=True,
        )
        now = answer["stats"]["rss_bytes"]
        self.peak = max(self.peak, now)
        sample = cast(Repetition, {k: v for k, v in answer["stats"].items() if k != "rss_bytes"})
        sample["text"], sample["rss_bytes"] = answer["text"], {"now": now}
        return sample

    def case(self, length: int, samples: Sequence[Repetition]) -> BenchCase:
        counts = [sample["prompt_tokens"] for sample in samples]
        case = super().case(length, samples)
        case["asked_tokens"] = length
        case["prompt_tokens"] = round(percentile(counts, 50))
        return case


def speed_figures(samples: Sequence[TokenTimes]) -> SpeedFigures:
    """Return the spread of each speed figure over several repetitions."""
    figures: SpeedFigures = {}
    if values := [sample["ttft_s"] for sample in samples if "ttft_s" in sample]:
        figures["ttft_s"] = figure(values)
    if values := [sample["prefill_tps"] for sample in samples if "prefill_tps" in sample]:
        figures["prefill_tps"] = figure(values)
    if values := [sample["decode_tps"] for sample in samples if "decode_tps" in sample]:
        figures["decode_tps"] = figure(values)
    if values := [sample["total_s"] for sample in samples if "total_s" in sample]:
        figures["total_s"] = figure(values)
    return figures


def cpu_percent(samples: Sequence[TokenTimes]) -> float:
    """Processor time of the engine over wall time, in percent of all cores."""
    wall = sum(sample["total_s"] for sample in samples)
    spent = sum(sample["cpu_s"] for sample in samples)
    return 100 * spent / wall / (psutil.cpu_count() or 1) if wall > 0 else 0.0
