"""Writes and removes exports: what the targets of the table have in common."""

from collections.abc import Callable
from pathlib import Path

from firstlight_core.artifact.inference_model import check_name
from firstlight_core.artifact.publishing import read_manifest, remove_tree
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import ExportDocument, RemovedDocument
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.exports.table import EXPORTS
from firstlight_core.exports.target import Export, ExportRequest
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Stage
from firstlight_core.text import one_line, shown_path


def export_place(name: str, target: str) -> Path:
    """Return where an export of this name is written.

    Raises:
        UsageError: there is no such target.
    """
    return find_paths().data / "exports" / target / f"{name}{find_export(target).suffix}"


def find_export(target: str) -> Export:
    """Return the row of this target.

    Raises:
        UsageError: there is none; the hint lists those that exist.
    """
    if target not in EXPORTS:
        raise UsageError(
            f"There is no export {one_line(target, 40)!r}.",
            hint=f"Choose one of: {', '.join(EXPORTS)}.",
        )
    return EXPORTS[target]


async def export(
    artifact: Path,
    name: str,
    target: str,
    document: InferenceModel,
    *,
    source: Path | None = None,
    capacity: Capacity | None = None,
    replace: bool = False,
    say: Callable[[Event], None],
) -> ExportDocument:
    """Write one export; `document` is the settled inference_model.json.

    Raises:
        UsageError: there is no such target, or a number is out of range.
        InputRefused: the name is taken, or the original weights are not there.
        CheckFailed: the TEMPLATE for Ollama does not say what the tokenizer's template says.
    """
    check_name(name)
    row = find_export(target)
    destination = export_place(name, target)
    if destination.exists() and not replace:
        raise InputRefused(
            f"There is a {target} export {name} already.",
            hint="Add --replace, or remove it: "
            f"firstlight deploy --name {name} --target {target} --undo",
        )
    say(Stage("export", f"Writing {row.written} for {name}"))
    request = ExportRequest(
        artifact=artifact,
        name=name,
        destination=destination,
        document=document,
        source=source,
        capacity=capacity,
        say=say,
    )
    written = await row.write()(request)
    return {
        "kind": "export",
        "name": name,
        "id": name,
        "path": str(destination),
        "target": target,
        **written,
    }


def undo_export(name: str, target: str) -> RemovedDocument:
    """Remove an export.

    Raises:
        InputRefused: there is none of this name.
    """
    exported = export_place(check_name(name), target)
    if exported.is_file():
        exported.unlink()
    elif exported.is_dir() and read_manifest(exported) is not None:
        remove_tree(exported)
    else:
        raise InputRefused(
            f"There is no {target} export {name}.",
            hint=f"Exports stand in {shown_path(exported.parent)}.",
        )
    for folder in (exported.parent, exported.parent.parent):
        if not any(folder.iterdir()):
            folder.rmdir()
    return {"kind": "removed", "name": name, "removed": [str(exported)]}
