"""Shipped themes load, a user's theme joins them, and a broken one is told and passed over."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.theme import Theme
from textual.widgets import Label

from firstlight_core.errors import InputRefused
from firstlight_themes import DEFAULT_THEME, load_themes, parse_theme

GOOD = 'name = "mine"\nprimary = "#336699"\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path.parent

    return put


def test_the_shipped_themes() -> None:
    themes, failures = load_themes()
    assert not failures
    assert themes[0].name == DEFAULT_THEME
    assert sum(theme.dark for theme in themes) >= 2
    assert sum(not theme.dark for theme in themes) >= 2
    assert len({theme.name for theme in themes}) == len(themes)


def test_a_user_theme_joins_and_may_replace(write: Callable[[str, str], Path]) -> None:
    write("a.toml", GOOD)
    folder = write("b.toml", GOOD.replace("mine", DEFAULT_THEME))
    themes, failures = load_themes(folder)
    assert not failures
    assert [theme.name for theme in themes].count(DEFAULT_THEME) == 1
    by_name = {theme.name: theme for theme in themes}
    assert by_name["mine"].primary == by_name[DEFAULT_THEME].primary == "#336699"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("name = ", "TOML"),
        (b"\xff\xfe", "TOML"),
        ("x = " + "[" * 5000, "TOML"),
        ('primary = "#336699"', "name"),
        ('name = "../x"\nprimary = "#336699"', "name"),
        ('name = "mine"', "primary"),
        ('name = "mine"\nprimary = "no colour"', "primary"),
        ('name = "mine"\nprimary = 7', "primary"),
        ('name = "mine"\nprimary = "auto"', "primary"),
        ('name = "mine"\nprimary = "#336699 50%"', "primary"),
        (GOOD + 'colour = "#fff"', "colour"),
        (GOOD + 'dark = "yes"', "dark"),
        (GOOD + "text_alpha = 7", "text_alpha"),
        (GOOD + "variables = 3", "variables"),
        (GOOD + '[variables]\nno-such-variable = "#fff"', "no-such-variable"),
        (GOOD + '[variables]\ntext = "red; } Screen { display: none"', "variables.text"),
        (GOOD + '[variables]\nlink-style = "blinking"', "variables.link-style"),
        (GOOD + '[variables]\ntext = "\\u001b[31m"', "variables.text"),
        ("#" * 70_000, "larger"),
    ],
)
def test_a_broken_theme_is_told_and_passed_over(
    write: Callable[[str, str | bytes], Path], content: str | bytes, word: str
) -> None:
    write("good.toml", GOOD)
    themes, failures = load_themes(write("broken.toml", content))
    assert "mine" in {theme.name for theme in themes}
    (failure,) = failures
    assert failure.path.endswith("broken.toml")
    assert word in failure.reason
    assert "\x1b" not in failure.reason and "\n" not in failure.reason


def test_no_folder_is_no_failure(tmp_path: Path) -> None:
    assert load_themes(tmp_path / "missing") == load_themes()


def test_a_link_to_a_device_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    assert len(load_themes(tmp_path)[1]) == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_theme_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(parse_theme(raw, "any.toml"), Theme)
    except InputRefused as error:
        assert str(error).startswith("any.toml")


class Shown(App[None]):
    """An app with every theme registered."""

    CSS = "Label { color: $text-muted; background: $panel; text-style: $link-style; }"

    def compose(self) -> ComposeResult:
        yield Label("text")


async def test_every_theme_can_be_put_on() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        for theme in load_themes()[0]:
            app.register_theme(theme)
            app.theme = theme.name
            await pilot.pause()
            assert app.current_theme is theme
