"""Every key of the wizard: press another one, take one back, or take the keys of vim."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from firstlight_core.errors import FirstlightError
from firstlight_core.text import visible
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.state.key_names import key_name
from firstlight_tui.state.keymap import RESERVED, VIM, KeyRow, clashes, given, ordered, preset
from firstlight_tui.terminal.preferences import Preferences, list_keys, load_screens
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.screens import Dialog, Page
from firstlight_tui.widgets.words import Words, part

_FRAME_COLUMNS, _KEY_COLUMNS, _ID_COLUMNS, _WIDE = 8, 22, 24, 80


class KeysScreen(Page[None]):
    """A list of acts with their keys; Enter asks for another key."""

    CSS = """
    KeysScreen OptionList { border: none; background: transparent; height: 1fr; padding: 0; }
    KeysScreen OptionList > .option-list--option-disabled { color: $text-accent; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="keys.close", tooltip="Back to the settings"),
        Binding("delete,backspace", "reset", "Default", id="keys.reset", tooltip="Take it back"),
        Binding("r", "reset_all", "Reset all", id="keys.reset-all", tooltip="All as shipped"),
        Binding("v", "vim", "Vim", id="keys.vim", tooltip="Move with h j k l, too"),
    ]

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        load_screens()
        self._preferences = preferences
        self._rows = self._read()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Keys")
            box.border_subtitle = Content(
                "Enter new key · Del default · v vim · r reset all · Esc closes"
            )
            yield OptionList(*self._options(), markup=False)

    def _read(self) -> list[KeyRow]:
        changed = self._preferences.settings.keys
        return ordered(
            KeyRow(
                id=id,
                words=str(binding.tooltip or binding.description),
                default=binding.key,
                changed=changed.get(id),
            )
            for id, binding in {binding.id or "": binding for binding in list_keys()}.items()
            if binding.tooltip or binding.description
        )

    def _options(self) -> list[Option]:
        options: list[Option] = []
        room = ""
        columns = self.app.size.width - _FRAME_COLUMNS - _KEY_COLUMNS
        wide = columns >= _WIDE
        room_for_words = columns - _ID_COLUMNS if wide else columns
        for row in self._rows:
            if row.room_title != room:
                room = row.room_title
                options.append(Option(Content(f" {room}"), disabled=True))
            keys = part(f"   {row.names:<18} ", "bold $text-accent" if row.changed else "bold")
            words = Content(visible(row.words)).truncate(room_for_words, ellipsis=True, pad=True)
            id = part(f" {row.id}", "not bold") if wide else ""
            options.append(Option(Content.assemble(keys, words, id), id=row.id))
        return options

    @property
    def _highlighted(self) -> KeyRow | None:
        rows = self.query_one(OptionList)
        option = rows.highlighted_option
        return next((row for row in self._rows if option and row.id == option.id), None)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        row = next(row for row in self._rows if row.id == event.option_id)
        self.app.push_screen(PressScreen(row.words), lambda key: self._pressed(row, key))

    def _pressed(self, row: KeyRow, key: str | None) -> None:
        if key is None:
            return
        if key in RESERVED:
            self.notify(f"{RESERVED[key]}; choose another key.", severity="warning", markup=False)
            return
        changes = given(self._rows, row, key)
        if not (others := clashes(self._rows, row, key)):
            self._change(changes)
            return
        names = " and ".join(f"“{other.words}”" for other in others)
        question = f"{key_name(key)} is the key of {names}. Take it from there?"
        self.app.push_screen(
            ConfirmScreen(question, yes="Take it", no="Leave it"),
            lambda yes: self._change(changes) if yes else None,
        )

    def _change(self, changes: Mapping[str, str | None]) -> None:
        begin(self.app, partial(self._write, changes), group="keys")

    async def _write(self, changes: Mapping[str, str | None]) -> None:
        try:
            await self._preferences.change_keys(changes)
        except FirstlightError as error:
            self.app.notify(error.with_hint, severity="error", markup=False)
            return
        if not self.is_attached:
            return
        self._rows = self._read()
        rows = self.query_one(OptionList)
        at = rows.highlighted
        rows.clear_options()
        rows.add_options(self._options())
        rows.highlighted = at

    def action_reset(self) -> None:
        """Give the highlighted act its own key again."""
        if (row := self._highlighted) is not None and row.changed:
            self._change({row.id: None})

    def action_reset_all(self) -> None:
        """Give every act its own key again, after a question."""
        changed = dict.fromkeys(self._preferences.settings.keys)
        if changed:
            question = f"Reset {len(changed)} changed keys?"
            self.app.push_screen(
                ConfirmScreen(question, yes="Reset", no="Keep them"),
                lambda yes: self._change(changed) if yes else None,
            )

    def action_vim(self) -> None:
        """Add the keys of vim, or take them away where they are."""
        keys = self._preferences.settings.keys
        if all(keys.get(id) == key for id, key in VIM.items()):
            self._change(dict.fromkeys(VIM))
        else:
            self._change(preset(self._rows, VIM))


class PressScreen(Dialog[str | None]):
    """Waits for one key; Escape changes nothing."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("New key")
            box.border_subtitle = Content("Esc changes nothing")
            yield Words(f"{self._words}\n\nPress the new key.")

    def on_key(self, event: events.Key) -> None:
        """Take any key."""
        event.stop()
        event.prevent_default()
        self.dismiss(None if event.key == "escape" else event.key)
