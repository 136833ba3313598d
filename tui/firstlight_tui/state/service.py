"""Foundry Local's loopback service: it belongs to the wizard and ends with it, unless it is to outlive the wizard."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from firstlight_core.errors import JobDied
from firstlight_core.workflow.services import Services
from firstlight_tui.state.work import OnEvent, Started, WorkKey

if TYPE_CHECKING:
    from firstlight_core.documents.foundry import BackgroundRow, Snippets
    from firstlight_core.foundry.background import BackgroundService
    from firstlight_core.foundry.health import Health

SERVE = WorkKey["BackgroundRow"]("serve")
"""The name of the work that serves."""
HEALTH_SECONDS = 2.0
"""Between two requests to `/models`."""


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """How the next service is to be started."""

    port: int = 0
    """0 takes a free one."""
    stays: bool = False
    """Whether it outlives the wizard."""


@dataclass(frozen=True, slots=True)
class Served:
    """A service that runs: where it answers, and how it answered last."""

    pid: int
    base_url: str
    model: str
    snippets: "Snippets"
    health: "Health | None" = None
    """None before the first answer of `/models`."""
    background: "BackgroundService | None" = None
    """The service that outlives the wizard; None for one that ends with it."""

    @property
    def port(self) -> int:
        """The port on this machine; 0 when the address names none."""
        return urlsplit(self.base_url).port or 0


class LocalService:
    """The service that runs now, started here or found; one at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.served: Served | None = None
        self._restart: asyncio.Event | None = None

    @property
    def held(self) -> bool:
        """True if a service runs, or starts, that ends with the wizard."""
        return self._restart is not None

    @property
    def background(self) -> "BackgroundService | None":
        """The service that outlives the wizard, when one runs."""
        return self.served.background if self.served is not None else None

    async def hold(self, target: str, port: int, on_event: OnEvent, started: Started) -> NoReturn:
        """Serve until cancelled; ask for its health every two seconds, and start again on request, at the same port.

        Raises:
            FirstlightError: it did not start, or ended by itself.
        """
        services, restart = self._services, asyncio.Event()
        self._restart = restart
        try:
            while True:
                async with services.open_service(target, port=port, on_event=on_event) as service:
                    started(service.pid)
                    port = urlsplit(service.base_url).port or port
                    while service.job.alive and not restart.is_set():
                        health = await services.probe_service(service.base_url)
                        address = service.to_json()
                        self.served = Served(
                            address["pid"],
                            address["base_url"],
                            address["model"],
                            address["snippets"],
                            health,
                        )
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(restart.wait(), HEALTH_SECONDS)
                if not restart.is_set():
                    raise JobDied(
                        "Foundry Local's service ended by itself.", hint="Start it again."
                    )
                restart.clear()
                self.served = None
        finally:
            self.served = self._restart = None

    def restart(self) -> bool:
        """Start the held service again; returns False when none is held."""
        if self._restart is None:
            return False
        self._restart.set()
        return True

    async def start_background(self, target: str, port: int, on_event: OnEvent) -> "BackgroundRow":
        """Start a service that outlives the wizard; returns as soon as it serves.

        Raises:
            FirstlightError: it did not start.
        """
        service = await self._services.start_background(target, port=port, on_event=on_event)
        self.served = _in_background(service)
        return service.to_json()

    async def stop_background(self) -> None:
        """End the service that outlives the wizard.

        Raises:
            StateProblem: it does not end.
        """
        if self.background is not None:
            await asyncio.to_thread(self._services.stop_background, self.background)
            self.served = None

    async def look(self, target: str) -> None:
        """Find out which service runs without the wizard, the one of `target` first, and whether it answers."""
        running = await asyncio.to_thread(self._services.list_background)
        first = running[0] if running else None
        own = next((service for service in running if service.target == target), first)
        health = await self._services.probe_service(own.base_url) if own is not None else None
        # A service may have been started here meanwhile.
        if not self.held:
            self.served = None if own is None else _in_background(own, health)


def _in_background(service: "BackgroundService", health: "Health | None" = None) -> Served:
    row = service.to_json()
    return Served(row["pid"], row["base_url"], row["model"], row["snippets"], health, service)
