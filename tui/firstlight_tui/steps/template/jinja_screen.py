"""The chat template itself: edited with its syntax checked by line, written only when both renderers agree."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, TextArea

from firstlight_core.errors import CheckFailed, FirstlightError
from firstlight_core.text import one_line, visible
from firstlight_tui.steps.template.presets import PresetScreen
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, part

SYNTAX_SECONDS = 0.3
"""After the last key stroke, before the syntax is looked at."""


class JinjaScreen(Dialog[dict[str, Any] | None]):
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
        self._artifact, self._source = artifact, source
        self._refused = ""
        """The text whose differences were shown; writing it once more accepts them."""
        self._lossy = ""
        """What is shown of a template that cannot be shown as it is."""

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
        draft = workspace_of(self).drafts.chat_template
        if draft is not None and draft[0] == str(self._artifact):
            self._area.text = draft[1]
        else:
            begin(self, self._load, group="jinja")
        self._area.focus()

    @property
    def _area(self) -> TextArea:
        return self.query_one("#jinja", TextArea)

    async def _load(self) -> None:
        import asyncio

        try:
            text = await asyncio.to_thread(
                workspace_of(self).services.read_chat_template, self._artifact
            )
        except FirstlightError as error:
            self._say(str(error), "$text-error")
            return
        if text is None:
            self._say("This model has no chat template: F6 offers its family's.", "$text-warning")
        else:
            # A terminal would obey what `visible` replaces; such a template is shown, and not written back so.
            visible_text = visible(text)
            self._lossy = visible_text if visible_text != text else ""
            self._area.text = visible_text

    def _say(self, sentence: str, colour: str = "") -> None:
        self.query_one("#jinja-words", Words).update(Content.assemble(part(sentence, colour)))

    @on(TextArea.Changed)
    def _typed(self) -> None:
        workspace_of(self).drafts.chat_template = (str(self._artifact), self._area.text)
        begin(self, self._look, group="jinja-syntax")

    async def _look(self) -> None:
        """Say where the syntax breaks, or what a reader should doubt."""
        import asyncio

        from firstlight_core.template.chat_template import syntax_problem, template_doubts

        await asyncio.sleep(SYNTAX_SECONDS)
        text = self._area.text
        problem = await asyncio.to_thread(syntax_problem, text)
        if problem is not None:
            self._say(f"✗ {problem.sentence}", "$text-error")
            return
        doubts = await asyncio.to_thread(template_doubts, text)
        lines = text.count("\n") + 1
        if doubts:
            more = f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""
            self._say(
                f"✓ {lines} lines of valid Jinja. Look at: {doubts[0]}{more}", "$text-warning"
            )
        else:
            self._say(f"✓ {lines} lines of valid Jinja. F5 proves and writes it.", "$text-success")

    @on(Button.Pressed, "#jinja-write")
    def action_write(self) -> None:
        """Prove the template in both renderers, and write it."""
        self.workers.cancel_group(self, "jinja-syntax")
        begin(self, partial(self._write, self._area.text), group="jinja")

    async def _write(self, text: str) -> None:
        import asyncio

        from firstlight_core.template.chat_template import syntax_problem

        problem = await asyncio.to_thread(syntax_problem, text)
        if problem is not None:
            self._say(f"✗ {problem.sentence}", "$text-error")
            self._area.move_cursor((max(0, problem.line - 1), 0))
            self._area.focus()
            return
        if text == self._lossy:
            self._say(
                "It holds characters that cannot be shown; it stays as it is.", "$text-warning"
            )
            return
        self._say("Rendering it in both renderers …", "$foreground-muted")
        try:
            written = await workspace_of(self).services.settle_chat_template(
                self._artifact, text, force=self._refused == text
            )
        except CheckFailed as error:
            self._refused = text
            self._say(
                f"✗ {one_line(str(error), 300)} F5 once more writes it all the same.",
                "$text-warning",
            )
            return
        except FirstlightError as error:
            self._say(f"✗ {one_line(f'{error} {error.hint}', 400)}", "$text-error")
            return
        workspace_of(self).drafts.chat_template = None
        self.dismiss(dict(written))

    @on(Button.Pressed, "#jinja-families")
    def action_families(self) -> None:
        """Take a family's template, or the source model's own."""
        from firstlight_core.template.presets import PRESETS

        rows = [(p.key, p.label, p.source) for p in PRESETS]
        if self._source is not None:
            rows.insert(0, ("source", "The source model's own", one_line(self._source.name, 80)))
        self.app.push_screen(PresetScreen("Chat template of which family?", rows), self._taken)

    def _taken(self, key: str | None) -> None:
        from firstlight_core.template.family import family_chat_template
        from firstlight_core.template.presets import find_preset

        if key is None:
            return
        if key != "source":
            self._area.text = family_chat_template(find_preset(key))
            return
        assert self._source is not None
        try:
            text = workspace_of(self).services.read_chat_template(self._source)
        except FirstlightError as error:
            self._say(str(error), "$text-error")
            return
        if text is None:
            self._say("The source model has no chat template either.", "$text-warning")
        else:
            self._area.text = visible(text)

    @on(Button.Pressed, "#jinja-back")
    def action_leave(self) -> None:
        """Back to the step; nothing is written."""
        self.dismiss(None)
