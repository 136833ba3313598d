"""The prompt template of the artifact in use: its fields, what the newest check says of them, how they are proven."""

import asyncio
from pathlib import Path
from typing import Literal, cast

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.ledger import TemplateValues, UndoneValues
from firstlight_core.documents.template import (
    CheckedTemplate,
    SavedTemplate,
    SettledTemplate,
    TemplatePreview,
    TemplateProof,
    TemplateReport,
)
from firstlight_core.errors import CheckFailed, FirstlightError, InputRefused
from firstlight_tui.state.template_draft import TemplateDraft
from firstlight_tui.state.work import OnEvent, Started, Work, WorkKey
from firstlight_tui.state.workspace import Workspace

WORK = WorkKey[TemplateProof]("template")
"""Name of the long work that proves and writes."""
TOKENIZER = "tokenizer"
"""Key of the fields that the tokenizer's own template implies, among the families."""
Act = Literal["check", "save", "mend", "undo"]
Segments = dict[str, list[tuple[str, str]]]
"""Conversation of the preview → its pieces of text with their roles."""


class TemplateEditing:
    """The state and the actions of the template step, without a screen."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.bare = False
        """Whether the model came without a chat template."""

    # What is edited -------------------------------------------------------------------------------

    @property
    def artifact(self) -> str | None:
        """The folder whose template is edited."""
        return self._workspace.session.artifact

    @property
    def draft(self) -> TemplateDraft | None:
        """The fields as they are being edited, when they belong to this artifact."""
        draft = self._workspace.drafts.template
        fits = draft is not None and draft.artifact == self.artifact
        return draft if fits else None

    def begin(self, model: InferenceModel) -> None:
        """Edit these fields from now on."""
        self._workspace.drafts.template = TemplateDraft(model, str(self.artifact))

    def begin_settled(self) -> bool:
        """Edit the fields that the session has settled; False when it has none."""
        template = self._workspace.session.template
        settled = template.get("inference_model") if template is not None else None
        if settled:
            self.begin(settled)
        return bool(settled)

    async def read(self) -> None:
        """Edit the fields that lie in the artifact, else those that its tokenizer implies.

        Raises:
            FirstlightError: neither can be read; `bare` then says whether the model has no chat template at all.
        """
        services, folder = self._workspace.services, Path(str(self.artifact))
        try:
            model = await asyncio.to_thread(services.read_inference_model, folder)
            if model is None:
                model = await self._implied()
        except FirstlightError:
            await self._look_for_template(folder)
            raise
        self.begin(model)

    async def _look_for_template(self, folder: Path) -> None:
        try:
            text = await asyncio.to_thread(self._workspace.services.read_chat_template, folder)
        except FirstlightError:
            self.bare = False
        else:
            self.bare = not text

    async def _implied(self) -> InferenceModel:
        make = self._workspace.services.default_inference_model
        return await asyncio.to_thread(make, Path(str(self.artifact)), self.suggested_name())

    def suggested_name(self) -> str:
        """Return the name of a model that has none yet: its source and its precision."""
        from firstlight_core.artifact.inference_model import default_name

        artifact, session = str(self.artifact), self._workspace.session
        source = self._workspace.paths.model_name(session.source or artifact)
        key = session.precision_in_use or ""
        return default_name(Path(f"{source}-{key}" if key else source))

    # Other fields ---------------------------------------------------------------------------------

    @property
    def takes_families(self) -> bool:
        """True if a family's fields can be taken now."""
        return self.draft is not None or self.bare

    def families(self) -> list[tuple[str, str, str]]:
        """Return key, label and source of every family, the tokenizer's own fields first where it has a template."""
        from firstlight_core.template.presets import PRESETS

        rows = [(preset.key, preset.label, preset.source) for preset in PRESETS]
        own = (TOKENIZER, "From the tokenizer", "its own chat template, cut at the text")
        return rows if self.bare else [own, *rows]

    def take_family(self, key: str) -> None:
        """Take the fields of a family; name and numbers stay as they are typed."""
        from firstlight_core.artifact.inference_model import build_inference_model
        from firstlight_core.template.presets import find_preset

        fields = find_preset(key).prompt_template
        if self.draft is None:
            self.begin(build_inference_model(self.suggested_name(), fields))
        else:
            self.draft.replace_prompts(fields)

    async def take_tokenizers(self) -> bool:
        """Take the fields that the tokenizer's own template implies; False when nothing is edited any more.

        Raises:
            FirstlightError: the tokenizer cannot be read.
        """
        model = await self._implied()
        if self.draft is None:
            return False
        self.draft.replace_prompts(model["PromptTemplate"])
        return True

    def take_written(self, model: InferenceModel) -> None:
        """Take the fields of a chat template that was just written; a loaded engine still has the old one."""
        self._workspace.chat.first.close()
        if self.draft is None:
            self.begin(model)
        else:
            self.draft.replace_prompts(model["PromptTemplate"])

    # What is known of it --------------------------------------------------------------------------

    @property
    def work(self) -> Work | None:
        """The proof that runs, or ran last."""
        return self._workspace.works.get(WORK)

    @property
    def checking(self) -> bool:
        """True if a proof runs now."""
        return self.work is not None and self.work.running

    @property
    def report(self) -> TemplateReport | None:
        """The newest check of this artifact."""
        report = self._workspace.works.result(WORK)
        if report is not None and report.get("artifact") == self.artifact:
            return report
        return self._workspace.session.template

    @property
    def fresh(self) -> bool:
        """True if the newest check is about the current fields."""
        return self._stands_in(self.report)

    @property
    def saved(self) -> bool:
        """True if the current fields are written."""
        return self._stands_in(self._workspace.session.template)

    def _stands_in(self, report: TemplateReport | None) -> bool:
        if self.draft is None or report is None:
            return False
        return self.draft.document() == report.get("inference_model")

    @property
    def differs(self) -> bool:
        """True if the renderers are known to differ for the current fields."""
        return self.fresh and self.report is not None and not self.report.get("locked")

    def broken_field(self, act: Act) -> tuple[str, InputRefused] | None:
        """Return the field that forbids this act, and the rule that it breaks."""
        if self.draft is None or act not in ("save", "mend"):
            return None
        problem = self.draft.problem()
        # Mending replaces the PromptTemplate.
        if problem is not None and act == "mend" and problem[1].field.startswith("PromptTemplate"):
            return None
        return problem

    # Proving and writing --------------------------------------------------------------------------

    def prove(self, act: Act, *, force: bool = False) -> None:
        """Begin to check the fields, and to write, mend or restore them as the act says."""
        draft, session = self.draft, self._workspace.session
        if draft is None or self.checking:
            return
        artifact, model = str(self.artifact), draft.document()
        given = Path(session.source) if session.source else None
        services, folder = self._workspace.services, Path(artifact)

        async def run(on_event: OnEvent, started: Started) -> TemplateProof:
            source = await asyncio.to_thread(services.template_truth, folder, given)
            refused = undone = False
            if act == "save":
                try:
                    settled = await services.settle_template(
                        folder, model, source=source, force=force
                    )
                except CheckFailed:
                    # The evidence is worth more than the sentence: the check says where they part.
                    refused = True
                else:
                    saved = _saved(settled, artifact)
                    if fitted := settled.get("fitted"):
                        saved["mended"] = [fitted]
                    else:
                        saved["inference_model"] = model
                    return saved
            elif act == "mend":
                return _saved(
                    await services.repair_template(folder, model, source=source), artifact
                )
            elif act == "undo":
                undone = bool(await asyncio.to_thread(services.undo_template, folder))
            report = await services.check_template(folder, source=source, inference_model=model)
            checked = cast(CheckedTemplate, {**report, "kind": "check"})
            checked["artifact"], checked["inference_model"] = artifact, model
            checked["refused"], checked["undone"] = refused, undone
            return checked

        label = "The template check" if act == "check" else "Writing the template"
        self._workspace.start(WORK, label, run, done=settle_result, only_looks=act == "check")

    # Preview --------------------------------------------------------------------------------------

    def preview(self) -> tuple[Segments, TemplatePreview | None]:
        """Return the conversations of the preview as text, and in tokens when these are known for these very fields."""
        from firstlight_core.template.preview import conversation_segments, question_segments

        if self.draft is None:
            return {}, None
        prompts = self.draft.document()["PromptTemplate"]
        segments = {
            "question": [(s.text, s.role) for s in question_segments(prompts)],
            "conversation": [(s.text, s.role) for s in conversation_segments(prompts)],
        }
        counted, tokens = self._workspace.drafts.template_preview or (None, None)
        return segments, tokens if counted == (self.artifact, prompts) else None

    async def count_preview(self) -> None:
        """Ask the artifact's tokenizer for the tokens of the preview.

        Raises:
            FirstlightError: it cannot be asked.
        """
        if self.draft is None:
            return
        artifact, model = str(self.artifact), self.draft.document()
        preview = await self._workspace.services.preview_template(Path(artifact), model)
        self._workspace.drafts.template_preview = ((artifact, model["PromptTemplate"]), preview)


def _saved(settled: SettledTemplate, artifact: str) -> SavedTemplate:
    return cast(SavedTemplate, {**settled, "kind": "settled", "artifact": artifact})


def settle_result(workspace: Workspace, result: TemplateProof, seconds: float) -> None:
    """Write what a proof of this artifact settled or took back into the session and the ledger."""
    if result["artifact"] != workspace.session.artifact:
        return
    draft = workspace.drafts.template
    if result["kind"] == "settled" or result["undone"]:
        # A loaded engine has the old template in its memory; the next question loads it again.
        workspace.chat.first.close()
    if result["kind"] == "settled":
        if draft is not None and result.get("mended"):
            draft.replace(result["inference_model"])
        workspace.session = workspace.session.decide(template=result)
        values: TemplateValues = {
            "locked": result["locked"],
            "inference_model": result["inference_model"],
            "sentence": result["sentence"],
            "exceptions": result["exceptions"],
            "differences": result["differences"],
        }
        workspace.record("template", "done", values, seconds=seconds)
    elif result["undone"]:
        workspace.session = workspace.session.decide(template=None)
        undone: UndoneValues = {}
        workspace.record("template", "undone", undone, seconds=seconds)
