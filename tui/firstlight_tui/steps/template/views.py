"""The panes below the fields: what the model reads, live and in colours; every conversation of the check; the changes."""

import asyncio

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll

from firstlight_core.errors import FirstlightError
from firstlight_tui.state.template_editing import TemplateEditing
from firstlight_tui.steps.template import verdicts
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words

PREVIEW_SECONDS = 0.4
"""After the last key stroke, before the tokenizer is asked."""


class TemplateViews(Container):
    """The live rendering beside the check and the changes; in a narrow terminal above them."""

    DEFAULT_CSS = """
    TemplateViews { height: 1fr; min-height: 12; layout: horizontal; margin-top: 1; }
    TemplateViews VerticalScroll { scrollbar-size-vertical: 2; border: round $border-blurred; border-title-color: $text-accent; padding: 0 1; }
    TemplateViews #live { width: 1fr; height: 100%; margin-right: 1; }
    TemplateViews #question-tokens { margin-top: 1; }
    TemplateViews #check { width: 1fr; height: 100%; }
    TemplateViews #check-pane { height: 1fr; min-height: 6; }
    TemplateViews #changes-pane { height: auto; max-height: 50%; }
    """

    def __init__(self, editing: TemplateEditing) -> None:
        super().__init__()
        self._editing = editing

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="live", can_focus=False) as live:
            live.border_title = "what the model reads"
            yield Words(id="preview")
            yield Words(id="question-tokens")
        with Vertical(id="check"):
            with VerticalScroll(id="check-pane", can_focus=False) as check:
                check.border_title = "conversations"
                yield Words(id="verdicts")
            with VerticalScroll(id="changes-pane", can_focus=False) as changes:
                changes.border_title = "changes against the tokenizer's own"
                yield Words(id="changes")

    def show(self) -> None:
        """Paint what the newest check says, how the fields differ from the tokenizer's, and the rendering."""
        draft, report = self._editing.draft, self._editing.report
        if draft is None:
            return
        self._show_verdicts()
        tokenizer = report.get("prompt_template_of_tokenizer") if report is not None else None
        changes = verdicts.changes_content(draft.document(), tokenizer)
        self.query_one("#changes", Words).update(changes)
        self._show_preview()

    def on_resize(self) -> None:
        """Write the names of the conversations as long as there is room for."""
        if self._editing.draft is not None:
            self._show_verdicts()

    def _show_verdicts(self) -> None:
        pane = self.query_one("#verdicts", Words)
        pane.update(verdicts.shapes_content(self._editing.report, width=pane.size.width))

    def _show_preview(self, problem: str = "") -> None:
        """Paint the rendering: text at once, tokens when they are known."""
        if self._editing.draft is None:
            return
        segments, tokens = self._editing.preview()
        content = verdicts.preview_content(segments, tokens, problem)
        self.query_one("#preview", Words).update(content)
        rows = verdicts.question_tokens_content(tokens)
        self.query_one("#question-tokens", Words).update(rows)
        # One child at a time: the check comes first, and calls again when it has ended.
        if tokens is None and not problem and not self._editing.checking:
            begin(self, self._count, group="template-preview")

    async def _count(self) -> None:
        """Ask the artifact's tokenizer for the tokens, once typing pauses."""
        await asyncio.sleep(PREVIEW_SECONDS)
        try:
            await self._editing.count_preview()
        except FirstlightError as error:
            self._show_preview(str(error))
        else:
            self._show_preview()
