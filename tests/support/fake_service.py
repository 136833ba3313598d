"""Foundry Local's service without Foundry Local."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from firstlight_core.foundry.health import Health
from firstlight_core.foundry.service import Service

HEALTHY = Health(ok=True, models=("sample-int4:1",), seconds=0.003)


@dataclass
class FakeJob:
    """A service process that ends when it is told to."""

    alive: bool = True
    pid: int | None = None


@dataclass
class FakeFoundry:
    """Services that can be opened, and what became of them."""

    health: Health = HEALTHY
    opened: list[str] = field(default_factory=list)
    closed: int = 0
    probes: int = 0
    job: FakeJob = field(default_factory=FakeJob)

    @asynccontextmanager
    async def open_service(self, target: str, **options: Any) -> AsyncIterator[Any]:
        self.opened.append(target)
        self.job.alive = True
        url = "http://127.0.0.1:5273/catalogs/local/v1"
        try:
            yield Service(base_url=url, model="sample-int4:1", pid=4242, job=self.job)  # type: ignore[arg-type]
        finally:
            self.closed += 1

    async def probe(self, base_url: str) -> Health:
        self.probes += 1
        return self.health
