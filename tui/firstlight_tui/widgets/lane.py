"""One lane of the chat: which artifact, how it stands, what was said."""

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from firstlight_core.talk.transcript import Turn
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.conversation import Conversation
from firstlight_tui.widgets.transcript import Transcript
from firstlight_tui.widgets.words import Words, part

BAR = 12


def figures(turn: Turn) -> str:
    """What an answer cost, measured in the engine."""
    stats = turn.stats
    if not stats:
        return ""
    parts = [f"{stats.get('prompt_tokens', '?')} → {stats.get('new_tokens', '?')} tokens"]
    if (ttft := stats.get("ttft_s")) is not None:
        parts.append(f"TTFT {ttft * 1000:.0f} ms")
    if (rate := stats.get("decode_tps")) is not None:
        parts.append(f"{rate:.0f} tok/s")
    if reused := stats.get("reused_tokens"):
        parts.append(f"{reused} from the KV cache")
    ends = {"length": "cut at the token limit", "cancelled": "stopped"}
    if turn.finish_reason and turn.finish_reason != "stop":
        parts.append(ends.get(turn.finish_reason, turn.finish_reason))
    return "measured: " + ", ".join(parts)


class Lane(Vertical):
    """A conversation on the screen; keeps nothing of its own."""

    DEFAULT_CSS = """
    Lane { height: 1fr; width: 1fr; }
    Lane #standing { height: 1; color: $foreground-muted; }
    """

    def __init__(self, talk: Conversation) -> None:
        super().__init__()
        self.talk = talk
        self.composed = False
        """Whether its parts are there; `is_mounted` is true a moment before."""

    def on_mount(self) -> None:
        self.composed = True

    def compose(self) -> ComposeResult:
        yield Words(id="standing")
        yield Transcript()

    def show(self, *, rich: bool, named: bool, differs_at: int | None = None) -> None:
        """Paint the lane; `named` says which artifact it is, where there are several."""
        talk = self.talk
        name = f"{one_line(Path(talk.artifact or '').name, 20)}: " if named else ""
        self.query_one("#standing", Words).update(
            Content.assemble(part(name, "bold $text-accent"), *self._standing())
        )
        self.query_one(Transcript).show(
            talk.turns,
            [figures(turn) for turn in talk.turns],
            live=talk.status == "answering",
            rich=rich,
            differs_at=differs_at,
        )

    def _standing(self) -> list[tuple[str, str]]:
        talk = self.talk
        match talk.status:
            case "closed":
                return [part("no model is loaded")]
            case "opening":
                return [part("loading the model in its own process …")]
            case "answering":
                return [part(talk.note or "answering, Esc stops")]
            case "failed":
                return [
                    part(
                        "the engine is gone; ask again to start it anew, your conversation is kept"
                    )
                ]
        used, limit = talk.used, talk.limit or 1
        full = min(BAR, round(BAR * used / limit))
        words = [
            part("context ", ""),
            part("━" * full, "$primary"),
            part("─" * (BAR - full), "$foreground-muted"),
            part(f" {used} of {limit} tokens"),
        ]
        if (load := talk.loaded.get("load_s")) is not None:
            words.append(part(f", loaded in {load:.2f} s"))
        if peak := (talk.loaded.get("rss_bytes") or {}).get("loaded"):
            words.append(part(f", RAM {bytes_text(peak)}"))
        if talk.dropped:
            words.append(part(f", {talk.dropped} oldest turns left out", "$text-warning"))
        return words
