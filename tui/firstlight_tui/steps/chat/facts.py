"""The panel beside the conversation in wide terminals: who answers, at what speed, with which settings, and what one can do."""

from collections.abc import Mapping, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen

from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line, seconds_text, shown_path
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.state.key_names import key_name
from firstlight_tui.state.keymap import UNSET
from firstlight_tui.state.sampling_settings import NUMBERS, SamplingSettings, setting_words
from firstlight_tui.steps.chat.columns import label_of
from firstlight_tui.steps.chat.keys import KEYS
from firstlight_tui.widgets.charts.canvas import Piece, fitted, lines_of, trough
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.lines import LinePlot, Series
from firstlight_tui.widgets.charts.roles import BOLD, CAUTION, FILL, MUTED, TITLE
from firstlight_tui.widgets.words import Words, part

NAME = 13
"""Cells of the name of a fact."""
BAR = 20
ACTS = (
    ("beside", "compare with another model or a server"),
    ("settings", "change these settings"),
    ("retry", "answer once more"),
    ("edit", "take the question back and edit it"),
    ("tokens", "the answer, token by token"),
    ("prompt", "the prompt as the model reads it"),
    ("rate", "rate the answer"),
    ("save", "save the conversation"),
)
"""Part of the id of a key → what it does; each is a key of the chat."""


class ChatFacts(Vertical):
    """Facts of every conversation, its speed by answer, the sampling settings and the keys."""

    DEFAULT_CSS = """
    ChatFacts { display: none; width: 50; height: 100%; margin-left: 1; padding: 0 1; border: round $border-blurred; border-title-color: $text-accent; }
    ChatFacts VerticalScroll { height: auto; max-height: 60%; scrollbar-size-vertical: 2; }
    ChatFacts Words { height: auto; }
    ChatFacts #answer-rates { height: 1fr; min-height: 5; margin-top: 1; }
    ChatFacts #settings, ChatFacts #chat-keys { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        self.border_title = "this conversation"
        with VerticalScroll(can_focus=False):
            yield Words(id="facts")
        yield Words(id="settings")
        yield Words(id="chat-keys")
        yield Chart(id="answer-rates")

    def show_keys(self) -> None:
        """Paint the keys as they are now: the user may have changed them."""
        self.query_one("#chat-keys", Words).update(keys_content(active_keys(self.screen)))

    def show(self, conversations: Sequence[Conversation], session: Session) -> None:
        """Paint what is known now; nothing where the panel is not shown."""
        if not self.display:
            return
        blocks = [facts_content(each, label_of(each, session)) for each in conversations]
        self.query_one("#facts", Words).update(Content("\n\n").join(blocks))
        settings = settings_content(conversations[0].settings)
        self.query_one("#settings", Words).update(settings)
        rates = answer_rates([(label_of(each, session), each) for each in conversations])
        self.query_one("#answer-rates", Chart).show(rates)


def active_keys(screen: Screen[Any]) -> dict[str, str]:
    """Return the keys that count now, by the id of what they do."""
    active = screen.active_bindings.values()
    return {entry.binding.id: entry.binding.key for entry in active if entry.binding.id}


def facts_content(conversation: Conversation, label: str) -> Content:
    """Who answers, how fast the newest answer was, and what it takes of context and memory."""
    rows: list[list[Piece]] = [[(one_line(label, 40), f"{BOLD} $text-accent")]]
    if conversation.artifact is not None:
        rows.append([(shown_path(conversation.artifact), MUTED)])
    newest = next((turn for turn in reversed(conversation.answers) if turn.stats), None)
    if newest is None:
        rows.append(fact("answers", "none yet"))
    else:
        stats = newest.stats
        if (rate := stats.get("decode_tps")) is not None:
            rows.append(fact("writing", f"{rate:.0f} tok/s"))
        if (prefill := stats.get("prefill_tps")) is not None:
            rows.append(fact("reading", f"{prefill:.0f} tok/s"))
        if (wait := stats.get("ttft_s")) is not None:
            rows.append(
                fact("first token", f"{1000 * wait:.0f} ms" if wait < 1 else seconds_text(wait))
            )
        sizes = f"{stats.get('prompt_tokens', '?')} → {stats.get('new_tokens', '?')} tokens"
        rows.append(fact("newest answer", sizes))
        if (reused := stats.get("reused_tokens")) is not None:
            rows.append(fact("from KV cache", f"{reused} tokens"))
        rows.append(fact("answers", str(len(conversation.answers))))
    if limit := conversation.limit:
        share = min(1.0, conversation.used / limit)
        style = CAUTION if share > 0.9 else FILL
        words = (f" {conversation.used} of {limit}", BOLD)
        rows.append([(fitted("context", NAME + 1), MUTED), *trough(share, BAR, style), words])
    if (rss := conversation.rss_bytes) is not None:
        rows.append(fact("memory", bytes_text(rss)))
    if (loaded := conversation.loaded) is not None:
        if kv_bytes := loaded.get("kv_bytes"):
            rows.append(fact("KV cache", bytes_text(kv_bytes)))
        opened = "connected in" if conversation.served else "loaded in"
        rows.append(fact(opened, seconds_text(loaded["load_s"])))
    return lines_of(rows)


def settings_content(settings: SamplingSettings) -> Content:
    """The sampling settings of the next answer."""
    rows: list[list[Piece]] = [[("settings of the next answer", TITLE)]]
    for name in NUMBERS:
        number = getattr(settings, name)
        value = setting_words(name, number)
        if name == "seed" and number is None:
            value = "a new one each time"
        rows.append(fact(name.replace("_", " ").replace("repetition ", ""), value))
    form = "a JSON schema" if settings.json_schema is not None else "any"
    rows.append(fact("form", "a regex" if settings.regex is not None else form))
    return lines_of(rows)


def keys_content(changed: Mapping[str, str] | None = None) -> Content:
    """Acts of the chat with their keys; `changed` has those that count now, by id."""
    lines = [Content.styled("what you can do", TITLE)]
    keys = {binding.id: binding.key for binding in KEYS} | dict(changed or {})
    acts = [(_key_text(keys[f"chat.{act}"]), words) for act, words in ACTS]
    for key, words in (*acts, ("/", "everything else")):
        lines.append(Content.assemble(part(f"{key:7}", "$text-accent"), part(words, MUTED)))
    return Content("\n").join(lines)


def _key_text(key: str) -> str:
    return "–" if key.startswith(UNSET) else key_name(key)


def answer_rates(conversations: Sequence[tuple[str, Conversation]]) -> LinePlot | None:
    """Writing speed by answer, a line for each conversation; None before one has two answers."""
    series = []
    for label, conversation in conversations:
        rates = [rate for turn in conversation.answers if (rate := turn.stats.get("decode_tps"))]
        if len(rates) > 1:
            points = tuple((float(n), rate) for n, rate in enumerate(rates, start=1))
            series.append(Series(label=label, points=points, marked=len(rates) < 20))
    if not series:
        return None
    longest = max(len(line.points) for line in series)
    ticks = tuple(float(n) for n in range(1, longest + 1)) if longest <= 8 else ()
    return LinePlot(series=tuple(series), title="Writing by answer, tok/s", x_ticks=ticks)


def fact(name: str, value: str) -> list[Piece]:
    """Return a line with a name and its value."""
    return [(fitted(name, NAME + 1), MUTED), (value, BOLD)]
