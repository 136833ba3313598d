"""Apply the settings to the wizard: theme, keys, monitor; a choice is written at once."""

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from textual.binding import Binding
from textual.dom import DOMNode
from textual.theme import Theme

from firstlight_core.errors import FirstlightError
from firstlight_core.paths import Paths
from firstlight_core.settings import (
    KEYS,
    change_keys,
    change_settings,
    load_settings,
)
from firstlight_core.settings_table import SettingName
from firstlight_core.text import one_line
from firstlight_tui.state.machine_view import Mode
from firstlight_tui.terminal.app import TerminalApp
from firstlight_tui.terminal.workers import begin

MONITOR_MODES: dict[str, Mode] = {"auto": "panel", "strip": "strip", "off": "off"}
"""The form of the monitor that each setting begins with."""
_WRITE_AFTER = 0.5
"""Seconds after which a theme counts as chosen: a user who looks through the themes keeps the last one."""


class Preferences:
    """Applies the settings to a wizard, and writes what is chosen in it."""

    def __init__(self, app: TerminalApp, paths: Paths, *, theme: str) -> None:
        """`theme` is the one that counts when none is set."""
        self._app = app
        self._paths = paths
        self._default_theme = theme
        self.settings, mistakes = load_settings(paths)
        self.mistakes = [str(mistake) for mistake in mistakes]
        """A sentence for each setting that does not count."""
        self._monitor = ""
        """The setting that was applied last: F12 may have changed the form since."""
        self._previewed = False
        self._writing = asyncio.Lock()
        self._has_keymap = False
        self._wear()

    @property
    def theme(self) -> str:
        """The theme that was chosen."""
        return self.settings.values.get("theme", self._default_theme)

    def preview(self, theme: str | None) -> None:
        """Show a theme that is not chosen yet; None shows the chosen one again."""
        if theme is None and not self._previewed:
            return
        self._previewed = theme is not None
        self._app.theme = theme or self._chosen_theme

    def _wear(self) -> None:
        app, settings = self._app, self.settings
        self._previewed = False
        theme = settings.values.get("theme", self._default_theme)
        if theme not in app.available_themes:
            self.mistakes.append(f"settings.toml: `theme` names no theme {one_line(theme, 40)!r}.")
            theme = self._default_theme
        app.theme = self._chosen_theme = theme
        app.workspace.thresholds = settings.thresholds
        if settings.monitor != self._monitor:
            self._monitor = settings.monitor
            app.workspace.monitor.show(MONITOR_MODES[settings.monitor])
        self._wear_keys()

    def _wear_keys(self) -> None:
        keys = self.settings.keys
        if keys or self._has_keymap:
            self._has_keymap = True
            self._app.set_keymap(dict(keys))

    async def warn_of_unknown_keys(self) -> None:
        """Warn of keys in the settings that no screen has; every screen is imported for that, beside the UI loop."""
        for mistake in await asyncio.to_thread(self._find_unknown_keys):
            self._app.notify(mistake, severity="warning", markup=False)

    def _find_unknown_keys(self) -> list[str]:
        """Return a sentence for each key of the settings that no screen has; imports every screen."""
        load_screens()
        known = {binding.id for binding in list_keys()}
        return [
            f"settings.toml: `{KEYS}.{one_line(id, 40)}` is no key of the wizard."
            for id in self.settings.keys
            if id not in known
        ]

    async def change_keys(self, changes: Mapping[str, str | None]) -> None:
        """Write keys beside the UI loop and apply them: id → the keys that take its place; None takes one back.

        Raises:
            FirstlightError: the file cannot be written, or is no TOML.
        """
        async with self._writing:
            await asyncio.to_thread(change_keys, changes, self._paths)
            self.settings, _ = await asyncio.to_thread(load_settings, self._paths)
        self._wear_keys()

    async def change(self, changes: Mapping[SettingName, str | None]) -> None:
        """Write settings beside the UI loop, one change after another, then apply them; None takes one away.

        Raises:
            FirstlightError: the file cannot be written, or is no TOML.
        """
        async with self._writing:
            await asyncio.to_thread(change_settings, changes, self._paths)
            self.settings, _ = await asyncio.to_thread(load_settings, self._paths)
        self._wear()

    def watch_theme(self) -> None:
        """Write a theme that is chosen elsewhere than in the settings."""
        self._app.theme_changed_signal.subscribe(self._app, self._theme_chosen)

    def _theme_chosen(self, theme: Theme) -> None:
        keep = partial(self._keep_theme, theme.name)
        self._app.set_timer(_WRITE_AFTER, lambda: begin(self._app, keep, group="theme"))

    async def _keep_theme(self, name: str) -> None:
        values = self.settings.values
        if (
            self._previewed
            or self._app.theme != name
            or name == values.get("theme", self._default_theme)
        ):
            return
        try:
            async with self._writing:
                await asyncio.to_thread(change_settings, {"theme": name}, self._paths)
        except FirstlightError as error:
            self._app.notify(error.with_hint, severity="warning", markup=False)
        self._chosen_theme = name
        self.settings = replace(self.settings, values={**self.settings.values, "theme": name})


def load_screens() -> None:
    """Import every screen and widget, also those that are imported when they are first opened."""
    package = __name__.split(".")[0]
    for room in ("widgets", "modals", "steps"):
        folder = importlib.import_module(f"{package}.{room}")
        for module in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
            importlib.import_module(module.name)


def list_keys() -> Iterator[Binding]:
    """Yield every key that can be changed of the screens that are loaded, in no order."""
    waiting = list(DOMNode.__subclasses__())
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("firstlight_tui."):
            for binding in vars(kind).get("BINDINGS", ()):
                if isinstance(binding, Binding) and binding.id:
                    yield binding
