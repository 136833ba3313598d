"""The quantiser's options of one row: a choice and one sentence each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Select

from firstlight_core.conversion.calibration_choice import (
    CalibrationWord,
    calibration_choice,
    calibration_name,
)
from firstlight_core.conversion.calibration_text import read_calibration
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.precision.options import Option
from firstlight_core.text import one_line, visible
from firstlight_tui.state.precision_choice import AsksText
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words

Values = Mapping[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The chosen options of a row; without values the row keeps its own."""

    values: dict[str, int | str | bool]
    calibration: str | None = None
    """Absolute path of the text that a calibrated row is rounded on; None has the original answer questions."""


class AdvancedScreen(Dialog[RowOptions | None]):
    """Returns what was chosen, or None when nothing changes."""

    CSS = """
    AdvancedScreen .option { height: auto; margin-top: 1; }
    AdvancedScreen .option-label { width: 16; padding: 0 1 0 0; text-style: bold; }
    AdvancedScreen Select { width: 1fr; }
    AdvancedScreen .option Input { width: 1fr; }
    AdvancedScreen #fault { color: $text-error; height: auto; }
    AdvancedScreen .sentence { color: $foreground-muted; height: auto; }
    AdvancedScreen VerticalScroll { height: auto; max-height: 50vh; }
    AdvancedScreen .dialog-buttons Button { min-width: 12; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "dismiss(None)", "Cancel", id="advanced.cancel", tooltip="Change nothing"
        ),
    ]

    def __init__(
        self,
        title: str,
        options: Sequence[Option],
        values: Values,
        *,
        asks_text: AsksText = AsksText.NEVER,
        calibration: str | None = None,
    ) -> None:
        """`calibration` is the text so far."""
        super().__init__()
        self._title, self._options, self._values = title, options, values
        self._asks_text, self._calibration = asks_text, calibration

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
                if self._asks_text is not AsksText.NEVER:
                    with Horizontal(classes="option"):
                        yield Words("Text", classes="option-label")
                        yield Input(
                            self._calibration or "",
                            placeholder="~/my-prompts.jsonl, own-answers; empty: built in",
                            compact=True,
                            id="calibration",
                        )
                    optional = self._asks_text is AsksText.OPTIONAL
                    none = ", or none: each weight to the nearest step" if optional else ""
                    yield Words(
                        "What the weights are rounded on: text or prompts (JSON lines) like those the model will meet, or the "
                        f"word own-answers: what the original says to 24 questions{none}.",
                        classes="sentence",
                    )
                yield Words(
                    "Only values that were seen to load are offered. What the builder really made is read back "
                    "from the graph before it is published.",
                    classes="option sentence",
                )
            yield Words(id="fault")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Row's own", id="own", compact=True)
                yield Button("Use these", id="use", variant="primary", compact=True)

    def _value(self, option: Option) -> int | str | bool:
        wanted = self._values.get(option.key)
        known = [choice.value for choice in option.choices]
        return wanted if wanted is not None and wanted in known else known[0]

    @on(Button.Pressed, "#own")
    def _own(self) -> None:
        self.dismiss(RowOptions({}))

    @on(Button.Pressed, "#use")
    @on(Input.Submitted)
    def _use(self) -> None:
        try:
            calibration = self._checked_calibration()
        except FirstlightError as error:
            self.query_one("#fault", Words).update(one_line(error.with_hint))
            return
        chosen: dict[str, int | str | bool] = {}
        for option in self._options:
            value = self.query_one(f"#option-{option.key}", Select).value
            if isinstance(value, int | str | bool):
                chosen[option.key] = value
        self.dismiss(RowOptions(chosen, calibration))

    def _checked_calibration(self) -> str | None:
        if self._asks_text is AsksText.NEVER:
            return None
        typed = self.query_one("#calibration", Input).value.strip()
        if not typed:
            return None
        choice = calibration_choice(typed)
        if choice == CalibrationWord.NEAREST and self._asks_text is AsksText.ALWAYS:
            raise UsageError("This row is always rounded on a text.")
        read_calibration(choice)
        return calibration_name(choice)
