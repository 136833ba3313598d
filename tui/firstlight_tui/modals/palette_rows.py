"""The rows of the command palette of a wizard."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial

from textual.app import App
from textual.binding import ActiveBinding
from textual.screen import Screen

from firstlight_core.documents.glossary import Term
from firstlight_core.errors import FirstlightError
from firstlight_core.settings_table import SettingRow
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.glossary import GlossaryScreen
from firstlight_tui.modals.keys import KeysScreen
from firstlight_tui.modals.palette import Palette
from firstlight_tui.modals.settings import SettingsScreen
from firstlight_tui.state.palette import (
    Act,
    PaletteRow,
    act_rows,
    model_rows,
    run_rows,
    setting_rows,
    step_rows,
    term_rows,
    theme_rows,
)
from firstlight_tui.state.runs_list import RunsList
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal.preferences import Preferences
from firstlight_tui.terminal.workers import begin

_MOST_RUNS = 20
_MOVES = {"up", "down", "left", "right", "tab", "enter"}


def open_palette(
    app: App[int],
    workspace: Workspace,
    preferences: Preferences,
    themes: Sequence[str],
    *,
    show_runs: Callable[[str], None],
) -> None:
    """Show everything that can be done now; `show_runs` shows the list of runs with one of them highlighted."""
    rows = _Rows(app, workspace, preferences, themes, show_runs)
    palette = Palette(
        rows.all(),
        placeholder="Find an act, a step, a model, a theme …",
        preview=preferences.preview,
        late=rows.late,
    )
    app.push_screen(palette)


def open_themes(
    app: App[int], workspace: Workspace, preferences: Preferences, themes: Sequence[str]
) -> None:
    """Show the themes, each painted while it is highlighted."""
    rows = _Rows(app, workspace, preferences, themes)
    palette = Palette(rows.themes(), placeholder="Find a theme …", preview=preferences.preview)
    app.push_screen(palette)


class _Rows:
    """The rows, from the screen that the palette was opened on."""

    def __init__(
        self,
        app: App[int],
        workspace: Workspace,
        preferences: Preferences,
        themes: Sequence[str],
        show_runs: Callable[[str], None] = lambda id: None,
    ) -> None:
        self._app, self._workspace = app, workspace
        self._show_runs = show_runs
        self._preferences, self._themes = preferences, themes

    def all(self) -> list[PaletteRow]:
        workspace = self._workspace
        return [
            *act_rows(_acts(self._app, self._app.screen)),
            *step_rows(workspace.navigation, workspace.session, self._refuse),
            *self.themes(),
            *setting_rows(self._show_setting),
            PaletteRow(
                group="setting",
                title="Set keys",
                help="Every act with its key",
                run=self._show_keys,
            ),
            PaletteRow(group="term", title="Glossary", help="Every term", run=self._show_glossary),
            *term_rows(self._show_term),
        ]

    def themes(self) -> list[PaletteRow]:
        return list(theme_rows(self._themes, self._preferences.theme, self._choose_theme))

    async def late(self) -> list[PaletteRow]:
        workspace = self._workspace
        models = await asyncio.to_thread(workspace.services.find_models)
        runs = RunsList(workspace)
        await runs.read()
        return [
            *model_rows(models, workspace.name_model),
            *run_rows(runs.runs[:_MOST_RUNS], self._show_runs),
        ]

    def _refuse(self, why: str) -> None:
        self._app.notify(why, severity="warning", markup=False)

    def _show_keys(self) -> None:
        self._app.push_screen(KeysScreen(self._preferences))

    def _show_glossary(self) -> None:
        self._app.push_screen(GlossaryScreen())

    def _show_term(self, term: Term) -> None:
        self._app.push_screen(DetailScreen(term["term"], term["text"]))

    def _choose_theme(self, theme: str) -> None:
        begin(self._app, partial(self._write_theme, theme), group="settings")

    async def _write_theme(self, theme: str) -> None:
        try:
            await self._preferences.change({"theme": theme})
        except FirstlightError as error:
            self._app.notify(error.with_hint, severity="warning", markup=False)

    def _show_setting(self, row: SettingRow) -> None:
        screen = SettingsScreen(
            self._preferences, self._workspace.paths, self._themes, first=row.name
        )
        self._app.push_screen(screen)


def _acts(app: App[int], screen: Screen[object]) -> Iterator[Act]:
    """Yield the key bindings of ours that work on a screen now, its own first."""
    for active in screen.active_bindings.values():
        binding = active.binding
        moves = binding.key in _MOVES or (binding.id or "").startswith("move.")
        if active.enabled and binding.id and not moves:
            yield Act(
                action=binding.action,
                key=binding.key,
                words=binding.description,
                help=active.tooltip or binding.tooltip,
                run=_runner(app, active),
            )


def _runner(app: App[int], active: ActiveBinding) -> Callable[[], Coroutine[None, None, bool]]:
    async def run() -> bool:
        return await app.run_action(active.binding.action, active.node)

    return run
