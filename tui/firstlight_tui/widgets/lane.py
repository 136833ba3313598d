"""One lane of the chat: who answers, how it stands, what was said."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from firstlight_core.inference.transcript import Parting, Turn
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.widgets.transcript import Transcript
from firstlight_tui.widgets.words import Words, part

BAR = 8
GAP = " · "
NARROW = 45
"""Columns of a lane whose comparison gets a line of its own."""


def figures(turn: Turn) -> str:
    """What an answer cost, measured in the engine."""
    stats = turn.stats
    if not stats:
        return ""
    # A server that tells no counts is counted by the pieces of text that it sent.
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
    note = f"\n{turn.note}" if turn.note else ""
    return "measured: " + ", ".join(parts) + note


def _who(talk: Conversation) -> str:
    """Who answers, as short as can be: of a server its model, for addresses begin alike."""
    return (talk.target and talk.target.model) or talk.name


class Lane(Vertical):
    """A conversation on the screen; keeps nothing of its own."""

    DEFAULT_CSS = """
    Lane { height: 1fr; width: 1fr; }
    Lane #standing { height: auto; max-height: 2; color: $foreground-muted; }
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

    def show(
        self,
        *,
        rich: bool,
        named: bool,
        differs: Parting | None = None,
        compared: str = "",
    ) -> None:
        """Paint the lane; `named` says who answers, where there are several, `compared` how its answer compares."""
        talk = self.talk
        kept = [part(f"{one_line(_who(talk), 24)}: " if named else "", "bold $text-accent")]
        # That its engine is gone is more than how its last answer compared.
        compared = compared if talk.status == "ready" else ""
        if compared:
            kept.append(part(compared, "$text-warning" if differs is not None else "$text-success"))
        width = self.size.width
        # A lane beside two others has no room for all on one line.
        room, gap = width - sum(len(text) for text, _ in kept), GAP if compared else ""
        if named and width < NARROW:
            room, gap = width, "\n"
        # What stands first is needed most; in a narrow lane the last words go.
        for text, style in self._standing():
            room -= len(gap) + len(text)
            if room >= 0 or gap != GAP:
                kept += [part(gap), (text, style)]
            gap = GAP
        self.query_one("#standing", Words).update(Content.assemble(*kept))
        self.query_one(Transcript).show(
            talk.turns,
            figures,
            live=talk.status == "answering",
            rich=rich,
            differs=differs,
        )

    def _standing(self) -> list[tuple[str, str]]:
        talk = self.talk
        match talk.status:
            case "closed":
                return [part("no model is loaded")]
            case "opening":
                return [part("loading in its own process …")]
            case "answering":
                count = len(talk.turns[-1].pieces) if talk.turns else 0
                so_far = f"{count} token{'s' * (count != 1)}"
                words = [part(talk.note or f"{so_far}, Esc stops")]
                if not talk.note and talk.turns and (rate := talk.turns[-1].rate_so_far):
                    words.append(part(f"{rate:.0f} tok/s so far", "$foreground"))
                return [*words, *self._memory()]
            case "failed":
                return [
                    part(
                        "the engine is gone; ask again to start it anew, your conversation is kept"
                    )
                ]
        words = []
        if (rate := talk.decode_rate) is not None:
            words.append(part(f"{rate:.0f} tok/s", "$foreground"))
        elif (load := talk.loaded.get("load_s")) is not None:
            opened = "connected" if talk.served else "loaded"
            words.append(part(f"{opened} in {load:.2f} s", "$foreground"))
        words += self._memory()
        if talk.limit:
            full = min(BAR, round(BAR * talk.used / talk.limit))
            bar = "━" * full + "─" * (BAR - full)
            words.append(part(f"{bar} {talk.used} of {talk.limit} tokens", "$foreground-muted"))
        if kv := talk.loaded.get("kv_bytes"):
            words.append(part(f"KV cache {bytes_text(kv)}"))
        return words or [part("ready")]

    def _memory(self) -> list[tuple[str, str]]:
        if (rss := self.talk.rss_bytes) is not None:
            return [part(f"RAM {bytes_text(rss)}", "$foreground")]
        return [part("RAM: the server's own")] if self.talk.served else []
