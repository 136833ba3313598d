"""What the tests of the wizard spare (tests/support/headless.py) changes nothing that a test sees."""

from textual.color import Color
from textual.css.stylesheet import Stylesheet


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
