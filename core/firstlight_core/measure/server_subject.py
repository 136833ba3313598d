"""A server while it is measured: asked in words, timed from outside."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from firstlight_core.artifact.target import Target
from firstlight_core.errors import FirstlightError, JobDied, OutOfMemory
from firstlight_core.inference.endpoint import Endpoint, open_endpoint
from firstlight_core.inference.servers import ServerLimits, is_loopback
from firstlight_core.measure.interference import server_processes
from firstlight_core.measure.metrics import percentile
from firstlight_core.measure.prompt_sizer import TRIAL_WORDS, PromptSizer
from firstlight_core.measure.subjects import AskedArtifact, Sample, Subject, Tell

TRIAL_TOKENS = 2


class EndpointSubject(Subject):
    """A server, measured from outside: no memory, no processor time, and it stops when it likes."""

    def __init__(
        self,
        target: Target,
        lengths: Sequence[int],
        *,
        network: bool = False,
        wording: PromptSizer | None = None,
        like: AskedArtifact | None = None,
        served_by: Sequence[int] = (),
    ) -> None:
        super().__init__(target, lengths)
        self.wording = wording or PromptSizer()
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
        if not self.wording.told:
            await self._count_words()

    async def _count_words(self) -> None:
        counts = []
        for words in TRIAL_WORDS:
            sample = await self._ask(self.wording.conversation(words), TRIAL_TOKENS)
            if (counted := sample.get("prompt_tokens")) is not None:
                counts.append((words, counted))
        if len(counts) == len(TRIAL_WORDS):
            self.wording.learn(counts)

    async def _ask(self, messages: list[dict[str, str]], new_tokens: int) -> Sample:
        return await self.endpoint.request("measure", messages=messages, max_tokens=new_tokens)

    async def measure(self, length: int, new_tokens: int) -> Sample:
        words = self.wording.words(length)
        question = self._like.question if self._like else self.wording.conversation(words)
        return {**await self._ask(question, new_tokens), "prompt_words": words}

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

    def document(self) -> dict[str, Any]:
        good = sum(map(len, self.samples.values()))
        return {
            **super().document(),
            "endpoint": self.target.base_url,
            "model": self.loaded["model"],
            "errors": len(self.faults),
            "error_rate": len(self.faults) / max(1, good + len(self.faults)),
            **({"faults": sorted(set(self.faults))} if self.faults else {}),
        }

    def case(self, length: int, samples: Sequence[Sample]) -> dict[str, Any]:
        figures = {"asked_tokens": length, **super().case(length, samples)}
        if samples:
            counted = {sample["counted_by"] for sample in samples}
            figures["counted_by"] = "server" if counted == {"server"} else "chunks"
            figures["prompt_words"] = samples[0]["prompt_words"]
        if token_counts := [
            sample["prompt_tokens"] for sample in samples if "prompt_tokens" in sample
        ]:
            figures["prompt_tokens"] = round(percentile(token_counts, 50))
        return figures
