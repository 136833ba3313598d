"""Text that keeps its shape when it is wrapped: indented further lines, and facts that no line cuts in two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

from firstlight_tui.widgets.charts.canvas import Piece
from firstlight_tui.widgets.charts.roles import BOLD, MUTED, TITLE

LEAST_ROOM = 16
"""Cells of text below which a line begins at the left, whatever stands before the first one."""
RULE = "│"
GAP = "   "


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paragraph:
    """A text and what stands before its first line; of that only a rule is repeated before the others."""

    text: Content
    head: Sequence[Piece] = ()

    def lines(self, width: int) -> list[Content]:
        """Return the lines, each at most `width` cells."""
        head = Content.assemble(*self.head)
        room = width - head.cell_length
        if room < LEAST_ROOM:
            return (head + self.text).wrap(max(1, width))
        first, *others = self.text.wrap(room) or [Content("")]
        below = Content.assemble(*((_blank(text), style) for text, style in self.head))
        return [head + first, *(below + line for line in others)]


@dataclass(frozen=True, slots=True, eq=False)
class Paragraphs:
    """A drawing of several paragraphs, one below the other."""

    paragraphs: Sequence[Paragraph]
    _lines: dict[int, list[Content]] = field(default_factory=dict)
    """The lines by width."""

    @property
    def content(self) -> Content:
        """The text, each paragraph in one line."""
        return Content("\n").join(
            [Content.assemble(*each.head) + each.text for each in self.paragraphs]
        )

    @property
    def plain(self) -> str:
        """The text without its styles, each paragraph in one line."""
        return self.content.plain

    def rows(self, width: int) -> int:
        """As many as the text takes."""
        return len(self._wrapped(width))

    def draw(self, width: int, height: int) -> Content:
        """Return the lines from the first one on."""
        return Content("\n").join(self._wrapped(width)[:height])

    def _wrapped(self, width: int) -> list[Content]:
        if width not in self._lines:
            self._lines[width] = [line for each in self.paragraphs for line in each.lines(width)]
        return self._lines[width]


class HangingText(Visual):
    """Paragraphs for a part that shows any visual: a text, or a row of a list."""

    def __init__(self, *paragraphs: Paragraph) -> None:
        self.paragraphs = Paragraphs(paragraphs)

    @property
    def plain(self) -> str:
        """The text without its styles, each paragraph in one line."""
        return self.paragraphs.plain

    def __str__(self) -> str:
        return self.plain

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """Return the width of the longest paragraph in one line."""
        return self.paragraphs.content.get_optimal_width(rules, container_width)

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Return the lines that it takes."""
        return self.paragraphs.rows(width)

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        """Return the lines."""
        rows = self.paragraphs.rows(width) if height is None else height
        return self.paragraphs.draw(width, rows).render_strips(width, height, style, options)


def checklist(meanings: Mapping[str, str], title: str = "") -> Paragraphs:
    """Return one paragraph for each thing that is still to be done: its name, and what it means beside it."""
    width = max(map(cell_len, meanings)) + 2
    paragraphs = [Paragraph(text=Content.styled(title, TITLE))] if title else []
    for name, words in meanings.items():
        head = [("○ ", MUTED), (name + " " * (width - cell_len(name)), BOLD)]
        paragraphs.append(Paragraph(head=head, text=Content(words)))
    return Paragraphs(paragraphs)


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """A drawing of short texts, as many in a line as fit; none of them is cut where a line holds it."""

    facts: Sequence[Content]

    @property
    def plain(self) -> str:
        """The text of one line without its styles."""
        return GAP.join(fact.plain for fact in self.facts)

    def rows(self, width: int) -> int:
        """As many as the facts take."""
        return len(self._wrapped(width))

    def draw(self, width: int, height: int) -> Content:
        """Return the lines from the first one on."""
        return Content("\n").join(self._wrapped(width)[:height])

    def _wrapped(self, width: int) -> list[Content]:
        lines: list[Content] = []
        for fact in self.facts:
            if lines and lines[-1].cell_length + len(GAP) + fact.cell_length <= width:
                lines[-1] = lines[-1] + GAP + fact
            else:
                lines += fact.wrap(max(1, width))
        return lines


def _blank(text: str) -> str:
    return "".join(RULE if letter == RULE else " " * cell_len(letter) for letter in text)
