"""Lanes side by side in the chat: put a precision beside another, mark where they part, keep one."""

from pathlib import Path
from typing import TYPE_CHECKING

from textual.containers import Container

from firstlight_core.errors import FirstlightError
from firstlight_core.measure.metrics import first_difference
from firstlight_core.talk.artifacts import check_artifact
from firstlight_core.talk.context import choose_context
from firstlight_tui.conversation import Conversation
from firstlight_tui.modals import ChooseScreen
from firstlight_tui.widgets.lane import Lane

if TYPE_CHECKING:
    from firstlight_tui.steps.chat import ChatStep

LANES = 3


def compare(step: "ChatStep") -> None:
    """Ask which converted precision to put beside the ones that are open."""
    open_now = {lane.artifact for lane in step.lanes}
    rows = [
        (str(document["artifact"]), f"{document['precision']}  {document['artifact']}")
        for document in step.session.artifacts
        if document["artifact"] not in open_now
    ]
    if len(step.lanes) >= LANES:
        step.notify("Three lanes are enough.", markup=False)
    elif not rows:
        words = "Convert a second precision first: mark it in the Precision step."
        step.notify(words, markup=False)
    else:
        step.app.push_screen(
            ChooseScreen("Put beside it", rows), lambda chosen: _open(step, chosen)
        )


def _open(step: "ChatStep", artifact: str | None) -> None:
    if artifact is None:
        return
    try:
        checked = check_artifact(Path(artifact))
        choose_context(checked, None)
    except FirstlightError as error:
        step.show_problem(error)
        return
    # A group of its own: another lane's engine would be ended by this one's start.
    taken = {lane.group for lane in step.lanes}
    group = next(name for n in range(2, LANES + 2) if (name := f"engine-{n}") not in taken)
    lane = Conversation(step.wizard, group=group)
    step.wizard.beside.append(lane)
    lane.changed.subscribe(step, step.changed)
    lane.open(artifact)
    step.query_one("#lanes", Container).mount(Lane(lane))
    step.changed("status")


def keep(step: "ChatStep") -> None:
    """Ask which lane to keep."""
    if len(step.lanes) == 1:
        step.notify("There is only one lane: F6 puts another beside it.", markup=False)
        return
    rows = [(str(lane.artifact), Path(str(lane.artifact)).name) for lane in step.lanes]
    step.app.push_screen(ChooseScreen("Keep which one?", rows), lambda chosen: _keep(step, chosen))


def _keep(step: "ChatStep", artifact: str | None) -> None:
    if artifact is None:
        return
    for lane in step.lanes:
        if lane.artifact != artifact:
            lane.close()
    step.wizard.conversation = next(lane for lane in step.lanes if lane.artifact == artifact)
    step.wizard.beside.clear()
    for shown in step.query(Lane):
        if shown.talk is not step.talk:
            shown.remove()
    if step.session.artifact != artifact:
        step.wizard.session = step.session.decide(artifact=artifact)
    step.changed("status")


def differs_at(step: "ChatStep", lane: Conversation) -> int | None:
    """The token from which a further lane's newest answer departs from the first lane's."""
    if lane is step.talk or any(talk.busy for talk in step.lanes):
        return None
    if not lane.answers or not step.talk.answers:
        return None
    return first_difference(step.talk.answers[-1].ids, lane.answers[-1].ids)
