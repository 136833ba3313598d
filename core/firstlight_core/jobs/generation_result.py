"""The result of one generation, and the rates computed from its clock readings."""

from dataclasses import dataclass

from firstlight_core.documents.inference import ChatAnswer, TokenTimes, TypedControl
from firstlight_core.text import visible


@dataclass(slots=True)
class Answer:
    """The result of one generation, with its clock readings in nanoseconds."""

    ids: list[int]
    text: str
    finish_reason: str
    prompt_tokens: int
    reused_tokens: int
    began: int
    first: int | None
    last: int
    cpu: int
    """Processor time of the whole process from `began` to `last`."""
    steps: int
    """Decode steps that ran, the one that gave the stop token included."""

    def to_json(self, control: TypedControl, *, context_limit: int, rss_bytes: int) -> ChatAnswer:
        """Return the answer of a chat; `control` are the control tokens of its prompt."""
        return {
            "text": visible(self.text),
            "tokens": self.ids,
            "finish_reason": self.finish_reason,
            "stats": {
                **self.stats(),
                "context_used": self.prompt_tokens + len(self.ids),
                "context_limit": context_limit,
                "rss_bytes": rss_bytes,
            },
            **control,
        }

    def stats(self) -> TokenTimes:
        """Return the figures; one that was not measured is absent."""
        stats: TokenTimes = {
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": len(self.ids),
            "reused_tokens": self.reused_tokens,
            "total_s": (self.last - self.began) / 1e9,
            "cpu_s": self.cpu / 1e9,
        }
        if self.first is not None:
            ttft = (self.first - self.began) / 1e9
            stats["ttft_s"] = ttft
            stats["prefill_tps"] = (self.prompt_tokens - self.reused_tokens) / ttft
            if self.steps > 1 and self.last > self.first:
                stats["decode_tps"] = (self.steps - 1) * 1e9 / (self.last - self.first)
        return stats
