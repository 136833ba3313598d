"""The editing half of the template step: where its fields come from, and what is done to them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from textual import on
from textual.widgets import Button

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.errors import FirstlightError
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.template.jinja_screen import JinjaScreen
from firstlight_tui.steps.template.presets import PresetScreen
from firstlight_tui.steps.template.sheet import TemplateSheet
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.template_fields import TemplateFields


class TemplateEditor(TemplateSheet):
    """Reads and edits the draft; subclasses check and write the fields."""

    _bare = False
    """Whether the model came without a chat template."""

    def action_check(self) -> None:
        """Compare the current fields; the step defines how."""
        raise NotImplementedError

    # Reading --------------------------------------------------------------------------------------

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
        artifact, services = Path(str(self.session.artifact)), self.workspace.services
        try:
            stored = await asyncio.to_thread(services.read_inference_model, artifact)
            model: InferenceModel = (
                await asyncio.to_thread(
                    services.default_inference_model, artifact, self._suggested_name()
                )
                if stored is None
                else stored
            )
        except FirstlightError as error:
            await self._offer_families(artifact, error)
            return
        self._begin_draft(model)
        self.action_check()
        self.settle_focus()

    async def _offer_families(self, artifact: Path, error: FirstlightError) -> None:
        """A model without a chat template takes its family's; one with a broken template is shown as it is."""
        try:
            self._bare = not await asyncio.to_thread(
                self.workspace.services.read_chat_template, artifact
            )
        except FirstlightError:
            self._bare = False
        if not self._bare:
            self.query_one("#lock", Words).update(
                "There is no template to start from. F9 shows the chat template, and offers families."
            )
            self.show_problem(error)
            return
        self.query_one("#lock", Words).update(
            "This model has no chat template, so it cannot answer yet. F6 offers the formats of known families "
            "(take the one it was trained with), F9 takes your own template."
        )
        self.refresh_actions()
        self.query_one("#template-presets", Button).focus()

    def _suggested_name(self) -> str:
        from firstlight_core.artifact.inference_model import default_name

        artifact = str(self.session.artifact)
        source = self.workspace.paths.model_name(self.session.source or artifact)
        row = next((a for a in self.session.artifacts if a.get("artifact") == artifact), {})
        key = str(row.get("precision", ""))
        return default_name(Path(f"{source}-{key}" if key else source))

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

        if self.draft is None and not self._bare:
            return
        rows = [(preset.key, preset.label, preset.source) for preset in PRESETS]
        if not self._bare:
            own = ("tokenizer", "From the tokenizer", "its own chat template, cut at the text")
            rows.insert(0, own)
        self.app.push_screen(PresetScreen("Fields of which family?", rows), self._preset)

    def _preset(self, key: str | None) -> None:
        from firstlight_core.artifact.inference_model import build_inference_model
        from firstlight_core.template.presets import find_preset

        if key is None or (self.draft is None and not self._bare):
            return
        if key == "tokenizer":
            begin(self, self._from_tokenizer, group="template-load")
            return
        fields = find_preset(key).prompt_template
        if self.draft is None:
            self._begin_draft(build_inference_model(self._suggested_name(), fields))
        else:
            self.draft.replace_prompts(fields)
        self._paint()
        self.action_check()

    async def _from_tokenizer(self) -> None:
        make, artifact = (
            self.workspace.services.default_inference_model,
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
        self.workspace.chat.first.close()
        if self.draft is None:
            self._begin_draft(written["inference_model"])
        else:
            self.draft.replace_prompts(written["inference_model"]["PromptTemplate"])
        self.notify("The chat template was written; F10 puts the old one back.", markup=False)
        self._paint()
        self.action_check()
