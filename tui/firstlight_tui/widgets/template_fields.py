"""The fields of a prompt template in a compact grid; it posts every change and keeps none."""

from collections.abc import Mapping, Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Grid, Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from firstlight_core.template.escapes import escaped
from firstlight_core.text import one_line
from firstlight_tui.widgets.words import Words

PASTE_LIMIT = 20_000
"""Characters; a longer paste is cut, with a notice."""


class FieldInput(Input):
    """An input that takes a paste of several lines whole, with its newlines escaped."""

    def __init__(self, *, id: str, escape: bool, placeholder: str = "") -> None:
        super().__init__(id=id, compact=True, placeholder=placeholder)
        self._escape = escape

    def _on_paste(self, event: events.Paste) -> None:
        text = event.text.replace("\r\n", "\n")
        if len(text) > PASTE_LIMIT:
            text = text[:PASTE_LIMIT]
            self.notify(
                f"The paste was cut at {PASTE_LIMIT} characters.", severity="warning", markup=False
            )
        # A pasted backslash stays as it is: a `\n` copied from a document means a newline.
        whole = escaped(text).replace("\\\\", "\\") if self._escape else one_line(text, PASTE_LIMIT)
        if whole:
            self.replace(whole, *sorted(self.selection))
        event.stop()
        event.prevent_default()


class TemplateFields(Grid):
    """Name, the four prompts (escaped) and the generation settings."""

    DEFAULT_CSS = """
    TemplateFields { grid-size: 2; grid-columns: 11 1fr; grid-rows: 1; height: auto; }
    TemplateFields .numbers { column-span: 2; height: 1; }
    TemplateFields .numbers Label { width: auto; margin-right: 1; }
    TemplateFields .numbers FieldInput { width: 7; margin-right: 1; }
    TemplateFields FieldInput.-broken { background: $error-muted; color: $text-error; }
    TemplateFields #field-words { column-span: 2; height: auto; display: none; }
    TemplateFields #field-words.-shown { display: block; }
    """

    class Edited(Message):
        """The user changed a field."""

        def __init__(self, field: str, text: str) -> None:
            super().__init__()
            self.field = field
            self.text = text

    def __init__(self, texts: Sequence[str], numbers: Sequence[str]) -> None:
        super().__init__(id="template-fields")
        self._names = (tuple(texts), tuple(numbers))
        self._told: dict[str, list[str]] = {}
        """Field → its last reported text, followed by typed texts that are not reported yet."""

    def compose(self) -> ComposeResult:
        texts, numbers = self._names
        for name in texts:
            yield Label(name, classes="muted")
            yield FieldInput(id=_id(name), escape=name != "name", placeholder="not used")
        with Horizontal(classes="numbers"):
            for name in numbers:
                short = {
                    "max_length": "length",
                    "temperature": "temp",
                    "repetition_penalty": "penalty",
                }
                yield Label(short.get(name, name), classes="muted")
                yield FieldInput(id=_id(name), escape=False)
        yield Words(id="field-words")

    def show(self, texts: Mapping[str, str]) -> None:
        """Show these texts; the cursor stays where it is in fields that do not change."""
        for name, text in texts.items():
            pending = self._told.setdefault(name, [])
            if text in pending:
                # An echo of what was typed here: the field may be some keys further on.
                del pending[: pending.index(text)]
            else:
                pending[:] = [text]
                self.field(name).value = text

    def mark(self, name: str, sentence: str) -> None:
        """Mark the field that breaks a rule and say which; an empty sentence clears the mark."""
        for field in self.query(FieldInput):
            field.set_class(bool(sentence) and field.id == _id(name), "-broken")
        words = self.query_one("#field-words", Words)
        words.set_class(bool(sentence), "-shown")
        words.update(f"✗ {sentence}" if sentence else "")

    def field(self, name: str) -> FieldInput:
        """Return the input of one field."""
        return self.query_one(f"#{_id(name)}", FieldInput)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        name = str(event.input.id).removeprefix("field-").replace("-", "_")
        pending = self._told.setdefault(name, [])
        if pending[-1:] != [event.value]:
            pending.append(event.value)
            self.post_message(self.Edited(name, event.value))


def _id(name: str) -> str:
    return f"field-{name.replace('_', '-')}"
