"""Nothing that a model, a file or a user says reaches the terminal raw, whichever widget draws it."""

from typing import Any

import pytest
from rich.console import Console
from rich.segment import Segment
from rich.text import Text
from textual.app import App, ComposeResult
from textual.strip import Strip
from textual.widgets import DataTable, Input, Label, RichLog, Static, TextArea

from firstlight_tui.terminal import escape_guard
from firstlight_tui.widgets.words import Words, cell
from tests.support import faultkit


class Sinks(App[None]):
    """Every kind of widget that we show text in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(self._text, markup=False)
        yield Label(self._text, markup=False)
        yield Words(self._text)
        yield Input(self._text)
        yield TextArea(self._text)
        log = RichLog(markup=False)
        yield log
        table: DataTable[Any] = DataTable()
        table.add_column("x")
        table.add_row(cell(self._text))
        table.add_row(Text(self._text, style="link https://evil.example/\x1b\\"))
        yield table

    def on_mount(self) -> None:
        self.query_one(RichLog).write(Text(self._text))
        self.notify(self._text, markup=False)


async def frame(text: str) -> bytes:
    """The bytes that a terminal would get for one whole frame."""
    app = Sinks(text)
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        return "".join(strip.render(app.console) for strip in strips).encode("utf-8", "replace")


async def test_no_hostile_sequence_reaches_the_terminal() -> None:
    escape_guard.install()
    assert faultkit.leaks(await frame(faultkit.PAYLOAD)) == []


async def test_no_link_target_is_written() -> None:
    escape_guard.install()
    assert b"\x1b]8;" not in await frame("plain")


def test_text_without_a_style_meets_the_net_too() -> None:
    escape_guard.install()
    bare = Strip([Segment("A\x1b]52;c;UFdORUQ=\x07B")])
    assert b"\x1b" not in bare.render(Console(color_system="truecolor")).encode()


@pytest.mark.parametrize("text", ["plain", "ü ✓ 漢 \U0001f600", "▌━─"])
def test_honest_text_passes_unchanged(text: str) -> None:
    assert escape_guard._one_row(text) == text
