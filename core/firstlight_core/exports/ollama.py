"""The Ollama export: is it a model that Ollama imports, and does its Modelfile say what was settled?"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.tokenizer_files import read_chat_template, read_special_tokens
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import WrittenExport
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import CheckFailed, InputRefused
from firstlight_core.exports.ollama_commands import ollama_commands
from firstlight_core.exports.ollama_modelfile import read_modelfile, write_modelfile
from firstlight_core.exports.ollama_template import render_go
from firstlight_core.exports.source_weights import SourceWeights, licences, links_out
from firstlight_core.exports.target import ExportRequest
from firstlight_core.exports.weights_folder import write_for_weights
from firstlight_core.files import is_file, read_json_object
from firstlight_core.template.control_tokens import marking_tokens
from firstlight_core.template.dates import date_formats, frozen_date_notes
from firstlight_core.template.derive import USER
from firstlight_core.template.rendering import private_tokenizer, render
from firstlight_core.template.shapes import parity_shapes
from firstlight_core.template.stop_tokens import turn_ends
from firstlight_core.text import first_difference, one_line, shown_path

MLX_ONLY = (
    "FROM are safetensors: of them Ollama 0.34.1 and newer make an MLX model, of some architectures, which runs on Apple "
    "silicon only. A GGUF runs everywhere: make one of these weights with llama.cpp's convert_hf_to_gguf.py, and name it "
    "with --source FILE.gguf."
)
"""Ollama's documentation on importing, and mellea issue 1651 (September 2026)."""
_NO_ADAPTER = "Ollama takes no adapters any more: since 0.34.1 it refuses ADAPTER in a Modelfile, and these weights are one."


def check_import(weights: SourceWeights, *, find: Callable[[str], object] = find_spec) -> list[str]:
    """Notes on what `ollama create` makes of these weights.

    Raises:
        InputRefused: it will not take them.
    """
    if is_file(weights.folder):
        return []
    if weights.adapter is not None:
        raise InputRefused(
            _NO_ADAPTER,
            hint="Merge it into its base, make a GGUF of the whole, and name that: --source FILE.gguf",
        )
    _check_files(weights.folder)
    return [MLX_ONLY, *_missing_for_gguf(find)]


def _missing_for_gguf(find: Callable[[str], object]) -> list[str]:
    """Return how the packages that convert_hf_to_gguf.py imports are installed, unless all are there."""
    if all(find(module) is not None for module in ("gguf", "sentencepiece", "torch")):
        return []
    return [f"What convert_hf_to_gguf.py imports is installed by: {install_line('gguf')}"]


def _check_files(folder: Path) -> None:
    if not any(folder.glob("model*.safetensors")):
        raise InputRefused(
            f"Ollama looks for model*.safetensors, and {shown_path(folder)} holds none.",
            hint="Name another folder, or a GGUF file: --source PLACE",
        )
    if links_out(folder):
        raise InputRefused(
            "Ollama refuses weights that are links out of their folder, as in Hugging Face's cache.",
            hint="Download real files: hf download ID --local-dir FOLDER, then --source FOLDER",
        )


def runner_begins(weights: SourceWeights) -> bool:
    """Return whether Ollama's runner puts the begin-of-text token in front of every prompt.

    Of safetensors it does so where tokenizer_config.json says `add_bos_token` (convert/tokenizer.go); the
    converters that make GGUF files note it by default.
    """
    if is_file(weights.folder):
        return True
    path = weights.folder / "tokenizer_config.json"
    config = read_json_object(path, strict=False) if is_file(path) else {}
    return config.get("add_bos_token") is True


