"""Looking at the machine as long work: a row at once for every check, its answer as it comes."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from firstlight_tui.state.work import OnEvent, Started

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

Row = Mapping[str, Any]


async def probe(
    wizard: "WizardApp",
    on_event: OnEvent,
    started: Started,
    *,
    known: Mapping[str, Row],
    before: Mapping[str, Any] | None,
    only: str | None,
) -> dict[str, Any]:
    """Run all checks, or the one of the row `only`, whose answer then takes its place in the document `before`."""
    # The rows belong to the work: the user may walk on while the slow ones are still out.
    tell = wizard.works["environment"].add_row
    services = wizard.services
    if only is None:
        for key, title in await asyncio.to_thread(services.list_checks):
            found = known.get(key, {}).get("found", "")
            tell({"id": key, "title": title, "status": "looking", "found": found})
    else:
        tell({**known[only], "status": "looking"})
    newer = await services.run_checks(on_result=tell, only=None if only is None else [only])
    document = dict(newer)
    if only is not None and before is not None:
        return {**services.renew_checks(dict(before), document)}
    return document
