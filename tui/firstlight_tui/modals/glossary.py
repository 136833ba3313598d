"""Every term, searched while one types."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from firstlight_core.documents.glossary import Term
from firstlight_core.errors import InputRefused
from firstlight_core.glossary import find_terms, list_terms
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.words import Words, part


class GlossaryScreen(Page[None]):
    """A field, and the terms that have to do with what is in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close", id="glossary.close", tooltip="Back"),
        Binding("down", "scroll(1)", id="glossary.down", show=False),
        Binding("up", "scroll(-1)", id="glossary.up", show=False),
        Binding("pagedown", "scroll(10)", id="glossary.page-down", show=False),
        Binding("pageup", "scroll(-10)", id="glossary.page-up", show=False),
    ]

    def __init__(self, words: str = "") -> None:
        """`words` stand in the field from the beginning."""
        super().__init__()
        self._first_words = words

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Glossary")
            box.border_subtitle = Content("↑ ↓ scroll · Esc closes")
            yield Input(self._first_words, placeholder="TTFT, KL, artifact …", compact=True)
            with VerticalScroll(can_focus=False):
                yield Words(_terms(self._first_words), id="terms")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#terms", Words).update(_terms(event.value))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, rows: int) -> None:
        """Scroll the terms; the field keeps the focus."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)


def _terms(words: str) -> Content:
    if not words.strip():
        return Content("\n").join(map(_entry, list_terms()))
    try:
        return Content("\n").join(map(_entry, find_terms(words)))
    except InputRefused as error:
        return Content.assemble(part(f"{error} "), part(error.hint, "$foreground-muted"))


def _entry(term: Term) -> Content:
    also = f"  {', '.join(term['also'])}" if term.get("also") else ""
    see = f"  See {', '.join(term['see'])}." if term.get("see") else ""
    return Content.assemble(
        part(term["term"], "bold $text-accent"),
        part(f"{also}\n", "$foreground-muted"),
        part(term["text"]),
        part(f"{see}\n", "$foreground-muted"),
    )
