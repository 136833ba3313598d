"""What was said in one lane of the chat, and what its newest figures mean."""

from typing import Any

from firstlight_core.talk.transcript import Turn
from firstlight_tui.drawing import Drawing


class Turns:
    """The turns of a conversation, its system prompt and settings, and what is known of who answers."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.system = ""
        self.drawing = Drawing()
        self.loaded: dict[str, Any] = {}
        """What opening found out, as `Answering.loaded` says it."""

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
    def rss_bytes(self) -> int | None:
        """Resident memory after the newest answer, or after loading; None where it is not known (a server)."""
        for turn in reversed(self.turns):
            if rss := turn.stats.get("rss_bytes"):
                return int(rss)
        return (self.loaded.get("rss_bytes") or {}).get("loaded")

    def messages(self, without: int = 0) -> list[dict[str, str]]:
        """The conversation as it is asked, the oldest `without` turns left out, and questions without an answer too."""
        said = [turn for turn in self.turns if turn.text]
        answered = [
            turn
            for turn, later in zip(said, [*said[1:], None], strict=True)
            if later is None or turn.role != later.role
        ]
        system = [{"role": "system", "content": self.system}] if self.system else []
        return system + [{"role": t.role, "content": t.text} for t in answered[without:]]
