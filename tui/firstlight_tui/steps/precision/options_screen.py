"""The quantiser's options of one row: a choice and one sentence each."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Select

from firstlight_core.precision.options import Option
from firstlight_core.text import visible
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words

Values = Mapping[str, int | str | bool]


class AdvancedScreen(Dialog[dict[str, int | str | bool] | None]):
    """Returns the chosen values by option, an empty object for the row's own, or None when nothing changes."""

    CSS = """
    AdvancedScreen .option { height: auto; margin-top: 1; }
    AdvancedScreen .option-label { width: 16; padding: 0 1 0 0; text-style: bold; }
    AdvancedScreen Select { width: 1fr; }
    AdvancedScreen .sentence { color: $foreground-muted; height: auto; }
    AdvancedScreen VerticalScroll { height: auto; max-height: 50vh; }
    AdvancedScreen .dialog-buttons Button { min-width: 12; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "dismiss(None)", "Cancel", id="advanced.cancel", tooltip="Change nothing"
        ),
    ]

    def __init__(self, title: str, options: Sequence[Option], values: Values) -> None:
        super().__init__()
        self._title, self._options, self._values = title, options, values

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(visible(self._title))
            box.border_subtitle = Content("Esc changes nothing")
            with VerticalScroll(can_focus=False):
                for option in self._options:
                    with Horizontal(classes="option"):
                        yield Words(option.label, classes="option-label")
                        yield Select[int | str | bool](
                            [(choice.label, choice.value) for choice in option.choices],
                            value=self._value(option),
                            allow_blank=False,
                            compact=True,
                            id=f"option-{option.key}",
                        )
                    yield Words(option.sentence, classes="sentence")
                yield Words(
                    "Only values that were seen to load are offered. What the builder really made is read back "
                    "from the graph before it is published.",
                    classes="option sentence",
                )
            with Horizontal(classes="dialog-buttons"):
                yield Button("Row's own", id="own", compact=True)
                yield Button("Use these", id="use", variant="primary", compact=True)

    def _value(self, option: Option) -> int | str | bool:
        wanted = self._values.get(option.key)
        known = [choice.value for choice in option.choices]
        return wanted if wanted is not None and wanted in known else known[0]

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "own":
            self.dismiss({})
            return
        chosen: dict[str, int | str | bool] = {}
        for option in self._options:
            value = self.query_one(f"#option-{option.key}", Select).value
            if isinstance(value, int | str | bool):
                chosen[option.key] = value
        self.dismiss(chosen)
