"""What a key costs: a screen that comes is laid out and painted once, and one that goes leaves nothing behind."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest
from textual._compositor import Compositor
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.visual import Visual
from textual.widgets import Button

from firstlight_core.errors import InputRefused
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.help import HelpScreen
from firstlight_tui.state.signal import Signal
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.terminal.known_styles import KnownStyles
from firstlight_tui.widgets import ProblemPanel, Words
from firstlight_tui.widgets.fitted_table import Column, FittedTable
from firstlight_tui.widgets.lazy_lines import LazyLines
from firstlight_tui.widgets.screens import BaseScreen
from firstlight_tui.widgets.words import cell
from tests.support.pilot import Build, panel, settle
from tests.support.wizard_documents import FULL


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the layouts, and the paintings of a whole screen; Textual is watched, not replaced."""
    counts: Counter[str] = Counter()

    def count(owner: type, method: str, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, method)

        def counted(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            if name == "whole paintings" and counts[name] == 1:
                counts["layouts before"] = counts["layouts"]
            return original(*arguments, **options)

        monkeypatch.setattr(owner, method, counted)

    count(Screen, "_refresh_layout", "layouts")
    count(Compositor, "render_full_update", "whole paintings")
    count(KnownStyles, "apply", "styled")
    return counts


LAYOUTS = 3
"""One as the screen comes, one where scrollbars come with it, one that its parts or Textual ask for."""


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_walking_paints_each_step_once(
    wizard: Build, drawn: Counter[str], size: tuple[int, int]
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for position in [*range(1, len(app.steps)), 0]:
            drawn.clear()
            assert not app.workspace.navigation.jump(position, app.workspace.session)
            await settle(pilot)
            assert drawn["whole paintings"] == 1, type(app.screen)
            assert drawn["layouts before"] <= LAYOUTS, type(app.screen)


async def test_help_is_painted_once_and_so_is_the_step_that_comes_back(
    wizard: Build, drawn: Counter[str]
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        drawn.clear()
        await pilot.press("f1")
        await settle(pilot)
        assert drawn["whole paintings"] == 1 and drawn["layouts before"] <= LAYOUTS
        drawn.clear()
        await pilot.press("escape")
        await settle(pilot)
        assert (drawn["whole paintings"], drawn["layouts"]) == (1, 0)


async def test_a_screen_that_comes_while_paintings_are_held_is_painted_after(
    wizard: Build, drawn: Counter[str]
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        # As Markdown does at the end of an answer.
        with app.batch_update():
            await pilot.press("f1")
            await settle(pilot)
            drawn.clear()
        # A pause of the pilot would wake every screen.
        async with asyncio.timeout(60):
            while not drawn["whole paintings"]:
                await asyncio.sleep(0)
        assert isinstance(app.screen, HelpScreen)


async def test_a_moving_focus_paints_two_widgets_not_the_screen(
    wizard: Build, drawn: Counter[str]
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        before = app.screen.focused
        drawn.clear()
        await pilot.press("tab")
        await settle(pilot)
        assert app.screen.focused is not before
        assert drawn["whole paintings"] == drawn["layouts"] == 0


@pytest.mark.slow
async def test_a_widget_without_a_place_is_not_styled(wizard: Build, drawn: Counter[str]) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        drawn.clear()
        button = Button("Late", variant="warning", compact=True)
        assert drawn["styled"] == 0
        await app.screen.query_one("#actions").mount(button)
        assert drawn["styled"] == 1
        assert button.styles.color == app.screen.query_one("#install").styles.color


@pytest.mark.slow
async def test_a_step_that_was_left_is_gone_with_its_drawings(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        left, drawings = [], []
        for position in [*range(1, len(app.steps)), 0, 1]:
            left.append(ref(app.screen))
            drawings = [ref(part._styles_cache) for part in app.screen.walk_children(Words)]
            assert not app.workspace.navigation.jump(position, app.workspace.session)
            await settle(pilot)
        gc.collect()
        # The one before is let go when the next one subscribes to the news.
        assert not [step for screen in left[:-1] if (step := screen()) is not None]
        assert not any(cache._cache for drawing in drawings if (cache := drawing()) is not None)


@pytest.mark.slow
async def test_another_width_of_a_table_moves_nothing_another_height_does(
    wizard: Build, drawn: Counter[str]
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        table = FittedTable((Column(key="a", label="A"), Column(key="b", width=5)), id="late")
        await app.screen.query_one("#content").mount(table)
        table.show_rows([("1", {"a": cell("one")})])
        await settle(pilot)
        drawn.clear()
        table.label({"a": "Another"})
        table.styles.width = 40
        await settle(pilot)
        assert (drawn["layouts"], table.size.width) == (1, 40)
        drawn.clear()
        table.show_rows([("1", {"a": cell("one")}), ("2", {"a": cell("two")})])
        await settle(pilot)
        assert drawn["layouts"] >= 1 and table.size.height >= 3


@pytest.mark.slow
async def test_another_text_moves_the_others_only_when_it_takes_more_lines(
    wizard: Build, drawn: Counter[str]
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        verdict = app.screen.query_one("#verdict", Words)
        verdict.update("One line")
        await settle(pilot)
        drawn.clear()
        verdict.update("Another line")
        await settle(pilot)
        assert (drawn["layouts"], verdict.size.height) == (0, 1)
        verdict.update("Now\nthree\nlines")
        await settle(pilot)
        assert (drawn["layouts"], verdict.size.height) == (1, 3)


@pytest.mark.slow
async def test_the_buttons_of_a_problem_are_made_for_the_first_one(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        problem = app.screen.query_one(ProblemPanel)
        assert not problem.query(Button) and not problem.display
        assert isinstance(app.screen, StepScreen)
        for detail in ("", "in detail"):
            app.screen.show_problem(InputRefused("It is wrong.", hint="Mend it.", detail=detail))
            await settle(pilot)
            assert problem.display and panel(app).startswith("✗ It is wrong.\nMend it.")
            assert problem.query_one("#problem-more").display == bool(detail)
            assert problem.region.overlaps(app.screen.query_one("#content").region)


@pytest.mark.slow
def test_news_that_never_comes_holds_nobody() -> None:
    class Step:
        is_running = is_attached = True

        def call_next(self, callback: Callable[..., Any], *args: Any) -> None:
            callback(*args)

    signal: Signal[int] = Signal()
    heard: list[int] = []
    step = Step()
    signal.subscribe(step, lambda news, step=step: heard.append(news))  # type: ignore[misc]
    signal.publish(1)
    gone = ref(step)
    step.is_running = False
    del step
    signal.subscribe(other := Step(), heard.append)
    gc.collect()
    assert gone() is None
    signal.publish(2)
    assert heard == [1, 2] and other.is_running


async def test_of_a_long_text_only_the_lines_in_sight_are_styled(wizard: Build) -> None:
    text = Content("\n").join([Content.assemble((f"{n}", "bold"), " words") for n in range(900)])
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.push_screen(DetailScreen("Long", text))
        await settle(pilot)
        words = app.screen.query_one(Words)
        assert words.size.height == 900 and 20 < words.styled_lines < 45
        app.screen.query_one(VerticalScroll).scroll_end(animate=False)
        await settle(pilot)
        assert words.styled_lines < 90
        lines = [strip.text for strip in app.screen._compositor.render_strips()]
        assert any("899 words" in line for line in lines)


@pytest.mark.parametrize("width", [7, 20, 80])
async def test_lazy_lines_are_those_of_textual(wizard: Build, width: int) -> None:
    text = Content.assemble(
        ("What a key costs, and 漢字 in it\n\n", "bold"),
        "a line of several words  with spaces at its end   \n",
        ("averylongwordthatmustbecutsomewhereinthemiddle and more", "italic $text-accent"),
        "\n",
    )
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        words = app.screen.query_one("#verdict", Words)
        lazy = LazyLines(text, width)
        expected = Visual.to_strips(words, text, width, None, words.visual_style)
        assert lazy.height == len(expected)
        assert [lazy.line(y, words) for y in range(lazy.height)] == expected


@pytest.mark.slow
async def test_a_screen_goes_after_the_next_one_is_painted(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def note(owner: type, method: str, what: str) -> None:
        original: Callable[..., Any] = getattr(owner, method)

        def noted(*arguments: Any, **options: Any) -> Any:
            done.append(what)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, method, noted)

    note(Compositor, "render_full_update", "painted")
    note(BaseScreen, "remove", "gone")
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for key in ("ctrl+n", "ctrl+o"):
            done.clear()
            await pilot.press(key)
            await settle(pilot)
            assert done == ["painted", "gone"]
        await pilot.press("f1")
        await settle(pilot)
        done.clear()
        await pilot.press("q")
        await settle(pilot)
        assert done == ["painted", "gone"]


async def test_a_layout_before_a_painting_of_everything_paints_nothing(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[Screen[Any]] = []
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        step = app.screen
        assert isinstance(step, BaseScreen)
        original = type(app)._display

        def display(self: Any, screen: Screen[Any], renderable: Any) -> None:
            painted.append(screen)
            original(self, screen, renderable)

        monkeypatch.setattr(type(app), "_display", display)
        for everything in (True, False):
            painted.clear()
            step.query_one("#purpose", Words).styles.height = 3 if everything else 2
            step._layout_required, step._repaint_required = True, everything
            step._update()
            assert painted == [step]
