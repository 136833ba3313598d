"""How a model looks: its row in the table, the card with its facts, the line that says whether it fits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text
from textual.content import Content

from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.documents.inference import ConnectedServer
from firstlight_core.documents.model import InspectDocument, SupportDocument
from firstlight_core.estimate.run_memory import rough_run_bytes
from firstlight_core.model.sources import FoundModel
from firstlight_core.model.support import STATUS_WORDS
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision
from firstlight_core.text import bytes_text, one_line, seconds_text, shown_path, visible
from firstlight_tui.steps.model.inspection import ArtifactFacts
from firstlight_tui.widgets import cell
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.fitted_table import Column
from firstlight_tui.widgets.words import part

COLUMNS = (
    Column(key="name", label="Model", share=4),
    Column(key="mark", width=1),
    Column(key="architecture", label="Architecture", width=22, from_width=120),
    Column(key="size", label="Size", width=9, right=True),
    Column(key="fit", label="RAM to run it as INT4", width=24, from_width=90),
    Column(key="origin", label="From", width=7),
    Column(key="where", label="Where", share=3),
)
SUPPORT: Mapping[bool | None, tuple[str, str]] = {
    True: ("✓ supported", "$text-success"),
    False: ("✗ not supported", "$text-error"),
    None: ("? no builder here to ask", "$foreground-muted"),
}
WHY_ONNX = """Why ONNX (the course's four reasons)
  1. Better performance optimization: graph optimisation and quantised kernels of ONNX Runtime.
  2. Hardware-agnostic deployment: CPU, GPU and NPU by execution provider. Firstlight builds for CPU.
  3. Production-ready capabilities: Foundry Local serves it behind an OpenAI-compatible API, offline.
  4. Cross-platform compatibility: one format from Python, C#, C++ and JavaScript.

When something else fits better
  llama.cpp / Ollama   GGUF already at hand, or a runtime in every package manager
  MLX                  Apple silicon only, and nothing else
  vLLM                 a GPU server with many users at once
Firstlight writes vLLM's files too, and Ollama's Modelfile for a GGUF of yours: the choice is not final."""

WHAT_COMES = (
    "Enter on a row, or a path above, shows here what the model is and what it becomes at each precision.\n\n"
    + WHY_ONNX
)
"""Where the cards will be, until a model is chosen."""


def choose_models(
    models: Sequence[FoundModel], *, needle: str = "", origin: str = "", sort: str = ""
) -> list[FoundModel]:
    """Return the models of one origin that hold every word, in the order found, or sorted (largest size first)."""
    words = needle.lower().split()
    chosen = [
        model
        for model in models
        if origin in ("", model.origin)
        and all(
            word in f"{model.name} {model.origin} {model.architecture} {model.path}".lower()
            for word in words
        )
    ]
    match sort:
        case "name" | "architecture" | "origin":
            chosen.sort(key=lambda model: str(getattr(model, sort)).lower())
        case "size":
            chosen.sort(key=lambda model: -model.weight_bytes)
        case "where":
            chosen.sort(key=lambda model: str(model.path))
    return chosen


def model_cells(model: FoundModel, *, chosen: bool = False, memory: int = 0) -> dict[str, Text]:
    """Return the cells of one row; `memory` are the bytes that the machine has, 0 when nobody knows."""
    where, home = shown_path(model.path), str(Path.home())
    return {
        "mark": cell("✓" if chosen else "", "bold"),
        "name": cell(one_line(model.name, 100), "bold"),
        "architecture": cell(one_line(model.architecture, 40)),
        "size": cell(bytes_text(model.weight_bytes) if model.weight_bytes else "–", right=True),
        "fit": cell(fit_bar(model.weight_bytes, memory)),
        "origin": cell(model.origin),
        "where": cell("~" + where[len(home) :] if where.startswith(home) else where, "dim"),
    }


def fit_bar(weight_bytes: int, memory: int) -> str:
    """Return the memory that a model needs to run, as a part of the machine's: an estimate."""
    if not weight_bytes or not memory:
        return "–"
    needed = rough_run_bytes(weight_bytes)
    if needed > memory:
        return f"✗ too large ≈ {bytes_text(needed)}"
    full = max(1, round(8 * needed / memory))
    return f"▕{'█' * full}{'░' * (8 - full)}▏ ≈ {bytes_text(needed)}"


def count_words(count: object) -> str:
    """Return a number of parameters in millions, as every verb says it: `134.5 M`."""
    return f"{count / 1e6:,.1f} M" if isinstance(count, int) else "?"


def facts_words(source: str, model: InspectDocument) -> HangingText:
    """Return the card of one inspected model; every figure read from headers, but for the line that says estimate."""
    size = model.get("weight_bytes")
    kinds = model.get("parameters_by_kind")
    tied = bool(model.get("tied_embeddings"))
    by_kind = [
        f"{kind} {count_words(count)}" for kind, count in (kinds.items() if kinds else ()) if count
    ]
    if kinds and tied:
        by_kind.append("head tied to the embedding")
    mark = SUPPORT[model.get("supported")]
    context = model.get("context_length")
    lines = [
        Paragraph(text=_name_and_folder(Path(source))),
        Paragraph(text=Content.assemble(part(f"{model.get('architecture')}  "), mark)),
        *_measured(model.get("support")),
        fit_words(model.get("estimates") or {}),
        *(
            Paragraph(
                head=[("! ", "$text-warning")],
                text=Content.styled(visible(one_line(str(warning), 300)), "$text-warning"),
            )
            for warning in model.get("warnings") or ()
        ),
        _line("parameters", f"{count_words(model.get('parameters'))}", ", ".join(by_kind)),
        _line(
            "weights",
            f"{bytes_text(size) if size else '–'}, {model.get('dtype')}",
            f"context {context} tokens" if context else "no context length named",
        ),
        _line("template", _template(model), f"licence: {model.get('licence') or 'not found'}"),
    ]
    if special := model.get("special_tokens"):
        named = ", ".join(f"{k.removesuffix('_token')} {v}" for k, v in special.items())
        stops = ", ".join(map(str, model.get("eos_token_ids") or ()))
        lines.append(_line("tokens", one_line(named, 120), f"stop ids {stops}" if stops else ""))
    if adapter := model.get("adapter"):
        base = shown_path(str(model.get("base_folder", "")))
        lora = f"LoRA, rank {adapter.get('rank')}, on {one_line(str(adapter.get('base')), 80)}"
        lines.append(_line("adapter", lora, f"base found: {base}"))
    digest = str(model.get("fingerprint") or "")
    lines.append(_line("fingerprint", digest[: digest.find(":") + 13] + "…" if digest else "–"))
    return HangingText(*lines)


def _measured(support: SupportDocument | None) -> list[Paragraph]:
    """Return the compatibility matrix' verdict on such a model in one line."""
    if not support:
        return []
    status = support["status"]
    colour = "$text-success" if status == "proven" else "$text-warning"
    words = STATUS_WORDS.get(status, status)
    text = Content.assemble(
        part(f"{words}: ", colour),
        part(one_line(str(support.get("reason")), 240), "$foreground-muted"),
    )
    return [Paragraph(text=text)]


def _line(name: str, main: str, more: str = "") -> Paragraph:
    text = Content.assemble(part(main), part(f"  {more}" if more else "", "$foreground-muted"))
    return _named(name, text)


def _named(name: str, text: Content) -> Paragraph:
    return Paragraph(head=[(f"{name:12}", "$foreground-muted")], text=text)


def _template(model: InspectDocument) -> str:
    template = model.get("template")
    return str(template) if template else "none: the Template step helps"


def fit_words(estimates: Mapping[str, EstimateDocument]) -> Paragraph:
    """Return whether the advised precision can be made here; when it cannot, why, and which ones can."""
    row = estimates.get(DEFAULT_PRECISION)
    if row is None:
        return _line("estimate", "none")
    label = find_precision(DEFAULT_PRECISION).label
    if row.get("available"):
        needs = f"needs {bytes_text(row['peak_ram_bytes'])} of RAM"
        if row.get("seconds") is not None:
            needs += f" and {seconds_text(row['seconds'])} to convert"
        text = Content.assemble(
            part(f"{label}: {bytes_text(row['bytes'])}, "),
            part("fits", "bold $text-success"),
            part(f"  {needs}", "$foreground-muted"),
        )
        return _named("estimate", text)
    fitting = [find_precision(key).label for key, other in estimates.items() if other["available"]]
    would = f" What fits: {', '.join(fitting)}." if fitting else ""
    text = Content.assemble(
        part(f"{label}: will not fit. ", "bold $text-error"),
        part(one_line(str(row.get("reason", "")), 300) + would),
    )
    return _named("estimate", text)


def adopted_words(folder: str, facts: ArtifactFacts) -> HangingText:
    """Return the card of an ONNX folder that is used as it is."""
    return HangingText(
        *_title(
            shown_path(folder), "✓ An ONNX Runtime GenAI artifact: adopted, conversion is skipped."
        ),
        _line(
            "artifact",
            f"{facts.get('model_type')}, {bytes_text(facts.get('bytes') or 0)}",
            f"context {facts.get('context_length')} tokens, "
            f"made as {facts.get('precision') or 'unknown precision'}",
        ),
    )


def server_words(endpoint: ConnectedServer) -> HangingText:
    """Return the card of a connected server."""
    where = f"another machine, {endpoint['target']}" if endpoint["network"] else endpoint["target"]
    return HangingText(
        *_title(
            one_line(endpoint["model"], 80),
            "✓ A running server: nothing is converted or deployed.",
        ),
        _line(
            "server", one_line(endpoint["server"] or "at your address", 80), one_line(where, 200)
        ),
        _line("next", "Chat, Benchmark, Quality", "Ctrl+G disconnects"),
    )


def _name_and_folder(source: Path) -> Content:
    folder = part(f"  in {shown_path(source.parent)}", "$foreground-muted")
    return Content.assemble(part(shown_path(source.name), "bold"), folder)


def _title(name: str, state: str) -> tuple[Paragraph, Paragraph]:
    return (
        Paragraph(text=Content.assemble(part(name, "bold"))),
        Paragraph(text=Content.styled(state, "$text-success")),
    )
