"""Styles of a path are searched for once, and are those that Textual's own search finds."""

from typing import Any

import pytest
from textual.app import App
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, DataTable

from firstlight_tui.modals.help import HelpScreen
from firstlight_tui.terminal.known_styles import KnownStyles
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL


def wrong_rules(app: App[int], screen: Screen[Any]) -> list[str]:
    """The rules of a screen's parts that differ from those that a search without a memory finds."""
    wrong = []
    parts = list(screen.walk_children(Widget, with_self=True))
    styles = [style for part in parts for style in part._component_styles.values()]
    nodes: list[DOMNode] = [*parts, *(style.node for style in styles if style.node is not None)]
    for node in nodes:
        before = dict(node.styles.base.get_rules())
        hover = node._has_hover_style
        Stylesheet.apply(app.stylesheet, node)
        if before != dict(node.styles.base.get_rules()) or hover != node._has_hover_style:
            wrong.append(str(node))
    return wrong


@pytest.mark.slow
async def test_a_step_that_comes_again_is_not_searched_for(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert isinstance(app.stylesheet, KnownStyles)
        searches = []
        for position in (1, 2, 1, 2, 1, 2):
            before = app.stylesheet.searches
            assert not app.workspace.navigation.jump(position, app.workspace.session)
            await settle(pilot)
            searches.append(app.stylesheet.searches - before)
        assert searches[0] > 5 and searches[1] > 5
        assert searches[-2:] == [0, 0]


@pytest.mark.slow
async def test_remembered_rules_are_those_of_a_search(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for position in [*range(1, len(app.steps)), 0, *range(1, len(app.steps))]:
            assert not app.workspace.navigation.jump(position, app.workspace.session)
            await settle(pilot)
            await pilot.press("tab")
            await settle(pilot)
            assert not wrong_rules(app, app.screen), app.screen
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(app.screen, HelpScreen) and not wrong_rules(app, app.screen)


@pytest.mark.slow
async def test_focus_disabling_classes_and_another_theme_change_what_is_remembered(
    wizard: Build,
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        button, table = app.screen.query_one("#recheck", Button), app.screen.query_one(DataTable)
        looks = []

        async def look() -> None:
            await settle(pilot)
            cursor = table.get_component_styles("datatable--cursor").background
            looks.append((button.styles.background, button.styles.color, cursor))
            assert not wrong_rules(app, app.screen)

        button.focus()
        await look()
        table.focus()
        await look()
        button.disabled = True
        await look()
        button.disabled = False
        await look()
        button.variant = "warning"
        await look()
        app.theme = "paper"
        await look()
        assert looks[0] != looks[1] != looks[2] and looks[1] == looks[3]
        assert looks[3] != looks[4] != looks[5]
