"""The settings: one row each, written as soon as it is chosen."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from firstlight_core.errors import FirstlightError
from firstlight_core.paths import Paths
from firstlight_core.precision.table import find_precision
from firstlight_core.settings import KEYS
from firstlight_core.settings_table import SETTINGS, SettingName, SettingRow
from firstlight_core.text import one_line, shown_path
from firstlight_tui.modals.pick import ChooseScreen
from firstlight_tui.terminal.preferences import Preferences
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.path_input import PathInput, plain_path
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, part

WORDS = 32
"""Letters of a value that stand in its row."""
_DEFAULT = "\0default"
_KEYS_HELP = "Every act with its key; press another one, or take the keys of vim."


class SettingsScreen(Dialog[None]):
    """Enter changes the highlighted setting."""

    CSS = """
    SettingsScreen OptionList { border: none; background: transparent; height: auto; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="settings.close", tooltip="Back to the step"),
        Binding(
            "delete,backspace",
            "reset",
            "Default",
            id="settings.reset",
            tooltip="Back to the default",
        ),
    ]

    def __init__(
        self,
        preferences: Preferences,
        paths: Paths,
        themes: Sequence[str],
        *,
        first: SettingName = SETTINGS[0].name,
    ) -> None:
        """`first` is the setting that is highlighted."""
        super().__init__()
        self._first = first
        self._preferences, self._paths, self._themes = preferences, paths, themes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Settings")
            box.border_subtitle = Content("Enter changes · Del default · Esc closes")
            yield OptionList(*self._options(), markup=False)
            yield Words(id="setting-help")

    def on_mount(self) -> None:
        names = [row.name for row in SETTINGS]
        self.query_one(OptionList).highlighted = names.index(self._first)
        self._show_help(self._first)

    def _options(self) -> list[Option]:
        settings = self._preferences.settings
        rows = []
        for row in SETTINGS:
            value = settings.values.get(row.name)
            won = row.name in settings.from_environment
            words = one_line(_label(row, value) if value else self._default(row), WORDS)
            note = "" if value else " (default)"
            note += f"  ({row.variable} wins)" if won else ""
            rows.append(Option(Content(f"{row.title:17}{words}{note}"), id=row.name))
        changed = len(settings.keys)
        keys = f"{changed} changed" if changed else "as shipped (default)"
        return [*rows, Option(Content(f"{'Keys':17}{keys}"), id=KEYS)]

    def _default(self, row: SettingRow) -> str:
        if row.default:
            return _label(row, row.default)
        defaults = {
            "theme": self._themes[0],
            "precision": _label(row, self._preferences.settings.precision),
            "models": "none",
            "output": shown_path(self._paths.data / "runs"),
            "monitor": row.choices[0] if row.choices else "",
        }
        return defaults[row.name]

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._show_help(str(event.option_id))

    def _show_help(self, id: str) -> None:
        row = next((row for row in SETTINGS if row.name == id), None)
        file = f"Kept in {shown_path(self._paths.settings)}"
        words = row.help if row is not None else _KEYS_HELP
        self.query_one("#setting-help", Words).update(
            Content.assemble("\n", words, "\n", part(file, "$foreground-muted"))
        )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        row = next((row for row in SETTINGS if row.name == event.option_id), None)
        if row is None:
            from firstlight_tui.modals.keys import KeysScreen

            self.app.push_screen(KeysScreen(self._preferences), lambda _: self._show_rows())
            return
        choices = self._themes if row.name == "theme" else row.choices
        if choices:
            rows = [(choice, _label(row, choice)) for choice in choices]
            default = (_DEFAULT, "The default")
            self.app.push_screen(
                ChooseScreen(row.title, [*rows, default]), lambda key: self._choose(row, key)
            )
        else:
            value = self._preferences.settings.values.get(row.name, "")
            self.app.push_screen(_ValueScreen(row, value), lambda text: self._choose(row, text))

    def action_reset(self) -> None:
        """Take the highlighted setting away."""
        rows = self.query_one(OptionList)
        if rows.highlighted is not None and rows.highlighted < len(SETTINGS):
            self._choose(SETTINGS[rows.highlighted], _DEFAULT)

    def _choose(self, row: SettingRow, value: str | None) -> None:
        if value is not None:
            begin(self.app, partial(self._write, row, value), group=f"setting-{row.name}")

    async def _write(self, row: SettingRow, value: str) -> None:
        try:
            await self._preferences.change({row.name: None if value in ("", _DEFAULT) else value})
        except FirstlightError as error:
            self.app.notify(error.with_hint, severity="error", markup=False)
            return
        if not self.is_attached:
            return
        self._show_rows()

    def _show_rows(self) -> None:
        rows = self.query_one(OptionList)
        at = rows.highlighted
        rows.clear_options()
        rows.add_options(self._options())
        rows.highlighted = at


def _label(row: SettingRow, value: str) -> str:
    if row.unit:
        return f"{value} {row.unit}"
    return find_precision(value).label if row.name == "precision" else value


class _ValueScreen(Dialog[str | None]):
    """Asks for a folder or a number; empty is the default."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="folder.cancel", tooltip="Change nothing"),
    ]

    def __init__(self, row: SettingRow, value: str) -> None:
        super().__init__()
        self._row, self._value = row, value

    def compose(self) -> ComposeResult:
        row = self._row
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"{row.title}, {row.unit}" if row.unit else row.title)
            box.border_subtitle = Content("Enter saves · empty is the default · Esc cancels")
            if row.is_number:
                yield Input(placeholder=row.default, id="value", compact=True)
            else:
                yield PathInput("~/models", id="value")
            yield Words(id="problem")

    def on_mount(self) -> None:
        self.query_one("#value", Input).value = self._value

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip() if self._row.is_number else plain_path(event.value)
        if text and (problem := self._row.problem(text)) is not None:
            what = self._row.title if self._row.is_number else "A folder"
            words = Content.styled(f"{what} {problem}.", "$text-error")
            self.query_one("#problem", Words).update(words)
        else:
            self.dismiss(text)
