"""Environment and Model from start to end by keys alone and by mouse alone, at both sizes, in every theme."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from firstlight_core.paths import find_paths
from firstlight_themes import load_themes
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.steps.precision.screen import PrecisionStep
from tests.support.pilot import SIZES, settle
from tests.support.wizard_services import Called, fake_services
from tests.tui.environment.test_environment import TITLES, Machine

THEMES = [theme.name for theme in load_themes(None)[0]]
Way = Callable[[Pilot[Any], Machine], Any]


def seen(pilot: Pilot[Any], selector: str) -> None:
    """The widget is whole on the screen, and its text differs from what is behind it."""
    widget = pilot.app.screen.query_one(selector)
    size = pilot.app.size
    assert widget.region.height >= 1 and widget.region.right <= size.width, selector
    assert 0 < widget.region.bottom <= size.height, selector
    assert widget.styles.color != widget.background_colors[1], selector


async def by_keys(pilot: Pilot[Any], machine: Machine) -> None:
    app = pilot.app
    await pilot.press("shift+tab")
    while app.focused is not app.screen.query_one("#checks"):
        await pilot.press("shift+tab")
    await pilot.press("c")
    assert app.clipboard == "pip install torch"
    await pilot.press("e")
    await settle(pilot)
    assert machine.requests[-1] == ["torch"]
    await pilot.press("r")
    await settle(pilot)
    await pilot.press("ctrl+n")
    await settle(pilot)
    assert type(app.screen) is ModelStep
    seen(pilot, "#models")
    await pilot.press("slash", "backspace", *"sam", "enter")
    await settle(pilot)
    seen(pilot, "#facts")
    seen(pilot, "#primary")
    await pilot.press("enter")
    await settle(pilot)


async def by_mouse(pilot: Pilot[Any], machine: Machine) -> None:
    app = pilot.app
    await pilot.click("#checks", offset=(5, 1))
    await settle(pilot)
    await pilot.click("#copy-fix")
    assert app.clipboard == "pip install torch"
    await pilot.click("#one")
    await settle(pilot)
    assert machine.requests[-1] == ["torch"]
    await pilot.click("#recheck")
    await settle(pilot)
    assert machine.requests[-1] is None
    seen(pilot, "#primary")
    await pilot.click("#primary")
    await settle(pilot)
    assert type(app.screen) is ModelStep
    await pilot.click("#filter")
    await pilot.click("#models", offset=(3, 1))
    await settle(pilot)
    seen(pilot, "#facts-card")
    seen(pilot, "#primary")
    await pilot.click("#primary")
    await settle(pilot)


# One theme in every run; the others repeat the same walk and only their colours differ.
SHOWN = [THEMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in THEMES[1:])]


@pytest.mark.slow
@pytest.mark.parametrize("theme", SHOWN)
@pytest.mark.parametrize("way", [by_keys, by_mouse], ids=lambda way: way.__name__)
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_both_steps_are_complete(
    wizard: Callable[..., WizardApp], called: Called, size: tuple[int, int], way: Way, theme: str
) -> None:
    machine = Machine()
    services = fake_services(called, run_checks=machine, list_checks=lambda: TITLES)
    app = wizard(services=services)
    app.theme = theme
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await way(pilot, machine)
        assert type(app.screen) is PrecisionStep
        assert app.workspace.session.source == str(find_paths().sample)


def test_all_themes_are_walked() -> None:
    assert len(THEMES) >= 5
