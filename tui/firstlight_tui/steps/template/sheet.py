"""What the template step shows: the draft in its fields, the verdicts, the preview, the changes."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import TabbedContent, TabPane

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.errors import FirstlightError
from firstlight_tui.state.template_draft import NUMBERS, TemplateDraft
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.template import verdicts
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.template_fields import TemplateFields

PREVIEW_SECONDS = 0.4
"""After the last key stroke, before the tokenizer is asked."""


class TemplateSheet(StepScreen):
    """Fields, preview and changes; subclasses fill and edit them."""

    def compose_step(self) -> ComposeResult:
        yield Words(id="lock")
        yield TemplateFields(("name", "system", "user", "assistant", "prompt"), NUMBERS)
        with TabbedContent(id="views"):
            for key, title in (
                ("verdicts", "Conversations"),
                ("preview", "Preview"),
                ("changes", "Changes"),
            ):
                with TabPane(title, id=f"view-{key}"), VerticalScroll():
                    yield Words(id=key)

    @property
    def draft(self) -> TemplateDraft | None:
        """The fields as they are being edited, when they belong to this artifact."""
        draft = self.workspace.drafts.template
        fits = draft is not None and draft.artifact == self.session.artifact
        return draft if fits else None

    @property
    def _document(self) -> Mapping[str, Any] | None:
        """The newest check of this artifact."""
        check: Mapping[str, Any] | None = self.work.result if self.work is not None else None
        if check is not None and check.get("artifact") == self.session.artifact:
            return check
        return self.session.template

    def _begin_draft(self, model: InferenceModel) -> None:
        self.workspace.drafts.template = TemplateDraft(model, str(self.session.artifact))
        self._paint()

    def _paint(self) -> None:
        """Show the draft and what is known about it."""
        draft, document = self.draft, self._document
        self.query_one(TemplateFields).disabled = draft is None
        if draft is None:
            return
        self.query_one(TemplateFields).show(draft.texts)
        problem = draft.problem()
        self.query_one(TemplateFields).mark(*(problem[0], str(problem[1])) if problem else ("", ""))
        if not self._checking:
            self.query_one("#lock", Words).update(
                verdicts.parity_content(document, fresh=self._fresh, saved=self._is_settled())
            )
        self.query_one("#verdicts", Words).update(verdicts.shapes_content(document))
        tokenizer = (document or {}).get("prompt_template_of_tokenizer")
        self.query_one("#changes", Words).update(
            verdicts.changes_content(draft.document(), tokenizer)
        )
        self._paint_preview()
        self.refresh_actions()

    @property
    def _checking(self) -> bool:
        return self.work is not None and self.work.running

    @property
    def _fresh(self) -> bool:
        """Whether the newest check is about the current fields."""
        draft, document = self.draft, self._document
        if draft is None or document is None:
            return False
        return draft.document() == document.get("inference_model")

    def _is_settled(self) -> bool:
        draft, settled = self.draft, self.session.template
        if draft is None or settled is None:
            return False
        return draft.document() == settled.get("inference_model")

    # Preview --------------------------------------------------------------------------------------

    def _paint_preview(self, problem: str = "") -> None:
        from firstlight_core.template.preview import conversation_segments, question_segments

        if self.draft is None or self.query_one(TabbedContent).active != "view-preview":
            return
        document = self.draft.document()
        prompts = document["PromptTemplate"]
        known, tokens = self.workspace.drafts.template_preview or (None, None)
        segments = {
            "question": [(s.text, s.role) for s in question_segments(prompts)],
            "conversation": [(s.text, s.role) for s in conversation_segments(prompts)],
        }
        fits = known == (self.session.artifact, prompts)
        self.query_one("#preview", Words).update(
            verdicts.preview_content(segments, tokens if fits else None, problem)
        )
        if not fits and not problem:
            begin(self, partial(self._count, document), group="template-preview")

    async def _count(self, document: InferenceModel) -> None:
        """Ask the artifact's tokenizer for the preview's tokens, once typing pauses."""
        await asyncio.sleep(PREVIEW_SECONDS)
        artifact = str(self.session.artifact)
        try:
            preview = await self.workspace.services.preview_template(Path(artifact), document)
        except FirstlightError as error:
            self._paint_preview(str(error))
            return
        self.workspace.drafts.template_preview = ((artifact, document["PromptTemplate"]), preview)
        self._paint_preview()

    @on(TabbedContent.TabActivated)
    def _turned(self) -> None:
        self._paint_preview()
