"""The lines of an untouched chat that no panel stands beside: the model, how it is asked, and what one can do."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.geometry import Size

from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.steps.chat.columns import label_of
from firstlight_tui.steps.chat.facts import (
    active_keys,
    fact,
    facts_content,
    keys_content,
    settings_content,
)
from firstlight_tui.widgets.charts.canvas import Piece, lines_of
from firstlight_tui.widgets.words import Words

LEAST, BROAD = Size(100, 40), 150
"""The terminal that has room for it; from `BROAD` columns on the panel beside the conversation says the same."""
VALUE = 30
"""Cells of what is said about the source."""


class ChatAbout(Horizontal):
    """Two columns, facts with settings and the keys; as high as both can be, so that no news moves the others."""

    DEFAULT_CSS = """
    ChatAbout { height: 20; padding: 0 1; }
    ChatAbout Words { width: 1fr; height: 100%; }
    """

    def __init__(self, conversation: Conversation, session: Session) -> None:
        super().__init__()
        self._conversation, self._session = conversation, session

    def compose(self) -> ComposeResult:
        self.display = self._has_room and not self._conversation.turns
        yield Words(self._facts() if self.display else "", id="about-facts")
        yield Words(self._keys() if self.display else "", id="about-keys")

    def show(self, conversation: Conversation, session: Session) -> None:
        """Show what is known now while nothing has been asked, where there is room."""
        self._conversation, self._session = conversation, session
        self.display = self._has_room and not conversation.turns
        if self.display:
            self.query_one("#about-facts", Words).update(self._facts())
            self.query_one("#about-keys", Words).update(self._keys())

    @property
    def _has_room(self) -> bool:
        size = self.app.size
        return LEAST.width <= size.width < BROAD and size.height >= LEAST.height

    def _facts(self) -> Content:
        return about_content(self._conversation, self._session)

    def _keys(self) -> Content:
        return keys_content(active_keys(self.screen))


def about_content(conversation: Conversation, session: Session) -> Content:
    """Who answers, what it was made of, the template, and the settings of the first answer."""
    rows: list[list[Piece]] = []
    precision = session.precision_of(conversation.artifact)
    if precision is not None and (made := session.measured(precision)) is not None:
        rows.append(fact("on disk", bytes_text(made["bytes"])))
        rows.append(fact("made of", one_line(made["source"]["path"].rpartition("/")[2], VALUE)))
    if session.template is not None and conversation.artifact is not None:
        settled = "settled" if session.template["locked"] else "as the model brings it"
        rows.append(fact("template", settled))
    blocks = [facts_content(conversation, label_of(conversation, session))]
    blocks += [lines_of(rows)] if rows else []
    return Content("\n").join([*blocks, Content(""), settings_content(conversation.settings)])
