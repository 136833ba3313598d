"""What is painted is what Textual would paint, with fewer lines and lighter ones."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.widget import Widget

from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.help import HelpScreen
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.terminal.app import PENDING_SECONDS
from firstlight_tui.terminal.compositor import SeenCompositor
from firstlight_tui.terminal.idle import LONGEST_SECONDS, REST_SECONDS, IdleTasks, Repaint
from firstlight_tui.terminal.key_queue import Queue
from firstlight_tui.terminal.light_strips import CACHE_SIZES
from firstlight_tui.terminal.writes import Writes
from firstlight_tui.widgets.screens import BaseScreen
from firstlight_tui.widgets.words import Words
from tests.support.pilot import Build, settle, until
from tests.support.wizard_documents import FULL


def lines_of(compositor: Compositor, *, plain: bool) -> list[list[Segment]]:
    """Every line of the terminal, as our compositor composes it or as Textual's own does."""
    compose = Compositor._render_chops if plain else SeenCompositor._render_chops
    chops = compose(compositor, compositor.size.region, lambda y: True)  # type: ignore[arg-type]
    return [list(Strip.join(line.values())) for line in chops]


@pytest.mark.slow
@pytest.mark.parametrize("step", list_screens(), ids=lambda step: step.STEP_ID)
async def test_the_picture_is_that_of_textual(wizard: Build, step: type[StepScreen]) -> None:
    app = wizard(session=FULL, first=step)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for over in (None, DetailScreen("Over it", "Some words\n" * 40)):
            if over is not None:
                app.push_screen(over)
                await settle(pilot)
            compositor = app.screen._compositor
            assert isinstance(compositor, SeenCompositor)
            assert lines_of(compositor, plain=False) == lines_of(compositor, plain=True)


