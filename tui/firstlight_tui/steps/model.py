"""Step 2: which model?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable, Input

from firstlight_core.model_sources import FoundModel
from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line, shown_path
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import Words, cell
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work

WHY_ONNX = """Why ONNX (the course's four reasons)
  1. Hardware independence: the same artifact on CPU, GPU and NPU, chosen by an execution provider.
  2. Performance: graph optimisation and quantised kernels of ONNX Runtime.
  3. Portability: one format from Python, C#, C++, JavaScript, on Windows, macOS and Linux.
  4. Deployment: Foundry Local serves it behind an OpenAI-compatible API, offline.

When something else fits better
  llama.cpp / Ollama   GGUF already at hand, or a runtime in every package manager
  MLX                  Apple silicon only, and nothing else
  vLLM                 a GPU server with many users at once
Firstlight writes the files for Ollama and vLLM too, so the choice is not final."""


class ModelStep(StepScreen):
    """A table of models and a path field; choosing one inspects its headers."""

    STEP_ID = "model"
    STEP_TITLE = "Model"
    PURPOSE = "The fine-tuned model: a Hugging Face folder. Only its headers are read here."
    HELP = "Enter on a row, or a path typed below, inspects the folder. `w` says why ONNX, and when something else is better."
    WORK = "inspect"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="model.search", tooltip="Filter the table"),
        Binding(
            "w",
            "why",
            "Why ONNX",
            id="model.why",
            tooltip="Why ONNX, and when something else fits better",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._found: list[FoundModel] = []

    @classmethod
    def missing(cls, session: Session) -> str | None:
        if session.artifact is not None or session.model is not None:
            return None
        return "Choose a model first: Enter on a row, or a path in the field."

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.model is not None or (
            session.source is None and session.artifact is not None
        )

    def compose_step(self) -> ComposeResult:
        table: DataTable[Any] = DataTable(cursor_type="row", id="models")
        for label in ("Model", "Architecture", "Size", "From", "Where"):
            table.add_column(label)
        yield table
        yield Input(
            placeholder="a folder, or words to search for; Enter inspects a folder",
            id="path",
            compact=True,
        )
        yield Words(id="facts", classes="card")

    def opened(self) -> None:
        self.query_one("#facts").display = False
        self.run_worker(self._list_models(), group="models", exclusive=True)
        if self.session.model is not None:
            self._show_facts(self.session.model)
        elif self.session.source is not None:
            self._inspect(self.session.source)

    async def _list_models(self) -> None:
        import asyncio

        self._found = list(await asyncio.to_thread(self.wizard.services.find_models))
        self._fill("")

    def _fill(self, needle: str) -> None:
        table = self.query_one("#models", DataTable)
        table.clear()
        for model in self._found:
            words = f"{model.name} {model.origin} {model.path}"
            if needle.lower() in words.lower():
                table.add_row(
                    cell(one_line(model.name, 40), "bold"),
                    cell(one_line(model.architecture, 24)),
                    cell(bytes_text(model.weight_bytes) if model.weight_bytes else "–", right=True),
                    cell(model.origin),
                    cell(shown_path(model.path), "dim"),
                    key=str(model.path),
                )

    @on(DataTable.RowSelected, "#models")
    def _row_chosen(self, event: DataTable.RowSelected) -> None:
        self._inspect(str(event.row_key.value))

    @on(Input.Changed, "#path")
    def _typed(self, event: Input.Changed) -> None:
        looks_like_path = event.value.startswith(("/", "~", ".")) or "\\" in event.value
        self._fill("" if looks_like_path else event.value.strip())

    @on(Input.Submitted, "#path")
    def _path_given(self, event: Input.Submitted) -> None:
        text = event.value.strip().strip("'\"").removeprefix("file://")
        if not text:
            return
        table = self.query_one("#models", DataTable)
        if table.row_count == 1 and not Path(text).expanduser().exists():
            text = str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)
        self._inspect(str(Path(text).expanduser()))

    def _inspect(self, folder: str) -> None:
        """Read the headers in a thread; the answer is there in well under a second."""
        self.wizard.stop_work(self.WORK)
        self.wizard.works.pop(self.WORK, None)

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            import asyncio

            path = Path(folder)
            if (path / "genai_config.json").is_file():
                from firstlight_core.artifacts import check_artifact

                await asyncio.to_thread(check_artifact, path)
                return {"adopted": str(path)}
            document = await asyncio.to_thread(self.wizard.services.inspect, path)
            return {"source": folder, "model": dict(document)}

        self.wizard.start(self.WORK, "The inspection", run)

    def show_work(self, work: Work) -> None:
        if work.result is None:
            if work.running:
                self.query_one("#facts", Words).update("Reading headers …")
            return
        if (adopted := work.result.get("adopted")) is not None:
            if self.session.artifact != adopted:
                self.wizard.session = Session(
                    environment=self.session.environment, artifact=adopted
                )
            self._show_adopted(adopted)
            return
        if self.session.model != work.result["model"]:
            self.wizard.session = self.session.decide(source=work.result["source"]).decide(
                model=work.result["model"]
            )
        self._show_facts(work.result["model"])

    def _show_adopted(self, folder: str) -> None:
        facts = self.query_one("#facts", Words)
        facts.display = True
        facts.update(
            f"{shown_path(folder)}\nAn ONNX Runtime GenAI artifact: adopted, conversion is skipped."
        )
        self.query_one("#primary").focus()

    def _show_facts(self, model: Mapping[str, Any]) -> None:
        facts = self.query_one("#facts", Words)
        facts.display = True
        supported = model.get("supported")
        mark = ("✓ supported", "$text-success") if supported else ("✗ not supported", "$text-error")
        size = model.get("weight_bytes")
        lines = [
            Content.assemble(part(shown_path(str(self.session.source or "")), "bold")),
            Content.assemble(
                part(f"{model.get('architecture')}  "),
                mark,
                part(f"  {_millions(model.get('parameters'))} parameters"),
            ),
            Content.assemble(
                part(f"{model.get('dtype')}, {bytes_text(size) if size else '–'} of weights, "),
                part("tied embeddings" if model.get("tied_embeddings") else "separate lm_head"),
                part(f", context {model.get('context_length')} tokens"),
            ),
            Content.assemble(part("chat template: "), part(_template_words(model))),
        ]
        if model.get("licence"):
            lines.append(Content.assemble(part(f"licence: {model['licence']}")))
        lines += [
            Content.styled(f"! {one_line(str(w))}", "$text-warning")
            for w in model.get("warnings") or ()
        ]
        facts.update(Content("\n").join(lines))
        self.query_one("#primary").focus()

    def action_search(self) -> None:
        """Go to the path field, which also filters."""
        self.query_one("#path", Input).focus()

    def action_why(self) -> None:
        """Show why ONNX."""
        self.app.push_screen(DetailScreen("Why ONNX, and when not", WHY_ONNX))

    def primary_label(self) -> str:
        return "" if self.missing(self.session) else self.next_label()


def _millions(count: Any) -> str:
    if not isinstance(count, int):
        return "?"
    return f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def _template_words(model: Mapping[str, Any]) -> str:
    template = model.get("template")
    if isinstance(template, Mapping):
        return (
            f"found in {template.get('file', template.get('source', 'the tokenizer'))}"
            if template.get("found", True)
            else "none"
        )
    return str(template) if template else "none found: the Template step helps"
