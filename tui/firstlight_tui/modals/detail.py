"""A longer text to read and copy."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content

from firstlight_core.text import visible
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.words import Words


class DetailScreen(Page[None]):
    """Shows a text; `c` copies it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="detail.close", tooltip="Back to the step"),
        Binding("c", "copy", "Copy", id="detail.copy", tooltip="Copy the whole text"),
    ]

    def __init__(self, title: str, text: str | Content) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(visible(self._title))
            box.border_subtitle = Content("Esc closes · c copies")
            with VerticalScroll():
                yield Words(self._text)

    @property
    def text(self) -> str:
        """The whole text without its styles."""
        return self._text if isinstance(self._text, str) else self._text.plain

    def action_copy(self) -> None:
        """Put the whole text on the clipboard, sanitised."""
        text = visible(self.text)
        self.app.copy_to_clipboard(text)
        self.notify(f"Copied {len(text)} characters.", markup=False)
