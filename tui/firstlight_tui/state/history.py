"""The turns of one conversation and the figures that follow from them."""

from itertools import pairwise
from pathlib import Path

from firstlight_core.artifact.target import Target
from firstlight_core.documents.inference import ChatAnswer, LoadedModel
from firstlight_core.documents.messages import Message
from firstlight_core.inference.transcript import Turn
from firstlight_tui.state.sampling_settings import SamplingSettings

LOOP_TOKENS = 192
"""Tokens at the end of an answer in which a circle is looked for: a sentence of 64 tokens, three times."""
LOOP_LEAST = 24
"""Tokens that a circle must fill: "ha ha ha" is none."""


class Turns:
    """The turns of a conversation, its system prompt and settings, and what is known of the model that answers."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.earlier_ratings: list[int] = []
        """Ratings of answers that were taken back or cleared: the person's opinion of the model still counts."""
        self.saved: dict[Path, str] = {}
        """Folder → file name under which this conversation was saved there; the next save replaces it."""
        self.system = ""
        self.settings = SamplingSettings()
        self.target: Target | None = None
        self.loaded: LoadedModel | None = None
        """The report of loading the model; None before, and kept after the model is unloaded."""
        self.rss_now: int | None = None
        """Resident memory of the answering process at the last sample, in bytes; None before the first, and for a server."""

    @property
    def artifact(self) -> str | None:
        """Folder of the artifact that answers; None when a server or the original answers."""
        if self.target is None or self.target.kind not in ("artifact", "deployment"):
            return None
        return str(self.target.folder)

    @property
    def served(self) -> bool:
        """True if a server answers; it has its own memory and context."""
        return self.target is not None and self.target.kind == "endpoint"

    @property
    def name(self) -> str:
        """Name of the model or server that answers."""
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
        if self.loaded is None:
            return 0
        return self.loaded.get("max_length") or self.loaded.get("context_length") or 0

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
        """The person's ratings of all answers so far, 1 to 5 each, including answers that are no longer shown."""
        return [*self.earlier_ratings, *(turn.rating for turn in self.answers if turn.rating)]

    @property
    def rss_bytes(self) -> int | None:
        """Resident memory in bytes: now, else after the newest answer, else after loading; None for a server."""
        if self.rss_now is not None:
            return self.rss_now
        for turn in reversed(self.turns):
            if rss := turn.stats.get("rss_bytes"):
                return int(rss)
        if self.loaded is None or "rss_bytes" not in self.loaded:
            return None
        return self.loaded["rss_bytes"]["loaded"]

    def messages(self, without: int = 0) -> list[Message]:
        """Return the messages of the next prompt, without the oldest `without` turns and without unanswered questions."""
        spoken = [turn for turn in self.turns if turn.text]
        # Templates expect questions and answers to alternate, so a question that got no answer is left out.
        answered = [
            t for t, later in pairwise([*spoken, None]) if t and (not later or t.role != later.role)
        ]
        messages: list[Message] = []
        if self.system:
            messages.append({"role": "system", "content": self.system})
        messages += [{"role": t.role, "content": t.text} for t in answered[without:]]
        return messages


def prompt_note(answer: ChatAnswer, dropped: int) -> str:
    """Return what the reader should know about the prompt of an answer; empty when nothing is unusual."""
    notes = []
    if dropped:
        notes.append(f"made without the {dropped} oldest turns: the context is full")
    if control := answer.get("special_in_content"):
        tokens = ", ".join(control[:3])
        as_text = "was read as text" if answer.get("special_as_text") else "acts as a control token"
        notes.append(f"{tokens} in your text {as_text}")
    return "; ".join(notes)


def repeats_itself(turn: Turn) -> bool:
    """Return whether an answer goes round in a circle: its end is the same run of tokens, three times or more."""
    tail = turn.pieces[-LOOP_TOKENS:]
    for period in range(1, len(tail) // 3 + 1):
        times = max(3, -(-LOOP_LEAST // period))
        end = tail[-period * times :]
        if len(end) == period * times and end == end[-period:] * times and "".join(end).strip():
            return True
    return False


def figures(turn: Turn) -> str:
    """Return what an answer cost, as measured in the engine; empty while nothing is measured."""
    stats = turn.stats
    if not stats:
        return ""
    # A server that reports no token counts is counted by the pieces of text that it sent.
    unit = "pieces" if stats.get("counted_by") == "chunks" else "tokens"
    parts = [f"{stats.get('prompt_tokens', '?')} → {stats.get('new_tokens', '?')} {unit}"]
    if (ttft := stats.get("ttft_s")) is not None:
        parts.append(f"TTFT {ttft * 1000:.0f} ms")
    if (rate := stats.get("decode_tps")) is not None:
        parts.append(f"{rate:.0f} {'tok' if unit == 'tokens' else unit}/s")
    if reused := stats.get("reused_tokens"):
        parts.append(f"{reused} from the KV cache")
    ends = {"length": "cut at the token limit", "cancelled": "stopped"}
    if turn.finish_reason and turn.finish_reason != "stop":
        parts.append(ends.get(turn.finish_reason, turn.finish_reason))
    if repeats_itself(turn):
        parts.append("! repeats itself")
    note = f"\n{turn.note}" if turn.note else ""
    return "measured: " + ", ".join(parts) + note
