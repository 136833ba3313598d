"""Help knows what has the focus and what is on the screen; the glossary is searched while one types."""

import pytest
from textual.widgets import DataTable

from firstlight_tui.modals.glossary import GlossaryScreen
from firstlight_tui.modals.help import HelpScreen
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.widgets import Words
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
