"""Looking at the machine as long work: a row at once for every check, its answer as it comes."""

import asyncio
from collections.abc import Mapping
from functools import partial

from firstlight_core.documents.environment import DoctorDocument
from firstlight_tui.state.work import OnEvent, Started
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.environment.rows import Row, WaitingRow, waiting_row

WORK = "environment"


def start_probing(workspace: Workspace, known: Mapping[str, Row], *, only: str | None) -> None:
    """Start the environment check, or that of the row `only`; `known` are the rows that are shown already."""
    before = workspace.session.environment
    run = partial(_probe, workspace, known=dict(known), before=before, only=only)
    workspace.start(WORK, "The environment check", run, only_looks=True)


async def _probe(
    workspace: Workspace,
    on_event: OnEvent,
    started: Started,
    *,
    known: Mapping[str, Row],
    before: DoctorDocument | None,
    only: str | None,
) -> DoctorDocument:
    """Run all checks, or the one of the row `only`, whose answer then takes its place in the document `before`."""
    # The rows belong to the work: the user may walk on while the slow ones are still out.
    add_row = workspace.works[WORK].add_row
    services = workspace.services
    if only is None:
        for key, title in await asyncio.to_thread(services.list_checks):
            previous = known[key]["found"] if key in known else ""
            row: WaitingRow = {"id": key, "title": title, "status": "looking", "found": previous}
            add_row(row)
    else:
        add_row(waiting_row(known[only]))
    newer = await services.run_checks(on_result=add_row, only=None if only is None else [only])
    if only is not None and before is not None:
        return services.renew_checks(before, newer)
    return newer
