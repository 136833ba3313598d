"""The conversations side by side: each column has the model, its state, and the transcript."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.state.chat import Chat, Comparison
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.state.history import figures, repeats_itself
from firstlight_tui.widgets.transcript import Transcript
from firstlight_tui.widgets.words import Words, part

BAR = 8
GAP = " · "
NARROW = 45
"""Width, in cells, below which the comparison gets a line of its own."""


ALIGNED = 100
"""Turns of a conversation whose rows are aligned; the older ones keep the height that they have."""


def label_of(conversation: Conversation, session: Session) -> str:
    """Return a label: the precision of an artifact that was made here, a server's model, else the folder's name."""
    if precision := session.precision_of(conversation.artifact):
        return find_precision(precision).label
    target = conversation.target
    return (target and target.model) or conversation.name


class ConversationColumn(Vertical):
    """One conversation on the screen; holds no state but its widgets."""

    DEFAULT_CSS = """
    ConversationColumn { height: 1fr; width: 1fr; border: round $border-blurred; border-title-color: $text-accent; }
    ConversationColumn #standing { height: auto; max-height: 2; color: $foreground-muted; }
    """

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self.conversation = conversation
        self.composed = False
        """Whether its parts are there; `is_mounted` is true a moment before."""
        self.gone = False
        """Whether it is being removed."""

    def on_mount(self) -> None:
        self.composed = True

    def compose(self) -> ComposeResult:
        yield Words(id="standing")
        yield Transcript()

    def show(self, label: str, *, rich: bool, comparison: Comparison) -> None:
        """Paint the conversation; `label` says who answers."""
        conversation = self.conversation
        words = [part(f"{one_line(label, 24)}: " if label else "", "bold $text-accent")]
        # That the engine has died matters more than how its last answer compared.
        compared = comparison.words if conversation.status == "ready" else ""
        if compared:
            differs = comparison.parting is not None
            words.append(part(compared, "$text-warning" if differs else "$text-success"))
        width = self.size.width
        # A column beside two others has no room for everything on one line.
        room, gap = width - sum(len(text) for text, _ in words), GAP if compared else ""
        if compared and width < NARROW:
            room, gap = width, "\n"
        # The most needed figures come first; in a narrow column the last ones are left out.
        for text, style in self._standing():
            room -= len(gap) + len(text)
            if room >= 0 or gap != GAP:
                words += [part(gap), (text, style)]
            gap = GAP
        self.query_one("#standing", Words).update(Content.assemble(*words))
        self.query_one(Transcript).show(
            conversation.turns,
            figures,
            live=conversation.status == "answering",
            rich=rich,
            differs=comparison.parting,
        )

    def _standing(self) -> list[tuple[str, str]]:
        conversation = self.conversation
        match conversation.status:
            case "closed":
                return [part("no model is loaded")]
            case "opening":
                return [part("loading in its own process …")]
            case "answering":
                return self._answering()
            case "failed":
                return [
                    part(
                        "the engine is gone; ask again to start it anew, your conversation is kept"
                    )
                ]
        words = []
        if (rate := conversation.decode_rate) is not None:
            words.append(part(f"{rate:.0f} tok/s", "$foreground"))
        elif (loaded := conversation.loaded) is not None:
            opened = "connected" if conversation.served else "loaded"
            words.append(part(f"{opened} in {loaded['load_s']:.2f} s", "$foreground"))
        words += self._memory()
        if limit := conversation.limit:
            full = min(BAR, round(BAR * conversation.used / limit))
            bar = "━" * full + "─" * (BAR - full)
            used = f"{bar} {conversation.used} of {limit} tokens"
            words.append(part(used, "$foreground-muted"))
        if conversation.loaded is not None and (kv_bytes := conversation.loaded.get("kv_bytes")):
            words.append(part(f"KV cache {bytes_text(kv_bytes)}"))
        return words or [part("ready")]

    def _answering(self) -> list[tuple[str, str]]:
        conversation = self.conversation
        newest = conversation.turns[-1] if conversation.turns else None
        count = len(newest.pieces) if newest is not None else 0
        so_far = f"{count} token{'s' * (count != 1)}, Esc stops"
        if (waited := conversation.waited) is not None and not conversation.note:
            so_far = f"first token … {waited:.1f} s, Esc stops"
        words = [part(conversation.note or so_far)]
        if newest is not None and repeats_itself(newest):
            words.append(part("! it repeats itself, Esc stops", "$text-warning"))
        if not conversation.note and newest is not None and (rate := newest.rate_so_far):
            words.append(part(f"{rate:.0f} tok/s so far", "$foreground"))
        return [*words, *self._memory()]

    def _memory(self) -> list[tuple[str, str]]:
        if (rss := self.conversation.rss_bytes) is not None:
            return [part(f"RAM {bytes_text(rss)}", "$foreground")]
        return [part("RAM: the server's own")] if self.conversation.served else []


class ColumnsPanel(Container):
    """One column for each conversation; their transcripts scroll together."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(id="columns")
        self._chat = chat

    def compose(self) -> ComposeResult:
        yield from (ConversationColumn(c) for c in self._chat.conversations)

    def show(self, session: Session, *, rich: bool) -> bool:
        """Paint every conversation; returns False when a column is not ready yet, and nothing was painted."""
        columns = self._columns()
        if not all(column.composed for column in columns):
            return False
        for column in columns:
            column.show(
                label_of(column.conversation, session),
                rich=rich,
                comparison=self._chat.compare(column.conversation),
            )
        return True

    def align(self) -> None:
        """Make the turns of one row equally high, so that answers to one question begin side by side."""
        rows = [
            column.query_one(Transcript).messages for column in self._columns() if column.composed
        ]
        layout = self.styles.layout
        side_by_side = len(rows) > 1 and layout is not None and layout.name == "horizontal"
        for row in list(zip(*rows, strict=False))[-ALIGNED:] if rows else []:
            height = max(message.natural_height for message in row) if side_by_side else None
            for message in row:
                message.fill(height)

    def _columns(self) -> list[ConversationColumn]:
        """Return one column for each conversation; mounts the missing ones and removes the others."""
        conversations = self._chat.conversations
        # A column that is being removed can still be found for a moment, without its parts.
        columns = [column for column in self.query(ConversationColumn) if not column.gone]
        for column in columns:
            if column.conversation not in conversations:
                column.gone = True
                column.remove()
        columns = [column for column in columns if not column.gone]
        mounted = [column.conversation for column in columns]
        missing = [ConversationColumn(c) for c in conversations if c not in mounted]
        if missing:
            self.mount_all(missing)
        return [*columns, *missing]

    @on(Transcript.Scrolled)
    def _scrolled(self, event: Transcript.Scrolled) -> None:
        event.stop()
        for transcript in self.query(Transcript):
            if transcript is not event.transcript:
                transcript.follow(event)
