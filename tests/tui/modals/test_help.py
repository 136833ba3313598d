"""Help knows what has the focus and what is on the screen; the glossary is searched while one types."""

import subprocess
import sys

import pytest
from textual.widget import Widget
from textual.widgets import Button, DataTable, Input, OptionList, TextArea

from firstlight_tui.modals.glossary import GlossaryScreen
from firstlight_tui.modals.help import HelpScreen, focus_kind
from firstlight_tui.state.help_page import FOCUS_KEYS, Focus
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.check_box import CheckBox
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL


def words_of(screen: object) -> str:
    assert isinstance(screen, HelpScreen | GlossaryScreen)
    return "\n".join(str(words.content) for words in screen.query(Words))


@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.slow)])
async def test_help_begins_with_the_keys_of_the_focus(wizard: Build, size: tuple[int, int]) -> None:
    app = wizard(session=FULL, first=PrecisionStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("f1")
        text = words_of(app.screen)
        assert text.startswith("The button Next: Convert\nEnter")
        assert "F1, ?" in text and "Ctrl+N" in text and "pagedown" not in text
        await pilot.press("escape")
        app.screen.query_one(DataTable).focus()
        await pilot.pause()
        await pilot.press("question_mark")
        text = words_of(app.screen)
        assert text.startswith("This table\n")
        terms = text[text.index("Terms on this screen") : text.index("The course: Module 5")]
        assert "INT4: Weights" in terms and "claim: A figure" in terms and "vLLM:" not in terms
        await pilot.press("g", *"top-1")
        assert isinstance(app.screen, GlossaryScreen)
        await settle(pilot)
        assert "same next token most probable" in words_of(app.screen)
        await pilot.press(*"zzz")
        await settle(pilot)
        assert "no term" in words_of(app.screen)
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, PrecisionStep)


@pytest.mark.parametrize(
    ("widget", "kind"),
    [
        (CheckBox, "box"),
        (Button, "button"),
        (Input, "field"),
        (TextArea, "text"),
        (DataTable, "table"),
        (OptionList, "list"),
        (Widget, ""),
    ],
)
def test_the_focus_is_known_by_its_kind(widget: type[Widget], kind: Focus) -> None:
    own = type("Own", (widget,), {})
    assert focus_kind(own.__new__(own)) == kind
    assert kind in ("", *FOCUS_KEYS)


@pytest.mark.slow
def test_the_first_help_loads_no_widget_that_the_screen_lacks() -> None:
    """It comes while the first screen is still being painted, and whoever presses F1 then waits for it."""
    program = """if True:
        import sys
        import firstlight_tui.app, firstlight_tui.steps.chat.screen
        before = set(sys.modules)
        import firstlight_tui.modals.help
        print(*sorted(set(sys.modules) - before))
    """
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert loaded == [
        "firstlight_tui.modals.help",
        "firstlight_tui.state.help_page",
        "firstlight_tui.widgets.screen_text",
    ]
