"""Step 5: the prompt template, proven token by token."""

import json
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button

from firstlight_core.documents.template import WrittenChatTemplate
from firstlight_core.errors import FirstlightError
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen, DetailScreen
from firstlight_tui.modals.preset import PresetScreen
from firstlight_tui.state.template_draft import NUMBERS
from firstlight_tui.state.template_editing import (
    TOKENIZER,
    WORK,
    Act,
    TemplateEditing,
)
from firstlight_tui.state.work import Work
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.template import verdicts
from firstlight_tui.steps.template.jinja_screen import JinjaScreen
from firstlight_tui.steps.template.views import TemplateViews
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.template_fields import TemplateFields

_UNREADABLE = "There is no template to start from. F9 shows the chat template, and offers families."
_BARE = (
    "This model has no chat template, so it cannot answer yet. F6 offers the formats of known families "
    "(take the one it was trained with), F9 takes your own template."
)

NO_ARTIFACT = "There is no artifact yet: convert a model first."


class TemplateStep(StepScreen):
    """Fields from the tokenizer's own template; one key checks them, one repairs them, one writes them."""

    STEP_ID = "template"
    PURPOSE = "What the model really reads, proven token by token."
    HELP = (
        "Foundry Local's current core reads the tokenizer's chat template and genai_config.json; older ones read "
        "PromptTemplate. Both are written here, and compared token by token before they are. In a field, \\n is "
        "a newline, \\t a tab, \\\\ a backslash, and {Content} the place of the text."
    )
    WORK = WORK
    CSS = """
    TemplateStep #lock { height: auto; max-height: 3; }
    TemplateStep #body #actions Button { min-width: 6; margin-right: 1; }
    TemplateStep.-narrow #purpose { display: none; }
    TemplateStep.-narrow TemplateViews { layout: vertical; height: auto; margin: 0; }
    TemplateStep.-narrow TemplateViews VerticalScroll { width: 100%; height: auto; max-height: 100000; margin: 0; border: none; padding: 0; }
    TemplateStep.-narrow #question-tokens { display: none; }
    TemplateStep.-narrow #check-pane { margin-top: 1; }
    TemplateStep.-narrow TemplateViews #check { width: 100%; height: auto; }
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

    @cached_property
    def editing(self) -> TemplateEditing:
        """The template of the artifact in use."""
        return TemplateEditing(self.workspace)

    def compose_step(self) -> ComposeResult:
        yield Words(id="lock")
        yield TemplateFields(("name", "system", "user", "assistant", "prompt"), NUMBERS)
        yield TemplateViews(self.editing)

    def compose_actions(self) -> ComposeResult:
        for key, label in (
            ("check", "Check"),
            ("mend", "Fix"),
            ("presets", "Presets"),
            ("jinja", "Jinja"),
        ):
            yield Button(label, id=f"template-{key}", compact=True)

    # Reading --------------------------------------------------------------------------------------

    def opened(self) -> None:
        editing = self.editing
        if editing.artifact is None:
            self._say("There is no artifact yet: convert first.")
        elif editing.draft is None and not editing.begin_settled():
            self._say("Reading the tokenizer's own template …")
            begin(self, self._read, group="template-load")
        elif self.session.template is None and not editing.checking:
            self._paint()
            self.action_check()
        self._paint()

    async def _read(self) -> None:
        try:
            await self.editing.read()
        except FirstlightError as error:
            self._offer_families(error)
            return
        self._paint()
        self.action_check()
        self.settle_focus()

    def _offer_families(self, error: FirstlightError) -> None:
        """A model without a chat template takes its family's; one with a broken template is shown as it is."""
        if not self.editing.bare:
            self._say(_UNREADABLE)
            self.show_problem(error)
            return
        self._say(_BARE)
        self.refresh_actions()
        self.query_one("#template-presets", Button).focus()

    # Editing --------------------------------------------------------------------------------------

    @on(TemplateFields.Edited)
    def _edited(self, message: TemplateFields.Edited) -> None:
        if (draft := self.editing.draft) is not None:
            draft.edit(message.field, message.text)
            self._paint()

    def action_undo(self) -> None:
        """Take the last change of the fields back."""
        if (draft := self.editing.draft) is not None and draft.undo():
            self._paint()

    def action_redo(self) -> None:
        """Make it again."""
        if (draft := self.editing.draft) is not None and draft.redo():
            self._paint()

    @on(Button.Pressed, "#template-presets")
    def action_presets(self) -> None:
        """Choose where the fields come from."""
        if self.editing.takes_families:
            screen = PresetScreen("Fields of which family?", self.editing.families())
            self.app.push_screen(screen, self._take_family)
        else:
            self.say_why_not(NO_ARTIFACT)

    def _take_family(self, key: str | None) -> None:
        if key is None or not self.editing.takes_families:
            return
        if key == TOKENIZER:
            begin(self, self._take_tokenizers, group="template-load")
            return
        self.editing.take_family(key)
        self._paint()
        self.action_check()

    async def _take_tokenizers(self) -> None:
        try:
            taken = await self.editing.take_tokenizers()
        except FirstlightError as error:
            self.show_problem(error)
            return
        if taken:
            self._paint()
            self.action_check()

    def action_json(self) -> None:
        """Show inference_model.json as it will be written."""
        if (draft := self.editing.draft) is not None:
            text = json.dumps(draft.document(), indent=2, ensure_ascii=False)
            self.app.push_screen(DetailScreen("inference_model.json", text))

    @on(Button.Pressed, "#template-jinja")
    def action_jinja(self) -> None:
        """Show, and edit, the chat template itself."""
        if self.session.artifact is None:
            self.say_why_not(NO_ARTIFACT)
            return
        source = Path(self.session.source) if self.session.source else None
        self.app.push_screen(JinjaScreen(Path(self.session.artifact), source), self._written)

    def _written(self, written: WrittenChatTemplate | None) -> None:
        if written is None:
            return
        self.clear_problem()
        self.editing.take_written(written["inference_model"])
        self.notify("The chat template was written; F10 puts the old one back.", markup=False)
        self._paint()
        self.action_check()

    # Proving and writing --------------------------------------------------------------------------

    @on(Button.Pressed, "#template-check")
    def action_check(self) -> None:
        """Compare the three renderers."""
        self._prove("check")

    @on(Button.Pressed, "#template-mend")
    def action_mend(self) -> None:
        """Repair what can be repaired, write it, and check again."""
        self._prove("mend")

    def action_unsave(self) -> None:
        """Put back the files that were replaced last."""
        self._prove("undo")

    def _prove(self, act: Act, *, force: bool = False) -> None:
        editing = self.editing
        if editing.draft is None and self.session.artifact is None:
            self.say_why_not(NO_ARTIFACT)
        if editing.draft is None or editing.checking or self._refuse(act):
            return
        editing.prove(act, force=force)
        self._say("Rendering every conversation three ways …")
        self.refresh_actions()

    def _refuse(self, act: Act) -> bool:
        """Lead to the field that forbids the act; False when none does."""
        broken = self.editing.broken_field(act)
        if broken is None:
            return False
        field, error = broken
        self.notify(error.with_hint, severity="warning", markup=False)
        self.query_one(TemplateFields).field(field).focus()
        return True

    def primary_label(self) -> str:
        editing = self.editing
        if editing.artifact is None:
            return ""
        if editing.checking:
            return "Checking …"
        if editing.draft is None:
            waiting = not editing.bare and not self.query_one("#problem").has_class("-shown")
            return "Reading …" if waiting else ""
        if editing.saved:
            return self.next_label()
        return "Save anyway" if editing.differs else "Save template"

    def primary(self) -> None:
        editing = self.editing
        if editing.checking or editing.draft is None:
            return
        if editing.saved:
            self.action_next()
        elif not editing.differs:
            self._prove("save")
        elif not self._refuse("save"):
            sentence = verdicts.first_sentence(editing.report)
            question = f"{sentence}. Write the template although the renderers differ?"
            self.app.push_screen(ConfirmScreen(question, yes="Write it", no="Keep"), self._accept)

    def _accept(self, yes: bool | None) -> None:
        if yes:
            self._prove("save", force=True)

    # Painting -------------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        self.query_one("#lock", Words).update(sentence)

    def _paint(self) -> None:
        """Show the draft and what is known about it."""
        editing, fields = self.editing, self.query_one(TemplateFields)
        draft = editing.draft
        fields.disabled = draft is None
        if draft is None:
            return
        fields.show(draft.texts)
        problem = draft.problem()
        fields.mark(*(problem[0], str(problem[1])) if problem else ("", ""))
        if not editing.checking:
            self.query_one("#lock", Words).update(
                verdicts.parity_content(editing.report, fresh=editing.fresh, saved=editing.saved)
            )
        self.query_one(TemplateViews).show()
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        if work.running:
            return
        result = self.workspace.works.result(WORK)
        if result is not None:
            if result["artifact"] != self.session.artifact and self.editing.draft is not None:
                # The artifact was changed while its check ran; this one has had none yet.
                self.action_check()
                return
            if result["kind"] == "settled":
                for sentence in result.pop("mended", ()):
                    self.notify(sentence, markup=False)
        self._paint()

    def refresh_actions(self) -> None:
        super().refresh_actions()
        editing = self.editing
        for key, usable in (
            ("check", editing.draft is not None and not editing.checking),
            ("presets", editing.takes_families),
            ("mend", verdicts.needs_repair(editing.report) and not editing.checking),
            ("jinja", editing.artifact is not None),
        ):
            self.query_one(f"#template-{key}", Button).disabled = not usable
