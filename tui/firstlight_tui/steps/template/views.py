"""The panel below the fields: every conversation of the check, the preview, the changes."""

import asyncio

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import TabbedContent, TabPane

from firstlight_core.errors import FirstlightError
from firstlight_tui.state.template_editing import TemplateEditing
from firstlight_tui.steps.template import verdicts
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words

PREVIEW_SECONDS = 0.4
"""After the last key stroke, before the tokenizer is asked."""
_TITLES = {"verdicts": "Conversations", "preview": "Preview", "changes": "Changes"}


class TemplateViews(Vertical):
    """Three tabs over what is edited; the preview counts its tokens while it is in front."""

    DEFAULT_CSS = """
    TemplateViews { height: 1fr; min-height: 8; }
    TemplateViews TabbedContent { height: 1fr; }
    TemplateViews TabPane { padding: 0; }
    TemplateViews TabPane VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self, editing: TemplateEditing) -> None:
        super().__init__()
        self._editing = editing

    def compose(self) -> ComposeResult:
        with TabbedContent(id="views"):
            for key, title in _TITLES.items():
                with TabPane(title, id=f"view-{key}"), VerticalScroll():
                    yield Words(id=key)

    def show(self) -> None:
        """Paint what the newest check says, how the fields differ from the tokenizer's, and the preview."""
        draft, report = self._editing.draft, self._editing.report
        if draft is None:
            return
        self.query_one("#verdicts", Words).update(verdicts.shapes_content(report))
        tokenizer = report.get("prompt_template_of_tokenizer") if report is not None else None
        changes = verdicts.changes_content(draft.document(), tokenizer)
        self.query_one("#changes", Words).update(changes)
        self._show_preview()

    @on(TabbedContent.TabActivated)
    def _turned(self, event: TabbedContent.TabActivated) -> None:
        event.stop()
        self._show_preview()

    def _show_preview(self, problem: str = "") -> None:
        """Paint the preview: text at once, tokens when they are known."""
        in_front = self.query_one(TabbedContent).active == "view-preview"
        if self._editing.draft is None or not in_front:
            return
        segments, tokens = self._editing.preview()
        content = verdicts.preview_content(segments, tokens, problem)
        self.query_one("#preview", Words).update(content)
        if tokens is None and not problem:
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
