"""The local service without a screen: held, restarted at its port, dead, and found when it outlives the wizard."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from firstlight_core.errors import JobDied
from firstlight_core.foundry.background import BackgroundService
from firstlight_core.workflow.services import Services
from firstlight_tui.state.service import LocalService
from tests.support.fake_service import FakeFoundry
from tests.support.waiting import until

STAYS = BackgroundService(
    pid=7, born=1.0, target="mine", base_url="http://127.0.0.1:99/v1", model="mine:1"
)


def hold(service: LocalService, target: str = "mine") -> "asyncio.Task[object]":
    held = partial(service.hold, target, 0, lambda event: None, lambda pid: None)
    return asyncio.get_running_loop().create_task(held())


async def test_a_held_service_is_watched_restarted_and_ended() -> None:
    foundry = FakeFoundry()
    service = LocalService(Services(open_service=foundry.open_service, probe_service=foundry.probe))
    assert not service.restart(), "nothing is held"
    task = hold(service)
    await until(lambda: service.served is not None)
    assert service.served is not None and service.served.port == 5273
    assert service.served.health is not None and service.served.health.ok
    assert service.held and service.background is None
    assert service.restart()
    await until(lambda: len(foundry.opened) == 2)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert foundry.closed == 2
    assert service.served is None and not service.held


async def test_a_service_that_dies_is_an_error_and_leaves_nothing() -> None:
    foundry = FakeFoundry()
    service = LocalService(Services(open_service=foundry.open_service, probe_service=foundry.probe))
    task = hold(service)
    await until(lambda: service.served is not None)
    foundry.job.alive = False
    with pytest.raises(JobDied, match="ended by itself"):
        async with asyncio.timeout(60):
            await task
    assert service.served is None and not service.held


async def test_a_service_that_outlives_the_wizard_is_found_and_stopped() -> None:
    running, foundry = [STAYS], FakeFoundry()
    service = LocalService(
        Services(
            list_background=lambda: list(running),
            probe_service=foundry.probe,
            stop_background=running.remove,
            open_service=foundry.open_service,
        )
    )
    await service.look("other")
    assert service.background is STAYS, "another target's service is shown when there is no own one"
    assert service.served is not None and service.served.snippets["curl"]
    await service.stop_background()
    assert not running and service.served is None
    await service.look("mine")
    assert service.served is None


async def test_what_was_started_meanwhile_is_not_replaced_by_what_was_found() -> None:
    foundry = FakeFoundry()

    async def probe(base_url: str) -> object:
        # The user starts a service while an older one is being asked.
        await until(lambda: service.held)
        return foundry.health

    service = LocalService(
        Services(
            list_background=lambda: [STAYS],
            probe_service=probe,
            open_service=foundry.open_service,
        )
    )
    looking = asyncio.get_running_loop().create_task(service.look("mine"))
    await asyncio.sleep(0)
    task = hold(service)
    await looking
    assert service.background is None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
