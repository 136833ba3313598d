"""The command palette: Textual's own, with rows of ours and themes that are shown while they are highlighted."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, Hit, Hits, Provider
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, OptionList

from firstlight_core.text import visible
from firstlight_tui.state.palette import Late, PaletteRow
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.words import part

PREVIEW_AFTER = 0.15
"""Seconds; a theme that is only passed on the way to another is not painted."""
_MOST_COLUMNS = 96
_GROUP_COLUMNS, _TITLE_COLUMNS, _KEY_COLUMNS = 9, 25, 7
_TITLES = {
    "act": "here",
    "step": "steps",
    "model": "models",
    "run": "runs",
    "theme": "themes",
    "setting": "settings",
    "term": "terms",
}
ELSEWHERE = 0.1
"""Score of a row that has the words in its explanation only."""


class RowHit(Hit):
    """A row that matches."""

    def __init__(self, row: PaletteRow, score: float, words: Content) -> None:
        super().__init__(score, words, row.run, text=row.title)
        self.row = row


class RowProvider(Provider):
    """Finds rows; a subclass has them."""

    rows: ClassVar[Sequence[PaletteRow]] = ()

    async def discover(self) -> Hits:
        """Yield every row, under the title of its group."""
        group = ""
        for number, row in enumerate(self.rows):
            if row.only_searched:
                continue
            title = "" if row.group == group else _TITLES[row.group]
            group = row.group
            # Textual sorts by score.
            yield RowHit(row, 1 - number / 10_000, self._words(row, title))

    async def search(self, query: str) -> Hits:
        """Yield the rows whose title has the letters in order, or whose explanation has the words."""
        matcher = self.matcher(query)
        for row in self.rows:
            score = matcher.match(row.title)
            shown = matcher.highlight(row.title) if score > 0 else Content(visible(row.title))
            if query.casefold() in f"{row.help} {row.also}".casefold():
                score = max(score, ELSEWHERE)
            if score > 0:
                yield RowHit(row, score, self._words(row, None, shown))

    def _words(self, row: PaletteRow, group: str | None, title: Content | None = None) -> Content:
        """Return one line: group, title, explanation, key."""
        columns = min(_MOST_COLUMNS, self.app.size.width - 4) - 8
        name = title if title is not None else Content(visible(row.title))
        pieces: list[Content | tuple[str, str]] = []
        if group is not None:
            pieces.append(part(group.ljust(_GROUP_COLUMNS), "$foreground-muted not bold"))
            columns -= _GROUP_COLUMNS
        room = max(10, columns - _TITLE_COLUMNS - _KEY_COLUMNS)
        pieces.append(_fitted(name, _TITLE_COLUMNS))
        help = Content.styled(visible(row.help), "$foreground-muted not bold")
        pieces.append(_fitted(help, room))
        pieces.append(part(row.key.rjust(_KEY_COLUMNS), "$text-accent not bold"))
        return Content.assemble(*pieces)


def _fitted(words: Content, columns: int) -> Content:
    return words.truncate(columns - 1, ellipsis=True, pad=True) + " "


class Palette(CommandPalette):
    """Enter does what the row says; Escape leaves everything as it was, the theme included."""

    def __init__(
        self,
        rows: Sequence[PaletteRow],
        *,
        placeholder: str,
        preview: Callable[[str | None], None],
        late: Late | None = None,
    ) -> None:
        """`preview` shows a theme; None shows the one that was chosen."""
        self._rows, self._late = [*rows], late

        class Rows(RowProvider):
            """The rows of this palette."""

            rows = self._rows

        super().__init__([Rows], placeholder=placeholder)
        self._preview = preview
        self._previewing: Timer | None = None
        self._keeps_theme = False

    def on_mount(self) -> None:
        if self._late is not None:
            begin(self, self._add_late, group="late-rows")

    async def _add_late(self) -> None:
        if self._late is not None:
            self._rows += await self._late()
        # Once somebody moves in the list, they wait for the next letter.
        if not self.query_one(OptionList).highlighted:
            field = self.query_one(Input)
            self.post_message(Input.Changed(field, field.value))

    @on(OptionList.OptionHighlighted)
    def _show_theme(self, event: OptionList.OptionHighlighted) -> None:
        row = _row_of(event)
        if self._previewing is not None:
            self._previewing.stop()
        theme = row.theme or None if row is not None else None
        self._previewing = self.set_timer(PREVIEW_AFTER, lambda: self._preview(theme))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        row = _row_of(event)
        self._keeps_theme = row is not None and bool(row.theme)

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Go; a theme that was only looked at goes too."""
        if self._previewing is not None:
            self._previewing.stop()
        if not self._keeps_theme:
            self._preview(None)
        return super().dismiss(result)


def _row_of(event: OptionList.OptionMessage) -> PaletteRow | None:
    hit = getattr(event.option, "hit", None)
    return hit.row if isinstance(hit, RowHit) else None
