"""`firstlight template`."""

from pathlib import Path

import typer

from firstlight_core.artifact.inference_model import (
    build_inference_model,
    read_inference_model,
    validate_inference_model,
)
from firstlight_core.artifact.manifest import read_source
from firstlight_core.artifact.tokenizer_files import TEMPLATE_LIMIT, read_chat_template
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.template import TemplateDocument
from firstlight_core.errors import TemplateRefused, UsageError
from firstlight_core.files import read_json_object, read_limited
from firstlight_core.model.sources import find_source
from firstlight_core.template.chat_template import settle_template_file
from firstlight_core.template.parity import check_template, default_name, derive_inference_model
from firstlight_core.template.presets import PRESETS, TOKENIZER, find_preset
from firstlight_core.template.repair import repair_template
from firstlight_core.template.settle import settle_template, undo_template
from firstlight_core.text import shown_path
from firstlight_tui.commands.output import run_verb, say
from firstlight_tui.commands.painting import Painted, Role

_FAMILIES = ", ".join([TOKENIZER, *(preset.key for preset in PRESETS)])


def template(
    artifact: Path = typer.Argument(..., help="An artifact folder."),
    check: bool = typer.Option(False, "--check", help="Only compare (the default)."),
    settle: Path | None = typer.Option(None, "--set", help="Write this inference_model.json."),
    preset: str | None = typer.Option(None, help=f"Write a family's template: {_FAMILIES}."),
    jinja: Path | None = typer.Option(
        None, "--template", help="Write this chat template (a Jinja file)."
    ),
    mend: bool = typer.Option(
        False, "--mend", help="Fix what can be fixed, and write the tokenizer's own PromptTemplate."
    ),
    undo: bool = typer.Option(False, "--undo", help="Restore what was there before."),
    source: str | None = typer.Option(None, help="Compare with this source model, or `sample`."),
    force: bool = typer.Option(
        False, "--force", help="Write it although the check found a mismatch."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Check or set the prompt template of an artifact."""

    async def work() -> TemplateDocument:
        chosen = [check, settle is not None, preset is not None, jinja is not None, mend, undo]
        if sum(chosen) > 1:
            raise UsageError(
                "Choose one of --check, --set, --preset, --template, --mend and --undo."
            )
        truth = find_source(source) if source is not None else _known_source(artifact)
        if undo:
            undone = undo_template(artifact)
            if read_chat_template(artifact) is None:
                return {
                    "kind": "restored-without-template",
                    "ok": True,
                    "locked": False,
                    **undone,
                }
            return {**await check_template(artifact, truth), **undone, "kind": "restored"}
        if mend:
            return await repair_template(artifact, truth)
        if settle is not None:
            document = validate_inference_model(read_json_object(settle))
            return await settle_template(artifact, document, truth, force=force)
        if preset is not None:
            document = await _from_preset(artifact, preset)
            return await settle_template(artifact, document, truth, force=force)
        if jinja is not None:
            return await settle_template_file(artifact, _template_text(jinja), force=force)
        return await check_template(artifact, truth)

    run_verb("template", work, _show, as_json=json)


def _template_text(path: Path) -> str:
    """Return the text of a Jinja file.

    Raises:
        InputRefused: it cannot be read.
        TemplateRefused: it is not UTF-8.
    """
    try:
        return read_limited(path, limit=TEMPLATE_LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateRefused(
            f"{shown_path(path)} is not UTF-8 text.", hint="Save the chat template as UTF-8."
        ) from error


def _known_source(artifact: Path) -> Path | None:
    """Return the source that the artifact's manifest names, when it is still there."""
    about = read_source(artifact)
    source = Path(about["path"]) if about is not None else None
    return source if source is not None and (source / "tokenizer.json").is_file() else None


async def _from_preset(artifact: Path, key: str) -> InferenceModel:
    """Return the artifact's document with a family's PromptTemplate."""
    name = default_name(artifact)
    if key == TOKENIZER:
        fresh = await derive_inference_model(artifact, name)
    else:
        fresh = build_inference_model(name, find_preset(key).prompt_template)
    stored = read_inference_model(artifact)
    if stored is None:
        return fresh
    stored["PromptTemplate"] = fresh["PromptTemplate"]
    return stored


_MARKS = {"same": "✓", "differs": "✗", "cannot": "–"}
_ROLES: dict[str, Role] = {"same": "good", "differs": "bad", "cannot": "quiet"}


def _show(document: TemplateDocument) -> None:
    if document["kind"] == "restored-without-template":
        say("Restored: " + ", ".join(document["written"]))
        say("The model has no chat template again.")
        return
    say(Painted(document["sentence"], "good" if document["ok"] else "bad"))
    say()
    say("Each against transformers; first mark: onnxruntime-genai, second: PromptTemplate.")
    for row in document["shapes"]:
        marks = [
            Painted(_MARKS.get(verdict, " "), _ROLES.get(verdict, "plain"))
            for verdict in (row.get("genai", ""), row.get("prompt_template", ""))
        ]
        about = f": {row['note']}" if "note" in row else ""
        say(marks[0], " ", marks[1], f"  {row['label']}{about}")
    seen: dict[str, set[str]] = {}
    for difference in document["differences"]:
        seen.setdefault(difference["sentence"], set()).add(difference["shape"])
    for sentence, shapes in list(seen.items())[:12]:
        say(sentence + (f" (in {len(shapes)} conversations)" if len(shapes) > 1 else ""))
    say(document["stop_tokens"]["sentence"])
    for note in document["notes"]:
        say(note)
    if document["kind"] != "check" and document["written"]:
        done = "Restored" if document["kind"] == "restored" else "Written"
        say(f"{done}: " + ", ".join(document["written"]))
