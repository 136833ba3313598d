"""Looking at the machine as long work: a row at once for every check, its answer as it comes."""

import asyncio
from collections.abc import Mapping
from functools import partial

from firstlight_core.documents.environment import DoctorDocument
from firstlight_tui.state.work import OnEvent, Started, WorkKey
from firstlight_tui.state.work_rows import CheckRow, WaitingRow
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.environment.rows import waiting_row

PROBE = WorkKey[DoctorDocument]("environment")


def start_probing(workspace: Workspace, known: Mapping[str, CheckRow], *, only: str | None) -> None:
    """Start the environment check, or that of the row `only`; `known` are the rows that are shown already."""
    before = workspace.session.environment
    run = partial(_probe, workspace, known=dict(known), before=before, only=only)
    workspace.start(PROBE, "The environment check", run, done=_probed, only_looks=True)


def _probed(workspace: Workspace, document: DoctorDocument, seconds: float) -> None:
    """Write the checked environment into the session."""
    workspace.session = workspace.session.decide(environment=document)


async def _probe(
    workspace: Workspace,
    on_event: OnEvent,
    started: Started,
    *,
    known: Mapping[str, CheckRow],
    before: DoctorDocument | None,
    only: str | None,
) -> DoctorDocument:
    """Run all checks, or the one of the row `only`, whose answer then takes its place in the document `before`."""
    # The rows belong to the work: the user may walk on while the slow ones are still out.
    add_check = workspace.works[PROBE].add_check
    services = workspace.services
    if only is None:
        for key, title in await asyncio.to_thread(services.list_checks):
            previous = known[key]["found"] if key in known else ""
            row: WaitingRow = {"id": key, "title": title, "status": "looking", "found": previous}
            add_check(row)
    else:
        add_check(waiting_row(known[only]))
    newer = await services.run_checks(
        on_result=lambda result: add_check(result.to_json()), only=None if only is None else [only]
    )
    if only is not None and before is not None:
        return services.renew_checks(before, newer)
    return newer
