"""Lanes side by side in the chat: put somebody beside the first, mark where they part, keep one."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.containers import Container

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.genai_config import CONFIG
from firstlight_core.artifact.target import Target, artifact_target, find_target
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.context import choose_context
from firstlight_core.inference.original import plan_original
from firstlight_core.inference.transcript import Parting, parting
from firstlight_core.session import Session
from firstlight_tui.modals import ChooseScreen
from firstlight_tui.modals.connect import ask_server
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.widgets.lane import Lane

if TYPE_CHECKING:
    from firstlight_tui.steps.chat.screen import ChatStep

LANES = 3
SIBLINGS = 8
"""Artifacts in the folder of the first one that are offered."""
SERVER = "server"
Row = tuple[Target, str]
"""Who may answer, and in words what that takes, or why it cannot."""


def compare(step: "ChatStep", rest: str = "") -> None:
    """Ask whom to put beside the lanes that are open; or put `rest` there, a folder, a deployed name or an address."""
    if len(step.lanes) >= LANES:
        step.notify("Three columns are the most.", markup=False)
    elif not busy(step):
        asked = _named(step, rest) if rest else _offer(step)
        step.run_worker(asked, group="beside", exclusive=True)


async def _named(step: "ChatStep", text: str) -> None:
    try:
        target = await asyncio.to_thread(find_target, text)
    except FirstlightError as error:
        step.notify(f"{error} {error.hint}", severity="warning", markup=False)
    else:
        put_beside(step, target)


def busy(step: "ChatStep") -> bool:
    """Whether an answer is being made, which is told then."""
    if step.answering:
        step.notify("An answer is being made: Esc stops it.", markup=False)
    return step.answering


async def _offer(step: "ChatStep") -> None:
    open_now = [lane.target for lane in step.lanes]
    rows = await asyncio.to_thread(partners, step.session, step.talk.artifact)
    rows = [(target, words) for target, words in rows if target not in open_now]
    named = [(str(number), words) for number, (_, words) in enumerate(rows)]
    named.append((SERVER, "a running server …"))

    def chosen(key: str | None) -> None:
        if key == SERVER:
            ask_server(step.wizard, served)
        elif key is not None:
            put_beside(step, rows[int(key)][0])

    def served(server: Mapping[str, Any] | None) -> None:
        if server:
            put_beside(step, find_target(server["target"]), network=bool(server["network"]))

    step.app.push_screen(ChooseScreen("Compare with", named), chosen)


def partners(session: Session, artifact: str | None) -> list[Row]:
    """Who can answer beside `artifact`: other precisions and the original, each with the memory that it takes.

    Precisions that were converted in this session, and artifacts that stand beside this one.
    """
    rows: list[Row] = []
    known = {artifact}
    for document in session.artifacts:
        if (made := str(document["artifact"])) not in known:
            known.add(made)
            target = artifact_target(made)
            rows.append((target, f"{document['precision']}: {_takes(target)}"))
    for folder in _siblings(Path(artifact)) if artifact is not None else ():
        if str(folder) not in known:
            target = artifact_target(folder)
            rows.append((target, f"{target.label}: {_takes(target)}"))
    if artifact is not None and (source := _source(session, Path(artifact))) is not None:
        target = Target(kind="original", text=str(source), folder=source, like=Path(artifact))
        rows.append((target, f"the original, through transformers: {_takes(target)}"))
    return rows


def _siblings(artifact: Path) -> list[Path]:
    """Other artifacts in the same folder."""
    try:
        found = sorted(p for p in artifact.parent.iterdir() if (p / CONFIG).is_file())
    except OSError:
        return []
    # A hidden folder is somebody's work in progress.
    return [p for p in found if p != artifact and not p.name.startswith(".")][:SIBLINGS]


def _source(session: Session, artifact: Path) -> Path | None:
    """The source that an artifact was made of, when it is still there."""
    said = session.source
    if said is None:
        try:
            said = check_artifact(artifact).source
        except FirstlightError:
            return None
    return Path(said) if said and Path(said).is_dir() else None


def _takes(target: Target) -> str:
    """The memory that a lane takes and what is available; or why it cannot be opened."""
    assert target.folder is not None
    try:
        if target.kind == "original":
            return plan_original(target.folder).sentence
        return choose_context(check_artifact(target.folder), None).memory_sentence
    except FirstlightError as error:
        return str(error)


def put_beside(step: "ChatStep", target: Target, *, network: bool = False) -> None:
    """Open another lane; it answers the newest question at once, after the same turns as the first lane."""
    try:
        if target.kind == "original" and target.folder is not None:
            plan_original(target.folder)
        elif target.folder is not None:
            choose_context(check_artifact(target.folder), step.talk.drawing.context)
    except FirstlightError as error:
        step.show_problem(error)
        return
    # A group of its own: another lane's engine would be ended by this one's start.
    taken = {lane.group for lane in step.lanes}
    group = next(name for n in range(2, LANES + 2) if (name := f"engine-{n}") not in taken)
    lane = Conversation(step.wizard, group=group)
    lane.system, lane.drawing = step.talk.system, step.talk.drawing
    step.wizard.beside.append(lane)
    lane.changed.subscribe(step, step.changed)
    lane.open(target, network=network)
    turns = list(step.talk.turns)
    while turns and turns[-1].role != "user":
        turns.pop()
    lane.turns = [replace(turn, stats={}, rating=0, note="") for turn in turns]
    step.query_one("#lanes", Container).mount(Lane(lane))
    if lane.turns:
        lane.ask()
    step.changed("status")


def keep(step: "ChatStep", rest: str = "") -> None:
    """Ask which lane to keep."""
    if len(step.lanes) == 1:
        step.notify("There is only one column: F6 adds another.", markup=False)
        return
    rows = [(str(number), lane.name) for number, lane in enumerate(step.lanes)]

    def chosen(key: str | None) -> None:
        if key is not None:
            keep_lane(step, step.lanes[int(key)])

    step.app.push_screen(ChooseScreen("Keep which one?", rows), chosen)


def keep_lane(step: "ChatStep", kept: Conversation) -> None:
    """Close the other lanes; the following steps work on the artifact or the server that is kept."""
    for lane in step.lanes:
        if lane is not kept:
            lane.close()
    step.wizard.conversation = kept
    step.wizard.beside.clear()
    for shown in step.query(Lane):
        if shown.talk is not kept:
            shown.remove()
    session, target = step.session, kept.target
    if kept.artifact is not None:
        session = session.decide(artifact=kept.artifact, endpoint=None)
    elif target is not None and target.kind == "endpoint":
        served = {"target": target.text, "server": "", "model": target.model or ""}
        session = session.decide(endpoint={**served, "network": kept.network})
    # First who is wanted, or the change of the session would open it anew.
    kept.wanted = session.target
    if session != step.session:
        step.wizard.session = session
    step.changed("status")


def comparison(lanes: list[Conversation], lane: Conversation) -> tuple[Parting | None, str]:
    """Where a lane's newest answer departs, and that in words; of the first lane against the nearest other."""
    # One that was stopped before it was asked has no answer to this question.
    answered = all(talk.turns and talk.turns[-1].role == "assistant" for talk in lanes)
    if len(lanes) == 1 or any(talk.busy for talk in lanes) or not answered:
        return None, ""
    first = lanes[0].answers[-1]
    if lane is not lanes[0]:
        found = parting(lane.answers[-1], first)
        if found is None:
            return None, f"same as {lanes[0].name}"
        return found, "differs" + (
            f" from token {found.token + 1}" if found.token is not None else ""
        )
    places = [found for other in lanes[1:] if (found := parting(first, other.answers[-1]))]
    return min(places, key=lambda found: found.start, default=None), ""