async def ollama_export(
    artifact: Path,
    weights: SourceWeights,
    document: InferenceModel,
    *,
    context: int | None = None,
) -> tuple[str, list[str]]:
    """Return the proven Modelfile and notes on it.

    Raises:
        InputRefused: Ollama will not import the weights.
        TemplateRefused: a text cannot stand in a Modelfile.
        CheckFailed: its TEMPLATE does not say what the tokenizer's template says.
    """
    notes = check_import(weights)
    template: Mapping[str, str] = document["PromptTemplate"]
    begin = read_special_tokens(artifact).get("bos_token", "")
    begins = runner_begins(weights)
    licence = "\n\n".join(
        raw.decode("utf-8", "replace") for raw in licences(weights.adapter, weights.folder).values()
    )
    best: tuple[str, list[str]] | None = None
    # Where the system text belongs to the first user's turn, only the second form says so.
    for merged in (False, True):
        text = write_modelfile(
            weights.folder,
            document,
            begin=begin,
            runner_begins=begins,
            merged=merged,
            stops=list(turn_ends(template, marking_tokens(artifact))),
            context=context,
            licence=licence,
        )
        proof = await prove(artifact, text, added=begin if begins else "")
        if best is None or len(proof) < len(best[1]):
            best = text, proof
        if len(proof) == 1:
            break
    assert best is not None
    formats = date_formats(read_chat_template(artifact) or "")
    return best[0], best[1] + notes + frozen_date_notes(template, formats)


async def prove(artifact: Path, modelfile: str, *, added: str = "") -> list[str]:
    """Render the Modelfile as Ollama does, and hold it against the tokenizer's template, conversation by conversation.

    `added` is what the runner puts in front. Equal texts are equal tokens: both go through one tokenizer.

    Raises:
        CheckFailed: not even one question is said as the tokenizer's template says it.
    """
    fields = dict(read_modelfile(modelfile))
    go, system = fields["template"], fields.get("system")
    shapes = [shape for shape in parity_shapes(tuple(marking_tokens(artifact))) if shape.generate]
    async with private_tokenizer(artifact) as tokenizer:
        conversations = [shape.to_json() for shape in shapes]
        drawn = (await render("jinja", tokenizer, conversations))["renders"]
    other: dict[str, str] = {}
    agreed = 0
    for shape, expected in zip(shapes, drawn, strict=True):
        messages = list(shape.messages)
        if system is not None and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system})
        if "text" not in expected:
            # The tokenizer's template itself refuses this conversation.
            continue
        rendered = render_go(go, messages)
        wanted = expected["text"].removeprefix(added)
        if rendered == wanted:
            agreed += 1
        else:
            other[shape.label] = _difference(wanted, rendered)
    proof = render_go(go, [{"role": "user", "content": USER}])
    if "one question" in other or USER not in proof:
        raise CheckFailed(
            "Ollama's TEMPLATE cannot say what the tokenizer's chat template says, not even for one question.",
            hint="Use --target bundle or vllm, which keep the chat template itself.",
            detail=other.get("one question", ""),
        )
    notes = [
        f"TEMPLATE was rendered and compared: {agreed} of {agreed + len(other)} conversations agree. "
        "Ollama itself was not run."
    ]
    return notes + [f"It differs for {label}: {words}" for label, words in other.items()]


def _difference(wanted: str, actual: str) -> str:
    start = first_difference(wanted, actual) or 0
    return (
        f"the tokenizer's template has {one_line(repr(wanted[start : start + 40]), 60)}, "
        f"Ollama's {one_line(repr(actual[start : start + 40]), 60)}."
    )


async def _texts(
    request: ExportRequest, weights: SourceWeights
) -> tuple[dict[str, str], WrittenExport]:
    context = check_artifact(request.artifact).context_length
    text, notes = await ollama_export(request.artifact, weights, request.document, context=context)
    commands, command_notes = ollama_commands(request.name, request.destination / "Modelfile")
    return {"Modelfile": text}, {
        "verified": False,
        "files": ["Modelfile"],
        "notes": notes + command_notes,
        "commands": commands,
    }


async def write(request: ExportRequest) -> WrittenExport:
    """Write the export of this target, as `exports.table` calls it."""
    return await write_for_weights(request, _texts)
