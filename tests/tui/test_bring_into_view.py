"""What is sought is scrolled to, however late it gets its place; an error may come before its panel was laid out."""

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from firstlight_tui.widgets.screens import BaseScreen


class LongScreen(BaseScreen[None]):
    """A page longer than the terminal, with a part at its end that is hidden at first."""

    CSS = "#filler { height: 60; } #late { height: 3; display: none; }"

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="page"):
            yield Static(id="filler")
            yield Static("late", id="late")


async def test_a_part_that_is_shown_later_is_scrolled_to_after_its_layout() -> None:
    app: App[None] = App()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = LongScreen()
        await app.push_screen(screen)
        await pilot.pause()
        late, page = screen.query_one("#late"), screen.query_one("#page")
        screen.bring_into_view(late)
        await pilot.pause()
        assert page.scroll_y == 0
        late.display = True
        await pilot.pause()
        await pilot.pause()
        assert page.scroll_y == page.max_scroll_y > 0


async def test_a_part_that_has_its_place_is_scrolled_to_at_once() -> None:
    app: App[None] = App()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = LongScreen()
        await app.push_screen(screen)
        late, page = screen.query_one("#late"), screen.query_one("#page")
        late.display = True
        await pilot.pause()
        await pilot.pause()
        screen.bring_into_view(late)
        await pilot.pause()
        assert page.scroll_y == page.max_scroll_y > 0
        page.scroll_to(y=0, animate=False, immediate=True)
        await pilot.pause()
        assert page.scroll_y == 0, "it is scrolled to once, not held there"
