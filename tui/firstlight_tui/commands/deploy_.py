"""`firstlight deploy`."""

from pathlib import Path

import typer

from firstlight_core.deploy.deployment import deploy as deploy_artifact
from firstlight_core.deploy.deployment import undo as undo_deployment
from firstlight_core.deploy.targets import PUBLISHED, deploy_targets
from firstlight_core.documents.deploy import DeployDocument, Deployed
from firstlight_core.documents.foundry import ExaminationDocument
from firstlight_core.errors import UsageError
from firstlight_core.exports.table import EXPORTS
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.foundry.cli_cache import put_cache_back
from firstlight_core.foundry.visibility import examine
from firstlight_core.model.sources import find_source
from firstlight_core.shells import as_typed_here
from firstlight_core.text import shown_path
from firstlight_tui.commands.output import run_verb, say, show_events
from firstlight_tui.commands.painting import Painted

*_FIRST, _LAST = deploy_targets()
_LISTED = f"{', '.join(_FIRST)} or {_LAST}"
_SIZE = Capacity()
_SIZED = ", ".join(name for name, row in EXPORTS.items() if row.options is not None)
_SERVING = ", ".join(name for name, row in EXPORTS.items() if row.from_weights)


def deploy(
    artifact: Path | None = typer.Argument(None, help="An artifact folder."),
    name: str | None = typer.Option(None, "--name", help="The name it is deployed under."),
    target: str = typer.Option("foundry", help=f"{_LISTED}."),
    cache: str | None = typer.Option(
        None,
        help=f"{', '.join(PUBLISHED)}: private (Firstlight's own) or foundry (that of its CLI).",
    ),
    undo: bool = typer.Option(
        False, "--undo", help="Remove the deployment and everything written for it."
    ),
    doctor: bool = typer.Option(
        False, "--doctor", help="Show which models Foundry Local sees and why others are missing."
    ),
    put_back: bool = typer.Option(
        False,
        "--put-back",
        help="Restore the foundry command's cache folder that the wizard changed.",
    ),
    source: str | None = typer.Option(
        None, help=f"{_SERVING}: the original weights, or `sample` (ollama: or a GGUF)."
    ),
    gpus: int = typer.Option(_SIZE.gpus, help=f"{_SIZED}: GPUs of one replica; 0 for CPU."),
    context: int = typer.Option(
        _SIZE.context, help=f"{_SIZED}: tokens of prompt and answer together."
    ),
    concurrency: int = typer.Option(
        _SIZE.concurrency, help=f"{_SIZED}: requests worked on side by side."
    ),
    replicas: int = typer.Option(_SIZE.replicas, help=f"{_SIZED}: replicas in a cluster."),
    replace: bool = typer.Option(False, "--replace", help="Replace a deployment of this name."),
    force: bool = typer.Option(
        False, "--force", help="Deploy what was published against the numbers gate."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Publish an artifact and prove that it answers."""

    async def work() -> DeployDocument:
        if put_back:
            return await put_cache_back(on_event=show_events(log=True))
        if doctor:
            return await examine(name, cache=cache)
        if name is None:
            raise UsageError("Name the deployment.", hint="firstlight deploy DIR --name N")
        if undo:
            return await undo_deployment(name, target=target)
        if artifact is None:
            raise UsageError("Name the artifact to deploy.", hint="firstlight deploy DIR --name N")
        capacity = Capacity(gpus=gpus, context=context, concurrency=concurrency, replicas=replicas)
        return await deploy_artifact(
            artifact,
            name,
            target=target,
            replace=replace,
            cache=cache or "private",
            source=find_source(source) if source is not None else None,
            capacity=capacity,
            force=force,
            on_event=show_events(),
        )

    run_verb("deploy", work, _show, as_json=json)


def _show(document: DeployDocument) -> None:
    match document["kind"]:
        case "cache-move":
            say(f"The foundry command's cache is at {document['now']} again.")
        case "examination":
            _show_examination(document)
        case "removed":
            for what in document["removed"]:
                say(f"Removed {what}")
        case "published" | "answered" | "export":
            _show_deployed(document)


def _show_deployed(document: Deployed) -> None:
    say(f"{document['name']} is installed in {shown_path(document['path'])}")
    if document["kind"] == "answered":
        say(f"Foundry Local lists it as {document['id']}.")
        say(f"Asked: {document['question']}")
        say(f"Foundry Local answered: {document['answer']}")
        if not document["verified"]:
            say(
                Painted("The artifact itself answers otherwise: ", "bad"),
                document["artifact_answer"],
            )
        else:
            say(Painted("The artifact itself answers the same: verified.", "good"))
    if config := document.get("model_config"):
        values = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in config.items())
        say(f"Answers by default with {values}.")
    for text in document.get("notes", []):
        say(text)
    readers = document["seen_by"] if document["kind"] != "export" else []
    for number, row in enumerate(readers):
        lead = "" if number else "\n"
        say(f"{lead}  {'found by' if row['sees'] else 'not by':9} {row['reader']}: {row['why']}")
    if document["commands"]:
        say()
    for command in document["commands"]:
        say(f"  {as_typed_here(command['command']):44} {command['does']}")


def _show_examination(document: ExaminationDocument) -> None:
    say(f"Cache ({document['cache']}): {document['root']}")
    say(f"Index of registrations in: {document['index']}")
    cli = document["cli"]
    say(f"foundry command: {cli['version'] or 'of no known version' if cli else 'none'}")
    if (moved := document["moved"]) is not None:
        say(
            f"Its cache was moved from {moved['before']}; `firstlight deploy --put-back` undoes that."
        )
    for row in document["seen_by"]:
        say(f"  {'found by' if row['sees'] else 'not by':9} {row['reader']}: {row['why']}")
    say()
    say("Folders, as cores up to 2.0 scan them:")
    for folder in document["folders"]:
        say(
            f"  {'listed' if folder['listed'] else 'NOT LISTED':10}  {folder['id'] or '-'}  {shown_path(folder['folder'])}"
        )
        for reason in folder["reasons"]:
            say(f"{'':14}{reason}")
    say("Registrations, as cores from 2.1 on read them:")
    for model in document["registered"]:
        say(f"  {'there' if model['there'] else 'GONE':10}  {model['id']}  {model['path']}")
    if document["registered_problem"]:
        say(f"  {document['registered_problem']}")
    if not document["folders"] and not document["registered"]:
        say("  nothing is deployed here")
