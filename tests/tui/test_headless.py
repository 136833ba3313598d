"""What the tests of the wizard spare (tests/support/headless.py) changes nothing that a test sees."""

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.css.stylesheet import Stylesheet
from textual.widgets import Static


def styles(red: str, css: str = "Static { color: $red; }") -> Stylesheet:
    sheet = Stylesheet(variables={"red": red})
    sheet.add_source(css, read_from=("app.tcss", ""))
    sheet.parse()
    return sheet


def test_parsed_styles_are_those_of_the_own_text_and_variables() -> None:
    first, other = styles("#ff0000"), styles("#00ff00")
    assert [sheet.rules[0].styles.color for sheet in (first, other)] == [
        Color(255, 0, 0),
        Color(0, 255, 0),
    ]
    assert styles("#ff0000").rules[0] is first.rules[0]
    assert styles("#ff0000", "Static { color: blue; }").rules[0].styles.color == Color(0, 0, 255)
    other.set_variables({"red": "#ff0000"})
    other.reparse()
    assert other.rules[0] is first.rules[0]


class Failing(Static):
    def render(self) -> str:
        raise ZeroDivisionError


class Shown(App[None]):
    CSS = "Static { color: $primary; }"

    def __init__(self, part: type[Static]) -> None:
        super().__init__()
        self._part = part

    def compose(self) -> ComposeResult:
        yield self._part("the words")


async def test_a_picture_is_composed_when_it_is_wanted() -> None:
    async with Shown(Static).run_test() as pilot:
        await pilot.pause()
        strips = pilot.app.screen._compositor.render_strips()
        assert "the words" in "".join(strip.text for strip in strips)
        assert "the&#160;words" in pilot.app.export_screenshot()


@pytest.mark.slow
async def test_every_part_is_drawn() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Shown(Failing).run_test():
            pass
