"""Step 5: the prompt template, proven token by token."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.content import Content
from textual.widgets import Button, Input, Label

from firstlight_core.errors import FirstlightError
from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work

ROLES = ("system", "user", "assistant", "prompt")
NUMBERS = ("max_length", "temperature", "top_p", "repetition_penalty")


def escaped(text: str) -> str:
    """A template field on one line: newlines and tabs as `\\n` and `\\t`."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def unescaped(text: str) -> str:
    """The inverse of `escaped`."""
    pieces = text.split("\\\\")
    return "\\".join(piece.replace("\\n", "\n").replace("\\t", "\t") for piece in pieces)


class TemplateStep(StepScreen):
    """Fields from the tokenizer's own template; one key proves them, one writes them."""

    STEP_ID = "template"
    STEP_TITLE = "Template"
    PURPOSE = "What the model really reads: the tokenizer's template, genai's, and the PromptTemplate, token by token."
    HELP = (
        "Foundry Local's current core reads the tokenizer's chat template and genai_config.json; older ones read "
        "PromptTemplate. Both are written here, and compared token by token before they are."
    )
    WORK = "template"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f5", "check", "Check", id="template.check", tooltip="Compare the three renderers again"
        ),
        Binding(
            "f6",
            "from_tokenizer",
            "From tokenizer",
            id="template.tokenizer",
            tooltip="Take every field from the tokenizer's own template",
        ),
        Binding(
            "f7",
            "json",
            "JSON",
            id="template.json",
            tooltip="Show inference_model.json as it will be written",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._base: dict[str, Any] = {}

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return None if session.artifact else "Convert a model, or adopt an artifact, first."

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.template is not None

    def compose_step(self) -> ComposeResult:
        yield Words(id="lock")
        with Grid(id="fields"):
            for name in ("name", *ROLES, *NUMBERS):
                yield Label(name.replace("_", " "), classes="muted")
                yield Input(id=f"field-{name.replace('_', '-')}", compact=True)
        yield Words(id="shapes", classes="card")

    def opened(self) -> None:
        if self.session.artifact is None:
            self.query_one("#lock", Words).update("There is no artifact yet: convert first.")
            return
        settled = (self.session.template or {}).get("inference_model")
        if settled:
            self._fill(settled)
            self._show_document(self.session.template or {})
        else:
            self.action_from_tokenizer()

    def action_from_tokenizer(self) -> None:
        """Fill the fields from the tokenizer's own template, then prove them."""
        artifact = Path(str(self.session.artifact))
        source = self.wizard.paths.model_name(self.session.source or artifact)
        key = self._precision_key()
        name = f"{source}-{key}" if key else source
        try:
            self._fill(self.wizard.services.default_inference_model(artifact, _model_name(name)))
        except FirstlightError as error:
            self.show_problem(error)
            return
        self.action_check()

    def _precision_key(self) -> str:
        for document in self.session.artifacts:
            if document.get("artifact") == self.session.artifact:
                return str(document.get("precision", ""))
        return ""

    def _fill(self, model: Mapping[str, Any]) -> None:
        self._base = dict(model)
        prompts, numbers = model.get("PromptTemplate", {}), model.get("ModelConfig", {})
        self._field("name").value = str(model.get("Name", ""))
        for role in ROLES:
            self._field(role).value = escaped(str(prompts.get(role, "")))
        for number in NUMBERS:
            self._field(number).value = f"{numbers.get(number, '')}"

    def _field(self, name: str) -> Input:
        return self.query_one(f"#field-{name.replace('_', '-')}", Input)

    def _written(self) -> dict[str, Any]:
        numbers: dict[str, Any] = {}
        for number in NUMBERS:
            text = self._field(number).value.strip()
            try:
                numbers[number] = int(text) if number == "max_length" else float(text)
            except ValueError:
                numbers[number] = text
        return {
            **self._base,
            "Name": self._field("name").value.strip(),
            "PromptTemplate": {role: unescaped(self._field(role).value) for role in ROLES},
            "ModelConfig": numbers,
        }

    def action_check(self) -> None:
        """Compare the three renderers."""
        self._begin(settle=False)

    def _begin(self, *, settle: bool) -> None:
        artifact, written = Path(str(self.session.artifact)), self._written()
        source = Path(self.session.source) if self.session.source else None
        services = self.wizard.services

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            if settle:
                document = await services.settle_template(artifact, written, source=source)
                return {**document, "settled": True}
            document = await services.check_template(
                artifact, source=source, inference_model=written
            )
            return {"inference_model": written, **document}

        self.wizard.start(self.WORK, "The template check", run)
        self.refresh_actions()

    def primary_label(self) -> str:
        if self.session.artifact is None:
            return ""
        if self.work is not None and self.work.running:
            return "Checking …"
        return self.next_label() if self._is_settled() else "Save template"

    def _is_settled(self) -> bool:
        return self.session.template is not None and self._written() == self.session.template.get(
            "inference_model"
        )

    def primary(self) -> None:
        if self.work is not None and self.work.running:
            return
        if self._is_settled():
            self.action_next()
        else:
            self._begin(settle=True)

    @on(Input.Changed)
    def _edited(self) -> None:
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        if work.running:
            self.query_one("#lock", Words).update("Rendering eight conversations three ways …")
            return
        document = work.result
        if document is None:
            self.query_one("#lock", Words).update("")
            return
        if document.get("settled") and self.session.template is not document:
            self.wizard.session = self.session.decide(template=document)
            self.wizard.record(
                "template",
                "done",
                locked=document.get("locked"),
                inference_model=document.get("inference_model"),
            )
        self._show_document(document)

    def _show_document(self, document: Mapping[str, Any]) -> None:
        differences = document.get("differences") or []
        if document.get("locked"):
            lock = Content.assemble(
                part("● Locked: ", "bold $text-success"),
                part("all renderers give the same tokens."),
            )
        else:
            lock = Content.assemble(
                part("○ Not locked. ", "bold $text-warning"), part(_first_sentence(differences))
            )
        lines = [lock]
        if document.get("settled"):
            lines.append(
                Content.styled(
                    "Saved: inference_model.json and genai_config.json.", "$foreground-muted"
                )
            )
        self.query_one("#lock", Words).update(Content("\n").join(lines))
        shapes = [_shape_line(shape) for shape in document.get("shapes") or ()]
        stop = document.get("stop_tokens")
        if isinstance(stop, Mapping):
            good = bool(stop.get("ok"))
            shapes.append(
                Content.assemble(
                    part("✓ " if good else "✗ ", "$text-success" if good else "$text-error"),
                    part(f"stop token: {one_line(str(stop.get('sentence') or stop))}"),
                )
            )
        self.query_one("#shapes", Words).update(Content("\n").join(shapes))

    def action_json(self) -> None:
        """Show inference_model.json as it will be written."""
        import json

        self.app.push_screen(
            DetailScreen(
                "inference_model.json", json.dumps(self._written(), indent=2, ensure_ascii=False)
            )
        )

    @on(Button.Pressed, "#check")
    def _check_pressed(self) -> None:
        self.action_check()

    def compose_actions(self) -> ComposeResult:
        yield Button("Check", id="check", compact=True)


def _first_sentence(differences: Any) -> str:
    for difference in differences:
        return one_line(
            str(difference.get("sentence", difference))
            if isinstance(difference, Mapping)
            else str(difference)
        )
    return "The check has not run."


def _shape_line(shape: Mapping[str, Any]) -> Content:
    """One conversation: what each renderer made of it, and how many tokens it has."""
    verdicts = {name: str(shape.get(name, "")) for name in ("genai", "prompt_template")}
    different = any(verdict == "differs" for verdict in verdicts.values())
    mark = part("✗ ", "$text-error") if different else part("✓ ", "$text-success")
    tokens = (shape.get("tokens") or {}).get("reference")
    pieces = [mark, part(f"{one_line(str(shape.get('label') or shape.get('id')), 34):36}")]
    pieces.append(part(f"{tokens} tokens" if tokens is not None else "", "$foreground-muted"))
    for name, verdict in verdicts.items():
        if verdict not in ("same", ""):
            words = "PromptTemplate" if name == "prompt_template" else name
            said = "cannot express this" if verdict == "cannot" else verdict
            pieces.append(part(f"  {words}: {said}", "$text-warning"))
    return Content.assemble(*pieces)


def _model_name(text: str) -> str:
    import re

    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:80] or "model"
