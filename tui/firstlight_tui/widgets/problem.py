"""The panel of an error: the sentence and the hint, where the user is looking; the detail is one key away."""

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from firstlight_core.errors import FirstlightError
from firstlight_core.text import redact
from firstlight_tui.widgets.words import Words, part


class ProblemPanel(Vertical):
    """Hidden until there is a problem; the first one makes its parts, most steps never need them."""

    DEFAULT_CSS = """
    ProblemPanel { display: none; border: round $error; padding: 0 1; height: auto; max-height: 14; margin-top: 1; }
    ProblemPanel.-shown { display: block; }
    ProblemPanel #problem-detail { display: none; color: $foreground-muted; max-height: 8; overflow-y: auto; }
    ProblemPanel.-detailed #problem-detail { display: block; }
    ProblemPanel Horizontal { height: 1; }
    ProblemPanel Button { margin-right: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="problem")
        self._error: FirstlightError | None = None
        self._words, self._detail = Words(id="problem-words"), Words(id="problem-detail")
        self._more: Button | None = None

    def show(self, error: FirstlightError) -> None:
        """Show an error."""
        self._error = error
        if self._more is None:
            self._more = Button("Details", id="problem-more", compact=True)
            copy = Button("Copy", id="problem-copy", compact=True)
            self.mount(self._words, self._detail, Horizontal(self._more, copy))
        self._words.update(
            Content.assemble(
                part("✗ ", "bold $text-error"), part(str(error), "bold"), part("\n" + error.hint)
            )
        )
        self._detail.update(error.detail or "No further details.")
        self._more.display = bool(error.detail)
        self.add_class("-shown")

    def clear(self) -> None:
        """Nothing is wrong any more."""
        self._error = None
        self.remove_class("-shown", "-detailed")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "problem-more":
            self.toggle_class("-detailed")
        elif self._error is not None:
            parts = (str(self._error), self._error.hint, self._error.detail)
            self.app.copy_to_clipboard(redact("\n".join(filter(None, parts))))
            self.notify("Copied, without your name, tokens and home folder.", markup=False)
