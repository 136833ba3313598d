"""The dialog of the chat's sampling settings."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label, TextArea

from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.sampling import guidance
from firstlight_core.inference.structured_output import read_schema
from firstlight_tui.state.sampling_settings import (
    NUMBERS,
    SamplingSettings,
    number_text,
    read_setting,
)
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words


class SamplingScreen(Dialog[SamplingSettings | None]):
    """Returns the new settings, or None; their form has been tried on the backend."""

    CSS = """
    SamplingScreen .dialog { width: 76; padding: 0 2; }
    SamplingScreen #numbers { height: auto; }
    SamplingScreen #numbers Words { width: 20; text-wrap: nowrap; text-overflow: ellipsis; }
    SamplingScreen #numbers Words.muted { width: 1fr; padding-left: 1; }
    SamplingScreen #numbers Vertical { width: 12; height: auto; }
    SamplingScreen .form { height: auto; }
    SamplingScreen .form Label { width: 20; }
    SamplingScreen #json_schema { height: 3; width: 1fr; border: none; padding: 0; background: $panel; }
    SamplingScreen #regex { width: 1fr; }
    SamplingScreen Input { background: $panel; }
    SamplingScreen #wrong { color: $text-error; }
    SamplingScreen .dialog-buttons { margin-top: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "dismiss(None)",
            "Cancel",
            id="sampling.cancel",
            tooltip="Keep the settings as they are",
        ),
    ]

    def __init__(
        self,
        settings: SamplingSettings,
        facts: str,
        check_form: Callable[[SamplingSettings], Awaitable[None]],
    ) -> None:
        """`facts` stand below the settings; `check_form` raises when answers cannot be held to the form."""
        super().__init__()
        self._settings = settings
        self._facts = facts
        self._check_form = check_form

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Sampling settings"
            # Three columns, not a row of three parts for each number: a dialog with a third of the parts less opens sooner.
            with Horizontal(id="numbers"):
                yield Words("\n".join(name.replace("_", " ") for name in NUMBERS))
                with Vertical():
                    for name in NUMBERS:
                        value = getattr(self._settings, name)
                        text = "" if value is None else number_text(value)
                        yield Input(text, id=name, compact=True)
                meanings = (SAMPLING_RANGES[name].meaning for name in NUMBERS)
                yield Words("\n".join(meanings), classes="muted")
            schema = self._settings.json_schema
            with Horizontal(classes="form"):
                yield Label("JSON schema,\nor a file of one")
                yield TextArea(
                    json.dumps(schema) if schema else "",
                    id="json_schema",
                    tab_behavior="focus",
                    compact=True,
                )
            with Horizontal(classes="form"):
                yield Label("or a regex")
                yield Input(self._settings.regex or "", id="regex", compact=True)
            yield Words(self._facts, classes="muted")
            yield Words(id="wrong")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Apply", id="yes", variant="primary", compact=True)

    def on_input_submitted(self) -> None:
        self._use()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._use()
        else:
            self.dismiss(None)

    def _use(self) -> None:
        numbers: dict[str, int | float | None] = {}
        for name in NUMBERS:
            box = self.query_one(f"#{name}", Input)
            try:
                numbers[name] = read_setting(name, box.value)
            except ValueError as error:
                self._refuse(str(error))
                box.focus()
                return
        try:
            schema = self.query_one("#json_schema", TextArea).text.strip()
            json_schema = read_schema(schema) if schema else None
            regex = self.query_one("#regex", Input).value or None
            guidance(json_schema, regex)
        except FirstlightError as error:
            self._refuse(error.with_hint)
            return
        changed = replace(self._settings, json_schema=json_schema, regex=regex)
        for name, value in numbers.items():
            changed = changed.with_number(name, value)
        self.run_worker(self._try(changed), exclusive=True)

    async def _try(self, settings: SamplingSettings) -> None:
        try:
            await self._check_form(settings)
        except FirstlightError as error:
            self._refuse(error.with_hint)
        else:
            self.dismiss(settings)

    def _refuse(self, words: str) -> None:
        self.query_one("#wrong", Words).update(words)
