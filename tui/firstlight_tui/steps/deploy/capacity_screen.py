"""Ask for the size of a vLLM server: four numbers, before its files are written."""

from dataclasses import asdict
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input

from firstlight_core.errors import UsageError
from firstlight_core.exports.vllm_command import Capacity
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words

_ROWS = (
    ("gpus", "GPUs", "of one replica; 0 runs on the CPU"),
    ("context", "Context", "tokens of prompt and answer together"),
    ("concurrency", "Requests", "worked on side by side in one replica"),
    ("replicas", "Replicas", "in a cluster"),
)


class CapacityScreen(Dialog[Capacity | None]):
    """Returns the capacity, or None when nothing is to be written."""

    CSS = """
    CapacityScreen Grid { grid-size: 3; grid-columns: 9 9 1fr; grid-rows: 1; height: auto; }
    CapacityScreen #fault { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="capacity.cancel", tooltip="Write nothing"),
    ]

    def __init__(self, capacity: Capacity) -> None:
        super().__init__()
        self._first = capacity

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("How big shall the vLLM server be?")
            box.border_subtitle = Content("Enter writes the files · Esc writes nothing")
            with Grid():
                for key, label, meaning in _ROWS:
                    yield Words(label)
                    value = str(asdict(self._first)[key])
                    yield Input(value, type="integer", id=f"capacity-{key}", compact=True)
                    yield Words(meaning, classes="muted")
            yield Words(id="fault")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Write", id="write", variant="primary", compact=True)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#write")
    @on(Input.Submitted)
    def _answered(self) -> None:
        try:
            self.dismiss(self._capacity())
        except UsageError as error:
            self.query_one("#fault", Words).update(str(error))

    def _capacity(self) -> Capacity:
        numbers: dict[str, int] = {}
        for key, label, _ in _ROWS:
            text = self.query_one(f"#capacity-{key}", Input).value
            try:
                numbers[key] = int(text)
            except ValueError:
                raise UsageError(f"{label} wants a whole number.") from None
        return Capacity(**numbers).checked()
