"""The check box: its state is text."""

from textual.app import App, ComposeResult

from firstlight_tui.widgets.check_box import CheckBox


class Box(App[None]):
    """One check box."""

    def compose(self) -> ComposeResult:
        yield CheckBox("Keep running after I quit", id="box")


async def test_space_and_the_mouse_toggle_a_box_whose_state_is_text() -> None:
    app = Box()
    async with app.run_test(size=(60, 5)) as pilot:
        box = app.query_one(CheckBox)
        assert box.size.height == 1 and box.size.width == len("[ ] Keep running after I quit")
        assert box.render().plain == "[ ] Keep running after I quit"
        box.focus()
        await pilot.press("space")
        assert box.render().plain.startswith("[x]") and box.value
        await pilot.click(box)
        assert box.render().plain.startswith("[ ]")
