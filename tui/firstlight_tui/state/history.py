"""What was said in one lane of the chat, and what its newest figures mean."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from firstlight_core.artifact.target import Target
from firstlight_core.inference.transcript import Turn
from firstlight_tui.state.sampling_settings import SamplingSettings


class Turns:
    """The turns of a conversation, its system prompt and settings, and what is known of who answers."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.earlier_ratings: list[int] = []
        """Of answers that were taken back or cleared: what a person thought of the model stays true."""
        self.saved: dict[Path, str] = {}
        """Where this conversation was saved, and as what: there it is written again."""
        self.system = ""
        self.drawing = SamplingSettings()
        self.target: Target | None = None
        self.loaded: dict[str, Any] = {}
        """What opening found out, as `ChatBackend.loaded` says it."""
        self.rss_now: int | None = None
        """Resident memory of who answers at the last look; None before it, and for a server."""

    @property
    def artifact(self) -> str | None:
        """The folder of the artifact that answers; None when a server or the original does."""
        if self.target is None or self.target.kind not in ("artifact", "deployment"):
            return None
        return str(self.target.folder)

    @property
    def served(self) -> bool:
        """Whether a server answers, with a memory and a context of its own."""
        return self.target is not None and self.target.kind == "endpoint"

    @property
    def name(self) -> str:
        """Who answers, in a word or two."""
        return self.target.label if self.target is not None else ""

    @property
    def decode_rate(self) -> float | None:
        """Decode tokens per second of the newest answer, as measured in the engine."""
        for turn in reversed(self.turns):
            if rate := turn.stats.get("decode_tps"):
                return float(rate)
        return None

    @property
    def limit(self) -> int:
        """Tokens of context, prompt and answer together; 0 while nothing is loaded."""
        return int(self.loaded.get("max_length") or self.loaded.get("context_length") or 0)

    @property
    def used(self) -> int:
        """Tokens of context that the newest answer and its prompt took."""
        for turn in reversed(self.turns):
            if used := turn.stats.get("context_used"):
                return int(used)
        return 0

    @property
    def answers(self) -> list[Turn]:
        """The answers so far."""
        return [turn for turn in self.turns if turn.role == "assistant"]

    @property
    def ratings(self) -> list[int]:
        """What a person gave the answers so far, 1 to 5 each, those that are no longer shown included."""
        return [*self.earlier_ratings, *(turn.rating for turn in self.answers if turn.rating)]

    @property
    def rss_bytes(self) -> int | None:
        """Resident memory now, else after the newest answer, else after loading; None where it is not known (a server)."""
        if self.rss_now is not None:
            return self.rss_now
        for turn in reversed(self.turns):
            if rss := turn.stats.get("rss_bytes"):
                return int(rss)
        return (self.loaded.get("rss_bytes") or {}).get("loaded")

    def messages(self, without: int = 0) -> list[dict[str, str]]:
        """The conversation as it is asked, the oldest `without` turns left out, and questions without an answer too."""
        said = [turn for turn in self.turns if turn.text]
        # A question that was never answered is not said again: templates want question and answer in turn.
        answered = [
            t for t, later in pairwise([*said, None]) if t and (not later or t.role != later.role)
        ]
        system = [{"role": "system", "content": self.system}] if self.system else []
        return system + [{"role": t.role, "content": t.text} for t in answered[without:]]


def prompt_note(result: Mapping[str, Any], dropped: int) -> str:
    """What should be known of the prompt of an answer, from its chat document; empty when it is as it was typed."""
    notes = []
    if dropped:
        notes.append(f"made without the {dropped} oldest turns: the context is full")
    if control := result.get("special_in_content"):
        what = ", ".join(control[:3])
        as_text = "was read as text" if result.get("special_as_text") else "acts as a control token"
        notes.append(f"{what} in your text {as_text}")
    return "; ".join(notes)
