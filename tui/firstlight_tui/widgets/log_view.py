"""The log of a job: folded, searchable; the newest lines while it is followed."""

from collections.abc import Iterable

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Collapsible, Input, RichLog

from firstlight_core.text import visible


class LogView(Vertical):
    """The output of the tools. Lines come sanitised from the runner and are sanitised again here."""

    DEFAULT_CSS = """
    LogView { height: auto; }
    LogView Collapsible { padding: 0; border: none; background: transparent; }
    LogView RichLog { height: 10; background: $surface; scrollbar-size-vertical: 1; }
    LogView Input { height: 1; border: none; background: $panel; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[str] = []
        self._needle = ""

    def compose(self) -> ComposeResult:
        self.border_title = "log"
        with Collapsible(title="Log", collapsed=True):
            yield Input(placeholder="search the log", id="log-search", compact=True)
            yield RichLog(max_lines=2_000, wrap=False, markup=False, highlight=False)

    def show(self, lines: Iterable[str], seen: int) -> None:
        """Show these lines; `seen` is how many there were in all."""
        fresh = list(lines)
        if fresh == self._lines:
            return
        known = len(self._lines)
        appended = fresh[:known] == self._lines
        self._lines = fresh
        self.query_one(Collapsible).title = f"Log, {seen} {'line' if seen == 1 else 'lines'}"
        log = self.query_one(RichLog)
        if not appended:
            log.clear()
        for line in fresh[known:] if appended else fresh:
            if self._needle in line.lower():
                log.write(Text(visible(line), no_wrap=True))

    @on(Input.Changed, "#log-search")
    def search(self, event: Input.Changed) -> None:
        """Keep only the lines that hold the words."""
        event.stop()
        self._needle = event.value.lower()
        lines, self._lines = self._lines, []
        self.query_one(RichLog).clear()
        self.show(lines, len(lines))
