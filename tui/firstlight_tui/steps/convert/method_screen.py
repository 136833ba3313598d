"""The course's two methods beside what is really run, and why; method 2 can be edited."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, RadioButton, RadioSet, TextArea

from firstlight_core.conversion.config_text import LIMIT, line_of, parse_config
from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.errors import FirstlightError
from firstlight_core.text import visible
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, part


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAnswer:
    """The chosen method, and the edited configuration if there is one."""

    method: str
    config: OliveConfig | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTexts:
    """The texts of one precision on the screen."""

    label: str
    course: Mapping[str, str]
    """The course's text by method."""
    reasons: Mapping[str, str]
    """Why what is run differs, by method."""
    own: str
    """The configuration that Firstlight would run."""
    edited: str | None
    """The user's configuration, if there is one."""


class MethodScreen(Dialog[MethodAnswer | None]):
    """Shows, switches, copies and edits; None when nothing changes."""

    CSS = """
    MethodScreen .dialog { width: 94%; max-width: 110; height: 94%; max-height: 100%; padding: 0 1; }
    MethodScreen RadioSet { layout: horizontal; height: 1; border: none; background: transparent; padding: 0; }
    MethodScreen RadioSet:focus { border: none; }
    MethodScreen RadioButton { margin-right: 3; background: transparent; border: none; padding: 0; }
    MethodScreen .title { color: $text-accent; height: 1; }
    MethodScreen #course { height: auto; max-height: 6; background: $panel; }
    MethodScreen TextArea { height: 1fr; min-height: 3; border: none; background: $panel; padding: 0; }
    MethodScreen #verdict { height: auto; max-height: 3; }
    MethodScreen #why { color: $foreground-muted; height: auto; max-height: 3; }
    MethodScreen .dialog-buttons { height: 1; margin-top: 0; align-horizontal: left; }
    MethodScreen .dialog-buttons Button { margin: 0 1 0 0; min-width: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="method.cancel", tooltip="Change nothing"),
    ]

    def __init__(
        self, texts: MethodTexts, *, method: str, check: Callable[[OliveConfig], None]
    ) -> None:
        super().__init__()
        self._texts, self._method, self._check = texts, method, check
        self._config: OliveConfig | None = None
        self._draft = texts.edited or texts.own
        """The text of method 2 while method 1 is shown."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(visible(f"How {self._texts.label} is made"))
            box.border_subtitle = Content("Esc changes nothing")
            with RadioSet(id="methods"):
                yield RadioButton(
                    "1 one command", value=self._method == "command", id="command", compact=True
                )
                yield RadioButton(
                    "2 configuration file",
                    value=self._method != "command",
                    id="config",
                    compact=True,
                )
            yield Words("The course says", classes="title")
            with VerticalScroll(id="course"):
                yield Words(id="course-words")
            yield Words(id="run-title", classes="title")
            yield TextArea(self._draft, id="json", compact=True)
            yield Words(id="verdict")
            yield Words(id="why")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Copy the course's", id="copy-course", compact=True)
                yield Button("Copy this", id="copy-run", compact=True)
                yield Button("Firstlight's own", id="reset", compact=True)
                yield Button("Use", id="use", variant="primary", compact=True)

    def on_mount(self) -> None:
        if self._method == "command":
            self.query_one(TextArea).text = self._texts.own
        self._paint()

    @on(RadioSet.Changed)
    def _switched(self, event: RadioSet.Changed) -> None:
        area = self.query_one(TextArea)
        if self._method == "config":
            self._draft = area.text
        self._method = event.pressed.id or "config"
        area.text = self._draft if self._method == "config" else self._texts.own
        self._paint()

    @on(TextArea.Changed)
    def _edited(self) -> None:
        self._judge()

    def _paint(self) -> None:
        texts, area = self._texts, self.query_one(TextArea)
        self.query_one("#course-words", Words).update(texts.course[self._method])
        area.read_only = self._method == "command"
        editable = "" if area.read_only else " (edit it here)"
        self.query_one("#run-title", Words).update(f"What is really run{editable}")
        self.query_one("#reset", Button).display = not area.read_only
        self._judge()

    def _judge(self) -> None:
        """Say whether the configuration can be run, and in which line it cannot."""
        text = self.query_one(TextArea).text
        self._config = None
        why = self._texts.reasons[self._method]
        try:
            config = parse_config(text)
            if text.strip() != self._texts.own.strip():
                self._check(config)
                self._config = config
                why = "Your configuration is run as it is; only the cache and output folders are private."
            verdict = part("✓ It can be run.", "$text-success")
        except FirstlightError as error:
            words = str(error)
            # An error with a line of its own names it in its message.
            if error.line is None and (line := line_of(text[:LIMIT], error.field)):
                words = f"Line {line}: {words}"
            verdict = part(f"✗ {words}", "$text-error")
        self.query_one("#verdict", Words).update(Content.assemble(verdict))
        self.query_one("#why", Words).update(f"Why it differs: {why}")
        self.query_one("#use", Button).disabled = verdict[0].startswith("✗")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        match event.button.id:
            case "copy-course":
                self._copy(self._texts.course[self._method])
            case "copy-run":
                self._copy(self.query_one(TextArea).text)
            case "reset":
                self.query_one(TextArea).text = self._texts.own
            case _:
                self.dismiss(MethodAnswer(method=self._method, config=self._config))

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(visible(text))
        self.notify("Copied.", markup=False)
