"""Help for the open step: keys of what has the focus, keys of the step, terms on the screen, the course."""

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button

from firstlight_core.documents.glossary import Term
from firstlight_core.glossary import find_card, terms_in
from firstlight_core.text import visible
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.state.help_page import (
    EVERYWHERE,
    FOCUS_KEYS,
    BoundKey,
    Focus,
    KeyLine,
    Scope,
    key_lines,
)
from firstlight_tui.state.keymap import UNSET
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.screen_text import shown_text
from firstlight_tui.widgets.words import part

_KEY_COLUMNS = 15
_KINDS: Mapping[str, Focus] = {
    "CheckBox": "box",
    "Button": "button",
    "Input": "field",
    "TextArea": "text",
    "DataTable": "table",
    "OptionList": "list",
}
"""Kinds of widget by the name of their class: to import those that the screen lacks holds up the first help."""
_FRAME_COLUMNS, _GAP_COLUMNS, _MOST_COLUMNS = 8, 3, 100


class HelpScreen(DetailScreen):
    """Help for one step, as it is now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "glossary", "All terms", id="help.terms", tooltip="Search the whole glossary"),
    ]

    def __init__(self, step: Screen[None]) -> None:
        self._keys = Content("\n").join(_key_column(step))
        self._words = Content("\n").join(_word_column(step))
        title = f"Help: {getattr(step, 'STEP_TITLE', '')}"
        super().__init__(title, self._keys)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(visible(self._title))
            box.border_subtitle = Content("Esc closes · g all terms · c copies")
            with VerticalScroll(id="help"):
                yield Words(self._keys)
                yield Words(self._words)

    @property
    def text(self) -> str:
        """Both columns, one below the other."""
        return f"{self._keys.plain}\n\n{self._words.plain}"

    def action_glossary(self) -> None:
        """Show every term."""
        from firstlight_tui.modals.glossary import GlossaryScreen

        self.app.push_screen(GlossaryScreen())


def focus_kind(widget: Widget | None) -> Focus:
    """Return what kind of widget this is."""
    names = (each.__name__ for each in type(widget).__mro__)
    return next((_KINDS[name] for name in names if name in _KINDS), "")


def _key_column(step: Screen[None]) -> Iterator[Content]:
    bound = [
        BoundKey(
            binding=active.binding.id or "",
            key=active.binding.key,
            words=active.tooltip or active.binding.tooltip or active.binding.description,
            scope=_scope(active.node),
        )
        for active in step.active_bindings.values()
        if not active.binding.key.startswith(UNSET)
    ]
    kind = focus_kind(step.focused)
    title, lines = FOCUS_KEYS.get(kind, ("Here", ()))
    if isinstance(step.focused, Button):
        title = f"The button {visible(str(step.focused.label))}"
    here = [*key_lines(bound, "focus")]
    taken = {line.keys for line in here}
    here += [line for line in lines if line.keys not in taken]
    columns = step.app.size.width - _FRAME_COLUMNS
    if not step.has_class("-narrow"):
        columns = min(_MOST_COLUMNS, columns // 2 - _GAP_COLUMNS)
    if here:
        yield from _key_section(title, here, columns)
    yield from _key_section("This step", key_lines(bound, "step"), columns)
    everywhere = [*EVERYWHERE, *key_lines(bound, "app")]
    yield from _key_section("Everywhere", everywhere, columns)
    yield Content("The mouse works everywhere, too.")


def _scope(node: DOMNode) -> Scope:
    if isinstance(node, Screen):
        return "step"
    return "focus" if isinstance(node, Widget) else "app"


def _key_section(title: str, lines: Iterable[KeyLine], columns: int) -> Iterator[Content]:
    yield _heading(title)
    for line in lines:
        keys = f"{line.keys:<{_KEY_COLUMNS}} "
        words = wrap(line.words, max(10, columns - len(keys))) or [""]
        text = f"\n{' ' * len(keys)}".join(words)
        yield Content.assemble(part(keys, "bold"), part(text))
    yield Content("")


def _word_column(step: Screen[None]) -> Iterator[Content]:
    yield _heading("What it is for")
    for words in (getattr(step, "PURPOSE", ""), getattr(step, "HELP", "")):
        yield from [Content(visible(str(words))), Content("")] if words else []
    bodies = step.query("#body")
    terms = terms_in(shown_text(bodies.first())) if bodies else []
    if terms:
        yield _heading("Terms on this screen")
        for term in terms:
            yield term_line(term)
        yield Content("")
    card = find_card(str(getattr(step, "STEP_ID", "")))
    if card is not None:
        yield _heading(f"The course: {card['source']}")
        yield Content(visible(card["text"]))


def term_line(term: Term) -> Content:
    """Return a term and what it means."""
    return Content.assemble(part(term["term"], "bold"), part(f": {term['text']}"))


def _heading(title: str) -> Content:
    return Content.styled(title, "bold $text-accent")
