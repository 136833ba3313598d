"""A measured server: prompted in words, timed from outside."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import ClassVar, Literal

from firstlight_core.artifact.target import Target
from firstlight_core.documents.inference import CountedBy, TokenTimes
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.measure import BenchCase, BenchResult
from firstlight_core.errors import FirstlightError, JobDied, OutOfMemory
from firstlight_core.inference.endpoint import Endpoint, open_endpoint
from firstlight_core.inference.servers import ServerLimits, is_loopback
from firstlight_core.measure.interference import server_processes
from firstlight_core.measure.metrics import percentile
from firstlight_core.measure.prompt_sizer import TRIAL_WORDS, PromptSizer
from firstlight_core.measure.subjects import PairedArtifact, Subject, Tell

TRIAL_TOKENS = 2


class EndpointSubject(Subject):
    """A server, measured from outside: no memory, no processor time, and it stops when it likes."""

    KIND: ClassVar[Literal["artifact", "server"]] = "server"

    def __init__(
        self,
        target: Target,
        lengths: Sequence[int],
        *,
        network: bool = False,
        sizer: PromptSizer | None = None,
        like: PairedArtifact | None = None,
        served_by: Sequence[int] = (),
    ) -> None:
        super().__init__(target, lengths)
        self.sizer = sizer or PromptSizer()
        self._network = network
        self._like = like
        self._served_by = list(served_by)
        self._endpoint: Endpoint | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The connected server."""
        assert self._endpoint is not None
        return self._endpoint

    @property
    def pids(self) -> list[int] | None:
        if not is_loopback(self.target.base_url or ""):
            return [self.endpoint.pid]
        server = self._served_by or server_processes(self.target.base_url or "")
        return [self.endpoint.pid, *server] if server else None

    async def open(self, stack: AsyncExitStack, started: Callable[[int], None] | None) -> None:
        # A repetition that had to wait for its turn would measure the waiting.
        self._endpoint = await stack.enter_async_context(
            open_endpoint(self.target, network=self._network, limits=ServerLimits(wait=0.0))
        )
        self.loaded = self._endpoint.loaded
        if not self.sizer.calibrated:
            await self._count_words()

    async def _count_words(self) -> None:
        counts = []
        for words in TRIAL_WORDS:
            sample = await self.endpoint.measure(self.sizer.conversation(words), TRIAL_TOKENS)
            if (count := sample.get("prompt_tokens")) is not None:
                counts.append((words, count))
        if len(counts) == len(TRIAL_WORDS):
            self.sizer.learn(counts)

    async def measure(self, length: int, new_tokens: int) -> Repetition:
        words = self.sizer.words(length)
        question = self._like.question if self._like else self.sizer.conversation(words)
        sample = await self.endpoint.measure(question, new_tokens)
        sample["prompt_words"] = words
        return sample

    async def warm_up(self, length: int, new_tokens: int) -> str | None:
        try:
            return await super().warm_up(length, new_tokens)
        except (JobDied, OutOfMemory):
            raise
        except FirstlightError as error:
            if self.lengths == [length]:
                raise
            self.lengths.remove(length)
            return f"{self.label}: prompts of {length} tokens could not be measured. {error}"

    async def repeat(self, length: int, new_tokens: int, tell: Tell) -> None:
        try:
            await super().repeat(length, new_tokens, tell)
        except (JobDied, OutOfMemory):
            raise
        except FirstlightError as error:
            self.faults.append(str(error))

    def document(self) -> BenchResult:
        good = sum(map(len, self.samples.values()))
        document = super().document()
        document["endpoint"] = self.target.base_url or ""
        document["model"] = self.loaded["model"]
        document["errors"] = len(self.faults)
        document["error_rate"] = len(self.faults) / max(1, good + len(self.faults))
        if self.faults:
            document["faults"] = sorted(set(self.faults))
        return document

    def case(self, length: int, samples: Sequence[Repetition]) -> BenchCase:
        case: BenchCase = {"asked_tokens": length, **super().case(length, samples)}
        if samples:
            case["counted_by"] = counted_by(samples)
            case["prompt_words"] = samples[0]["prompt_words"]
        if counts := [sample["prompt_tokens"] for sample in samples if "prompt_tokens" in sample]:
            case["prompt_tokens"] = round(percentile(counts, 50))
        return case


def counted_by(samples: Sequence[TokenTimes]) -> CountedBy:
    """Return who counted the tokens: the server only when it counted those of every answer."""
    return "server" if all(s["counted_by"] == "server" for s in samples) else "chunks"
