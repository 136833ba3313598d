"""Choose a family's template; each says where it is defined."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, part


class PresetScreen(Dialog[str | None]):
    """Rows of `(key, label, source)`; returns the key of the chosen one, or None."""

    CSS = """
    PresetScreen OptionList { height: auto; max-height: 12; border: none; padding: 0; background: $surface; }
    PresetScreen OptionList:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="preset.close", tooltip="Change nothing"),
    ]

    def __init__(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._title, self._rows = title, rows

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Words(self._title)
            yield OptionList(
                *(
                    Option(
                        Content.assemble(part(label, "bold"), part(f"\n  {source}")),
                        id=key,
                    )
                    for key, label, source in self._rows
                ),
                markup=False,
            )
            yield Words("Enter takes it · Esc changes nothing", classes="muted")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
