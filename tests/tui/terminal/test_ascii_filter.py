"""ASCII mode: one switch turns everything that is painted into ASCII, borders and scroll bars too."""

import pytest
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from firstlight_tui.terminal.ascii_filter import AsciiApp
from firstlight_tui.terminal.ascii_marks import to_ascii


def test_characters_of_drawing_become_one_ascii_character_each() -> None:
    assert to_ascii("╭─┬╮ ▕██░▏ ✓ ✗ ★ ● ○ ◉") == "+-++ [##.] v x * @ o O"
    assert to_ascii("▁▂▃▄▅▆▇█") == "_.-=+*%#"
    assert to_ascii("⠀⠁⡀⡇⣿") == " '.:#"
    assert to_ascii("plain") == "plain"
    # Letters are no drawing.
    assert to_ascii("é名ß") == "é名ß"


class Boxes(AsciiApp):
    """A bordered box that scrolls."""

    CSS = "VerticalScroll { border: round $primary; height: 6; } Static { height: 20; }"

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("✓ done … ⣿")


@pytest.mark.parametrize("ascii", [True, False])
async def test_the_whole_screen_follows_the_switch(ascii: bool) -> None:
    app = Boxes(ascii=ascii)
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        text = "".join(segment.text for strip in strips for segment in strip)
        assert app.ascii is ascii
        assert text.isascii() is ascii
        assert ("v done . #" in text) is ascii
