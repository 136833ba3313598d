"""The chat template itself: edited with its syntax checked by line, written only when both renderers agree."""

import asyncio
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, TextArea

from firstlight_core.documents.template import WrittenChatTemplate
from firstlight_core.errors import CheckFailed, FirstlightError
from firstlight_core.text import one_line
from firstlight_tui.modals.preset import PresetScreen
from firstlight_tui.state.chat_template_editing import SOURCE, ChatTemplateEditing
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, part

SYNTAX_SECONDS = 0.3
"""After the last key stroke, before the syntax is looked at."""


class JinjaScreen(Dialog[WrittenChatTemplate | None]):
    """Returns what was written, or None; what was typed stays with the app until it is written."""

    CSS = """
    JinjaScreen .dialog { width: 96%; height: 92%; padding: 0 1; }
    JinjaScreen TextArea { height: 1fr; border: none; padding: 0; }
    JinjaScreen TextArea:focus { border: none; }
    JinjaScreen #jinja-words { height: auto; max-height: 4; }
    JinjaScreen Horizontal { height: 1; }
    JinjaScreen Button { margin-right: 2; min-width: 10; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "leave", "Close", id="jinja.close", tooltip="Back; what was typed is kept"
        ),
        # Before the editor, which has its own F6.
        Binding(
            "f5", "write", "Write", id="jinja.write", tooltip="Prove and write it", priority=True
        ),
        Binding(
            "f6",
            "families",
            "Families",
            id="jinja.families",
            tooltip="Take a family's",
            priority=True,
        ),
    ]

    def __init__(self, artifact: Path, source: Path | None) -> None:
        super().__init__()
        self._folders = (artifact, source)

    @cached_property
    def editing(self) -> ChatTemplateEditing:
        """The chat template of the artifact."""
        return ChatTemplateEditing(workspace_of(self), *self._folders)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Chat template (Jinja)")
            box.border_subtitle = Content("F5 proves and writes · F6 families · Esc back")
            yield TextArea(
                show_line_numbers=True, soft_wrap=True, tab_behavior="indent", id="jinja"
            )
            yield Words(id="jinja-words")
            with Horizontal():
                yield Button("Write", id="jinja-write", variant="primary", compact=True)
                yield Button("Families", id="jinja-families", compact=True)
                yield Button("Back", id="jinja-back", compact=True)

    def on_mount(self) -> None:
        if (draft := self.editing.draft) is not None:
            self._area.text = draft
        else:
            begin(self, self._load, group="jinja")
        self._area.focus()

    @property
    def _area(self) -> TextArea:
        return self.query_one("#jinja", TextArea)

    async def _load(self) -> None:
        try:
            text = await self.editing.read()
        except FirstlightError as error:
            self._say(str(error), "$text-error")
            return
        if text is None:
            self._say("This model has no chat template: F6 offers its family's.", "$text-warning")
        else:
            self._area.text = text

    def _say(self, sentence: str, colour: str = "") -> None:
        self.query_one("#jinja-words", Words).update(Content.assemble(part(sentence, colour)))

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self.editing.remember(self._area.text)
        begin(self, self._look, group="jinja-syntax")

    async def _look(self) -> None:
        """Say where the syntax breaks, or what a reader should doubt."""
        await asyncio.sleep(SYNTAX_SECONDS)
        look = await self.editing.look(self._area.text)
        if look.problem is not None:
            self._say(f"✗ {look.problem.sentence}", "$text-error")
            return
        valid = f"✓ {look.lines} lines of valid Jinja."
        if look.doubts:
            more = f" (and {len(look.doubts) - 1} more)" if len(look.doubts) > 1 else ""
            self._say(f"{valid} Look at: {look.doubts[0]}{more}", "$text-warning")
        else:
            self._say(f"{valid} F5 proves and writes it.", "$text-success")

    @on(Button.Pressed, "#jinja-write")
    def action_write(self) -> None:
        """Prove the template in both renderers, and write it."""
        self.workers.cancel_group(self, "jinja-syntax")
        begin(self, partial(self._write, self._area.text), group="jinja")

    async def _write(self, text: str) -> None:
        if (problem := (await self.editing.look(text)).problem) is not None:
            self._say(f"✗ {problem.sentence}", "$text-error")
            self._area.move_cursor((max(0, problem.line - 1), 0))
            self._area.focus()
            return
        if self.editing.is_altered(text):
            self._say(
                "It holds characters that cannot be shown; it stays as it is.", "$text-warning"
            )
            return
        self._say("Rendering it in both renderers …", "$foreground-muted")
        try:
            written = await self.editing.write(text)
        except CheckFailed as error:
            self._say(
                f"✗ {one_line(str(error), 300)} F5 once more writes it all the same.",
                "$text-warning",
            )
        except FirstlightError as error:
            self._say(f"✗ {one_line(error.with_hint, 400)}", "$text-error")
        else:
            self.dismiss(written)

    @on(Button.Pressed, "#jinja-families")
    def action_families(self) -> None:
        """Take a family's template, or the source model's own."""
        screen = PresetScreen("Chat template of which family?", self.editing.families())
        self.app.push_screen(screen, self._take)

    def _take(self, key: str | None) -> None:
        if key == SOURCE:
            begin(self, self._take_source, group="jinja")
        elif key is not None:
            self._area.text = self.editing.family_text(key)

    async def _take_source(self) -> None:
        try:
            text = await self.editing.read_source()
        except FirstlightError as error:
            self._say(str(error), "$text-error")
            return
        if text is None:
            self._say("The source model has no chat template either.", "$text-warning")
        else:
            self._area.text = text

    @on(Button.Pressed, "#jinja-back")
    def action_leave(self) -> None:
        """Back to the step; nothing is written."""
        self.dismiss(None)
