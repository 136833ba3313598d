"""The editing half of the template step: the draft, its looks, its preview, and where its fields come from."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, TabbedContent, TabPane

from firstlight_core.errors import FirstlightError
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps import template_verdicts as verdicts
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.template_draft import NUMBERS, TemplateDraft
from firstlight_tui.steps.template_jinja import JinjaScreen
from firstlight_tui.steps.template_presets import PresetScreen
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.template_fields import TemplateFields
from firstlight_tui.works import begin

DRAFT = "template-draft"
PREVIEW_SECONDS = 0.4
"""After the last key stroke, before the tokenizer is asked."""


class TemplateEditor(StepScreen):
    """Fields, preview and changes; whoever inherits it proves and writes what stands in them."""

    def action_check(self) -> None:
        """Compare what stands in the fields; the step says how."""
        raise NotImplementedError

    # Looks ----------------------------------------------------------------------------------------

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
        draft = self.wizard.kept.get(DRAFT)
        fits = isinstance(draft, TemplateDraft) and draft.artifact == self.session.artifact
        return draft if fits else None

    @property
    def _document(self) -> Mapping[str, Any] | None:
        """The newest check of this artifact."""
        found = self.work.result if self.work is not None else None
        if found is not None and found.get("artifact") == self.session.artifact:
            return found
        return self.session.template

    def opened(self) -> None:
        if self.session.artifact is None:
            self.query_one("#lock", Words).update("There is no artifact yet: convert first.")
        elif self.draft is None:
            settled = (self.session.template or {}).get("inference_model")
            if settled:
                self._begin_draft(settled)
            else:
                self._read()
        elif self.session.template is None and not self._checking:
            self._paint()
            self.action_check()
        self._paint()

    def _read(self) -> None:
        self.query_one("#lock", Words).update("Reading the tokenizer's own template …")
        begin(self, self._load, group="template-load")

    async def _load(self) -> None:
        """The fields that lie in the artifact, else those that its tokenizer implies; then the check."""
        artifact, services = Path(str(self.session.artifact)), self.wizard.services
        try:
            model = await asyncio.to_thread(services.read_inference_model, artifact)
            if model is None:
                model = await asyncio.to_thread(
                    services.default_inference_model, artifact, self._suggested_name()
                )
        except FirstlightError as error:
            self.query_one("#lock", Words).update(
                "There is no template to start from. F9 shows the chat template, and offers families."
            )
            self.show_problem(error)
            return
        self._begin_draft(model)
        self.action_check()
        self.settle_focus()

    def _suggested_name(self) -> str:
        from firstlight_core.template.rendering import default_name

        artifact = str(self.session.artifact)
        source = self.wizard.paths.model_name(self.session.source or artifact)
        found = next((a for a in self.session.artifacts if a.get("artifact") == artifact), {})
        key = str(found.get("precision", ""))
        return default_name(Path(f"{source}-{key}" if key else source))

    def _begin_draft(self, model: Mapping[str, Any]) -> None:
        self.wizard.kept[DRAFT] = TemplateDraft(model, str(self.session.artifact))
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
                verdicts.lock_content(document, fresh=self._fresh, saved=self._is_settled())
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
        """Whether the newest check is about what stands in the fields."""
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
        known, tokens = self.wizard.kept.get("template-tokens", (None, None))
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

    async def _count(self, document: dict[str, Any]) -> None:
        """Ask the artifact's tokenizer for the preview's tokens, once typing pauses."""
        await asyncio.sleep(PREVIEW_SECONDS)
        artifact = str(self.session.artifact)
        try:
            found = await self.wizard.services.preview_template(Path(artifact), document)
        except FirstlightError as error:
            self._paint_preview(str(error))
            return
        self.wizard.kept["template-tokens"] = ((artifact, document["PromptTemplate"]), found)
        self._paint_preview()

    @on(TabbedContent.TabActivated)
    def _turned(self) -> None:
        self._paint_preview()

    # Editing --------------------------------------------------------------------------------------

    @on(TemplateFields.Edited)
    def _edited(self, message: TemplateFields.Edited) -> None:
        if self.draft is not None:
            self.draft.edit(message.field, message.text)
            self._paint()

    def action_undo(self) -> None:
        """Take the last change of the fields back."""
        if self.draft is not None and self.draft.undo():
            self._paint()

    def action_redo(self) -> None:
        """Make it again."""
        if self.draft is not None and self.draft.redo():
            self._paint()

    @on(Button.Pressed, "#template-presets")
    def action_presets(self) -> None:
        """Choose where the fields come from."""
        from firstlight_core.template.presets import PRESETS

        if self.draft is None:
            return
        rows = [("tokenizer", "From the tokenizer", "its own chat template, cut at the text")]
        rows += [(preset.key, preset.label, preset.source) for preset in PRESETS]
        self.app.push_screen(PresetScreen("Fields of which family?", rows), self._preset)

    def _preset(self, key: str | None) -> None:
        from firstlight_core.template.presets import find_preset

        if key is None or self.draft is None:
            return
        if key == "tokenizer":
            begin(self, self._from_tokenizer, group="template-load")
            return
        self.draft.replace_prompts(find_preset(key).prompt_template)
        self._paint()
        self.action_check()

    async def _from_tokenizer(self) -> None:
        make, artifact = (
            self.wizard.services.default_inference_model,
            Path(str(self.session.artifact)),
        )
        try:
            model = await asyncio.to_thread(make, artifact, self._suggested_name())
        except FirstlightError as error:
            self.show_problem(error)
            return
        if self.draft is not None:
            self.draft.replace_prompts(model["PromptTemplate"])
            self._paint()
            self.action_check()

    def action_json(self) -> None:
        """Show inference_model.json as it will be written."""
        import json

        if self.draft is not None:
            text = json.dumps(self.draft.document(), indent=2, ensure_ascii=False)
            self.app.push_screen(DetailScreen("inference_model.json", text))

    @on(Button.Pressed, "#template-jinja")
    def action_jinja(self) -> None:
        """Show, and edit, the chat template itself."""
        if self.session.artifact is None:
            return
        source = Path(self.session.source) if self.session.source else None
        self.app.push_screen(JinjaScreen(Path(self.session.artifact), source), self._written)

    def _written(self, written: dict[str, Any] | None) -> None:
        if written is None:
            return
        self.clear_problem()
        self.wizard.conversation.close()
        if self.draft is None:
            self._begin_draft(written["inference_model"])
        else:
            self.draft.replace_prompts(written["inference_model"]["PromptTemplate"])
        self.notify("The chat template was written; F10 puts the old one back.", markup=False)
        self._paint()
        self.action_check()
