"""From what the user named to what the session holds: found, asked about, downloaded, inspected or adopted."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from firstlight_core.documents.model import InspectDocument
from firstlight_core.files import exists
from firstlight_core.model.adapter_bases import remember_base
from firstlight_core.model.sources import (
    looks_like_hub_id,
    model_of_the_settings,
    remember_folder,
)
from firstlight_core.paths import expanded
from firstlight_core.process.events import Stage
from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_core.workflow.services import Services
from firstlight_tui.state.work import OnEvent, Run, Started, WorkKey
from firstlight_tui.state.workspace import Workspace

ARTIFACT_MARK = "genai_config.json"
KEEPS = "What has arrived is kept; the next download goes on from there."
"""Said before a download is stopped."""


class ArtifactFacts(TypedDict):
    """Facts of an adopted artifact, as the card shows them."""

    model_type: str
    bytes: int
    context_length: int
    precision: str | None


class AdoptedModel(TypedDict):
    """An ONNX GenAI folder that is used as it is."""

    kind: Literal["adopted"]
    adopted: str
    """The folder."""
    facts: ArtifactFacts


class InspectedModel(TypedDict):
    """A model folder whose headers were read."""

    kind: Literal["inspected"]
    source: str
    model: InspectDocument


ChosenModel = AdoptedModel | InspectedModel
INSPECT = WorkKey[ChosenModel]("inspect")
"""The work that looks into a model, and downloads it before where it has to."""


@dataclass(frozen=True, slots=True)
class Named:
    """The meaning of a text in the field: an existing folder, or a hub id that would have to be downloaded."""

    folder: Path | None = None
    hub_id: str = ""


def find_named(text: str, services: Services, *, sample: Path) -> Named:
    """Return what a text names, from the disk only and never from the network; runs in a thread.

    `sample` is the folder of the sample model.

    Raises:
        FirstlightError: it can be neither.
    """
    if text == "sample":
        return Named(sample)
    folder = expanded(text)
    if exists(folder) or folder.is_symlink() or not looks_like_hub_id(text):
        return Named(model_of_the_settings(text) or folder.absolute())
    if (snapshot := services.resolve_hub_id(text)) is not None:
        return Named(snapshot)
    return Named(hub_id=text)


def download_question(hub_id: str) -> str:
    """Return the question to answer before anything is downloaded."""
    from firstlight_core.model.download import hub_host
    from firstlight_core.model.sources import hub_cache

    return (
        f"{one_line(hub_id, 96)} is not in the Hugging Face cache. Download it?\n\n"
        f"Firstlight would connect to {hub_host()}, for this one model only. The size is not known before "
        "that; it is shown first, and what does not fit on the disk is refused. Only weights "
        "(safetensors), configuration and tokenizer files are fetched. Your Hugging Face token, if you have one, is "
        f"sent to that host alone.\n\nInto: {hub_cache()}"
    )


def inspection(
    named: Named, services: Services, *, sample: Path, base: Named | None = None
) -> Run[ChosenModel]:
    """Return the work: download what has a yes, then read headers in a thread (well under a second)."""

    async def fetch(wanted: Named, on_event: OnEvent, started: Started) -> Path:
        if wanted.folder is not None:
            return wanted.folder
        document = await services.download(
            wanted.hub_id, agreed=True, on_event=on_event, started=started
        )
        on_event(Stage("inspect", "Reading headers"))
        return Path(document["path"])

    async def run(on_event: OnEvent, started: Started) -> ChosenModel:
        folder = await fetch(named, on_event, started)
        base_folder = None if base is None else await fetch(base, on_event, started)
        return await asyncio.to_thread(_look, services, folder, base_folder, sample)

    return run


def start_inspection(workspace: Workspace, named: Named, base: Named | None) -> None:
    """Begin the work; an earlier one gives way."""
    workspace.stop_work(INSPECT)
    workspace.works.forget(INSPECT)
    look = inspection(named, workspace.services, sample=workspace.paths.sample, base=base)
    looks = not (named.hub_id or (base is not None and base.hub_id))
    label = "The inspection" if looks else "The download"
    workspace.start(INSPECT, label, look, done=_chosen, only_looks=looks, keeps=KEEPS)


def _chosen(workspace: Workspace, model: ChosenModel, seconds: float) -> None:
    """Write the chosen model into the session."""
    workspace.session = decided(workspace.session, model)


def _look(services: Services, folder: Path, base: Path | None, sample: Path) -> ChosenModel:
    """Inspect, or adopt an ONNX GenAI folder after its allow-list was checked; runs in a thread."""
    if (folder / ARTIFACT_MARK).is_file():
        from firstlight_core.artifact.artifact import check_artifact

        artifact = check_artifact(folder)
        facts: ArtifactFacts = {
            "model_type": artifact.model_type,
            "bytes": artifact.bytes,
            "context_length": artifact.context_length,
            "precision": artifact.precision,
        }
        return {"kind": "adopted", "adopted": str(folder), "facts": facts}
    document = services.inspect(folder) if base is None else services.inspect(folder, base=base)
    if base is not None:
        remember_base(folder, base)
    if folder != sample:
        remember_folder(folder)
    return {"kind": "inspected", "source": str(folder), "model": document}


def decided(session: Session, result: ChosenModel) -> Session:
    """Return the session after an inspection; another model, or other weights, clear the answers that depended on it.

    Choosing a model disconnects the server.
    """
    if result["kind"] == "adopted":
        adopted = result["adopted"]
        same = session.source is None and session.artifact == adopted
        if same:
            return session.decide(endpoint=None)
        return Session(environment=session.environment, artifact=adopted)
    model = result["model"]
    changed = session.model is not None and session.model.get("fingerprint") != model.get(
        "fingerprint"
    )
    if changed or session.source is None:
        session = Session(environment=session.environment)
    return session.decide(source=result["source"], endpoint=None).decide(model=model)
