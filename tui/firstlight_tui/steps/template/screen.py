"""Step 5: the prompt template, proven token by token."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button

from firstlight_core.errors import CheckFailed
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.template import verdicts
from firstlight_tui.steps.template.editor import TemplateEditor
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.template_fields import TemplateFields


class TemplateStep(TemplateEditor):
    """Fields from the tokenizer's own template; one key checks them, one repairs them, one writes them."""

    STEP_ID = "template"
    PURPOSE = "What the model really reads, proven token by token."
    HELP = (
        "Foundry Local's current core reads the tokenizer's chat template and genai_config.json; older ones read "
        "PromptTemplate. Both are written here, and compared token by token before they are. In a field, \\n is "
        "a newline, \\t a tab, \\\\ a backslash, and {Content} the place of the text."
    )
    WORK = "template"
    CSS = """
    TemplateStep #lock { height: auto; max-height: 3; }
    TemplateStep #views { height: 1fr; min-height: 8; }
    TemplateStep TabPane { padding: 0; }
    TemplateStep TabPane VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    TemplateStep #body #actions Button { min-width: 6; margin-right: 1; }
    TemplateStep.-narrow #purpose { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "check", "Check", id="template.check", tooltip="Compare the renderers again"),
        Binding(
            "f6", "presets", "Presets", id="template.presets", tooltip="Take a family's template"
        ),
        Binding(
            "f8",
            "mend",
            "Fix",
            id="template.mend",
            tooltip="Take the tokenizer's PromptTemplate, add missing stop tokens, write, check",
        ),
        Binding("f9", "jinja", "Jinja", id="template.jinja", tooltip="The chat template itself"),
        Binding(
            "f7",
            "json",
            "JSON",
            id="template.json",
            show=False,
            tooltip="Show inference_model.json as it will be written",
        ),
        Binding(
            "f10",
            "unsave",
            "Undo save",
            id="template.unsave",
            show=False,
            tooltip="Put back the files that were replaced last",
        ),
        Binding(
            "ctrl+z", "undo", "Undo", id="template.undo", show=False, tooltip="Undo in the fields"
        ),
        Binding(
            "ctrl+y", "redo", "Redo", id="template.redo", show=False, tooltip="Redo in the fields"
        ),
    ]

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return None if session.artifact else "Convert a model, or adopt an artifact, first."

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.template is not None

    @classmethod
    def finished(cls, workspace: Workspace, result: dict[str, Any], seconds: float) -> None:
        if result.get("artifact") != workspace.session.artifact:
            return
        draft = workspace.drafts.template
        if result.get("settled") or result.get("undone"):
            # A loaded engine has the old template in its memory; the next question loads it again.
            workspace.chat.first.close()
        if result.get("settled"):
            if draft is not None and "mended" in result:
                draft.replace(result["inference_model"])
            workspace.session = workspace.session.decide(template=result)
            values = {key: result.get(key) for key in ("locked", "inference_model")}
            workspace.record("template", "done", seconds=seconds, **values)
        elif result.get("undone"):
            workspace.session = workspace.session.decide(template=None)
            workspace.record("template", "undone", seconds=seconds)

    def compose_actions(self) -> ComposeResult:
        for key, label in (
            ("check", "Check"),
            ("mend", "Fix"),
            ("presets", "Presets"),
            ("jinja", "Jinja"),
        ):
            yield Button(label, id=f"template-{key}", compact=True)

    # Proving and writing --------------------------------------------------------------------------

    @on(Button.Pressed, "#template-check")
    def action_check(self) -> None:
        """Compare the three renderers."""
        self._begin("check")

    @on(Button.Pressed, "#template-mend")
    def action_mend(self) -> None:
        """Repair what can be repaired, write it, and check again."""
        self._begin("mend")

    def action_unsave(self) -> None:
        """Put back the files that were replaced last."""
        self._begin("undo")

    def _begin(self, act: str, *, force: bool = False) -> None:
        if self.draft is None or self._checking or self._field_is_broken(act):
            return
        artifact, written = str(self.session.artifact), self.draft.document()
        given = Path(self.session.source) if self.session.source else None
        services, folder = self.workspace.services, Path(artifact)

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            source = await asyncio.to_thread(services.template_truth, folder, given)
            more: dict[str, Any] = {"artifact": artifact, "inference_model": written}
            if act == "save":
                try:
                    settled = await services.settle_template(
                        folder, written, source=source, force=force
                    )
                    if fitted := settled.get("fitted"):
                        more["inference_model"] = settled["inference_model"]
                        more["mended"] = [fitted]
                    return {**settled, **more, "settled": True}
                except CheckFailed:
                    # The evidence is worth more than the sentence: the check says where they part.
                    more["refused"] = True
            elif act == "mend":
                mended = await services.repair_template(folder, written, source=source)
                return {**more, **mended, "settled": True}
            elif act == "undo":
                more["undone"] = bool(await asyncio.to_thread(services.undo_template, folder))
            document = await services.check_template(folder, source=source, inference_model=written)
            return {**document, **more}

        self.workspace.start(self.WORK, "The template check", run)
        self.query_one("#lock", Words).update("Rendering every conversation three ways …")
        self.refresh_actions()

    def _field_is_broken(self, act: str) -> bool:
        problem = (
            self.draft.problem() if self.draft is not None and act in ("save", "mend") else None
        )
        if problem is None or (act == "mend" and "PromptTemplate" in str(problem[1])):
            return False
        self.notify(f"{problem[1]} {problem[1].hint}", severity="warning", markup=False)
        self.query_one(TemplateFields).field(problem[0]).focus()
        return True

    def primary_label(self) -> str:
        if self.session.artifact is None:
            return ""
        if self._checking:
            return "Checking …"
        if self.draft is None:
            waiting = not self._bare and not self.query_one("#problem").has_class("-shown")
            return "Reading …" if waiting else ""
        if self._is_settled():
            return self.next_label()
        return "Save anyway" if self._open_lock() else "Save template"

    def _open_lock(self) -> bool:
        document = self._document
        return self._fresh and document is not None and not document.get("locked")

    def primary(self) -> None:
        if self._checking or self.draft is None:
            return
        if self._is_settled():
            self.action_next()
        elif not self._open_lock():
            self._begin("save")
        elif not self._field_is_broken("save"):
            sentence = verdicts.first_sentence(self._document or {})
            question = f"{sentence}. Write the template although the renderers differ?"
            self.app.push_screen(ConfirmScreen(question, yes="Write it", no="Keep"), self._accept)

    def _accept(self, yes: bool | None) -> None:
        if yes:
            self._begin("save", force=True)

    def show_work(self, work: Work) -> None:
        if work.running:
            return
        result = work.result or {}
        if result and result.get("artifact") != self.session.artifact and self.draft is not None:
            # The artifact was changed while its check ran; this one has had none yet.
            self.action_check()
            return
        for sentence in result.pop("mended", ()) or ():
            self.notify(sentence, markup=False)
        self._paint()

    def refresh_actions(self) -> None:
        super().refresh_actions()
        for key, usable in (
            ("check", self.draft is not None and not self._checking),
            ("presets", self.draft is not None or self._bare),
            ("mend", verdicts.needs_repair(self._document) and not self._checking),
            ("jinja", self.session.artifact is not None),
        ):
            self.query_one(f"#template-{key}", Button).disabled = not usable