@pytest.mark.slow
async def test_a_dialog_shows_the_step_below_as_textual_does(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        step = app.screen
        app.push_screen(ConfirmScreen("Really?", yes="Yes", no="No"))
        await settle(pilot)
        pictures = []
        for render in (type(app.screen).render_lines, Widget.render_lines):
            monkeypatch.setattr(ConfirmScreen, "render_lines", render)
            app.screen.refresh()
            visible_screen_stack.set([step])
            strips = app.screen._compositor.render_strips()
            pictures.append(
                [[(s, style) for text, style, _ in strip for s in text] for strip in strips]
            )
        assert pictures[0] == pictures[1]
        assert step.STEP_TITLE in strips[1].text


async def test_a_piece_of_text_shares_its_style_unless_it_is_a_link(wizard: Build) -> None:
    wizard()
    bold, link = VisualStyle(bold=True), VisualStyle(link="https://example.org")
    assert bold.rich_style_with_offset(3, 1) is bold.rich_style_with_offset(3, 1)
    assert bold.rich_style_with_offset(3, 1).meta == {"offset": (3, 1)}
    assert bold.rich_style_with_offset(3, 1) != bold.rich_style_with_offset(3, 2)
    assert link.rich_style_with_offset(0, 0) is not link.rich_style_with_offset(0, 0)


async def test_covered_lines_are_not_asked_for(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops: list[Region] = []
    original = Widget.render_lines

    def counted(widget: Widget, crop: Region) -> list[Strip]:
        crops.append(crop)
        return original(widget, crop)

    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        monkeypatch.setattr(Widget, "render_lines", counted)
        compositor = app.screen._compositor
        lines = []
        for plain in (True, False):
            crops.clear()
            lines_of(compositor, plain=plain)
            lines.append(sum(crop.height for crop in crops))
        assert lines[1] < 0.75 * lines[0]
        # Of a change in one line, one line of what lies there.
        crops.clear()
        compositor._render_chops(Region(0, 12, 120, 1), {12}.__contains__)
        assert crops and all(crop.height == 1 for crop in crops)


def test_a_strip_makes_a_cache_when_it_needs_one_and_keeps_it(wizard: Build) -> None:
    wizard()
    strip = Strip([Segment("some", Style(bold=True)), Segment(" words")])
    slots = [getattr(Strip, name) for name in CACHE_SIZES]

    def made() -> Iterator[str]:
        for name, slot in zip(CACHE_SIZES, slots, strict=True):
            try:
                slot.__get__(strip)
            except AttributeError:
                continue
            yield name

    assert list(made()) == []
    assert strip.crop(1, 6) is strip.crop(1, 6) and strip.crop(1, 6).text == "ome w"
    assert strip.divide([4, 10]) is strip.divide([4, 10])
    assert list(made()) == ["_divide_cache", "_crop_cache"]
    with pytest.raises(AttributeError):
        strip.other  # type: ignore[attr-defined]  # noqa: B018


def test_a_key_holds_the_collector_back_until_its_redraw() -> None:
    now = 0.0
    idle = IdleTasks(clock=lambda: now, chores=iter(()))
    try:
        idle.touch()
        assert not gc.isenabled()
        idle.touch()
        idle.painted(1)
        assert not gc.isenabled(), "the second key is not painted yet"
        idle.painted(2)
        assert gc.isenabled()
        idle.touch()
        idle.look()
        assert not gc.isenabled()
        now += LONGEST_SECONDS
        idle.look()
        assert gc.isenabled(), "a key that paints nothing"
    finally:
        gc.enable()


async def test_the_collector_works_again_once_a_key_is_painted(wizard: Build) -> None:
    now = 0.0
    idle = IdleTasks(clock=lambda: now, chores=iter(()))
    now = REST_SECONDS
    try:
        async with wizard(idle=idle).run_test(size=(120, 40)) as pilot:
            await settle(pilot)
            await pilot.press("f1")
            await until(pilot, gc.isenabled)
            assert idle.keys and idle.rested == 0.0
    finally:
        gc.enable()


def test_what_comes_of_itself_is_painted_seldom_while_keys_are_pressed() -> None:
    repaint = Repaint(3)
    assert [repaint.due(REST_SECONDS) for _ in range(3)] == [True] * 3
    assert [repaint.due(0.0) for _ in range(6)] == [False, False, True, False, False, True]


async def test_a_key_on_its_way_is_painted_with_what_waits(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[str] = []
    original = SeenCompositor.render_partial_update
    monkeypatch.setattr(
        SeenCompositor,
        "render_partial_update",
        lambda compositor: painted.append("part") or original(compositor),
    )
    now = 0.0
    idle = IdleTasks(clock=lambda: now, chores=iter(()))
    now = REST_SECONDS
    app = wizard(idle=idle)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        monkeypatch.setattr(Queue, "under_way", True)
        idle.touch()
        app.screen.query_one("#verdict", Words).update("Other words")
        painted.clear()
        await pilot.pause()
        app.screen._on_timer_update()
        assert app.key_pending and not painted
        now += 2 * PENDING_SECONDS
        app.screen._on_timer_update()
        assert not app.key_pending and painted == ["part"]
    gc.enable()


async def test_the_end_of_a_screen_holds_no_key_up(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        left = app.screen
        go_on = asyncio.Event()
        original = BaseScreen.remove

        async def late(screen: BaseScreen[None]) -> None:
            await go_on.wait()
            await original(screen)

        monkeypatch.setattr(BaseScreen, "remove", late)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.screen is not left)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert left.is_attached
        go_on.set()
        await until(pilot, lambda: not left.is_attached)


@pytest.mark.skipif(sys.platform == "win32", reason="of the driver for Linux and macOS")
async def test_the_end_of_a_writing_is_known(tmp_path: Path) -> None:
    from textual.drivers._writer_thread import WriterThread

    from firstlight_tui.terminal.driver import Vanishing

    with (tmp_path / "terminal").open("w") as terminal:
        thread = WriterThread(Vanishing(terminal))  # type: ignore[arg-type]
        writes = Writes(thread.write)
        thread.write("some words")
        never = asyncio.create_task(writes.done())
        await asyncio.sleep(0)
        writes.close()
        await never
        thread.start()
        await writes.done()
        assert (tmp_path / "terminal").read_text() == "some words"
        thread.stop()
