"""`firstlight deploy`."""

from pathlib import Path

import typer

from firstlight_core.deploy.deployment import deploy as deploy_artifact
from firstlight_core.deploy.deployment import undo as undo_deployment
from firstlight_core.deploy.exports import EXPORTS, undo_export
from firstlight_core.deploy.vllm import Capacity
from firstlight_core.errors import UsageError
from firstlight_tui.commands.output import Document, run_verb, say, show_events


def deploy(
    artifact: Path | None = typer.Argument(None, help="An artifact folder."),
    name: str = typer.Option(..., "--name", help="The name it is deployed under."),
    target: str = typer.Option("foundry", help="foundry, folder, ollama, vllm or bundle."),
    undo: bool = typer.Option(False, "--undo", help="Take the deployment back without a trace."),
    source: Path | None = typer.Option(None, help="ollama, vllm: folder of the original weights."),
    gpus: int = typer.Option(1, help="vllm: GPUs of one replica; 0 for CPU."),
    context: int = typer.Option(2048, help="vllm: tokens of prompt and answer together."),
    concurrency: int = typer.Option(16, help="vllm: requests worked on side by side."),
    replicas: int = typer.Option(1, help="vllm: replicas in a cluster."),
    replace: bool = typer.Option(False, "--replace", help="Replace a deployment of this name."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Publish an artifact and prove that it answers."""

    async def work() -> Document:
        if undo:
            if target in EXPORTS:
                return undo_export(name, target)
            return await undo_deployment(name)
        if artifact is None:
            raise UsageError("Name the artifact to deploy.", hint="firstlight deploy DIR --name N")
        capacity = Capacity(gpus=gpus, context=context, concurrency=concurrency, replicas=replicas)
        return await deploy_artifact(
            artifact,
            name,
            target=target,
            replace=replace,
            source=source,
            capacity=capacity,
            on_event=show_events(),
        )

    run_verb("deploy", work, _show, as_json=json)


def _show(document: Document) -> None:
    if "removed" in document:
        for what in document["removed"]:
            say(f"Removed {what}")
        return
    say(f"{document['name']} stands in {document['path']}")
    if "answer" in document:
        say(f"Foundry Local lists it as {document['id']}.")
        say(f"Asked: {document['question']}")
        say(f"Foundry Local answered: {document['answer']}")
        if not document["verified"]:
            say(f"The artifact itself answers otherwise: {document['artifact_answer']}")
        else:
            say("The artifact itself answers the same: verified.")
    for text in document.get("notes", []):
        say(text)
    say()
    for command in document["commands"]:
        say(f"  {command['command']:44} {command['does']}")
