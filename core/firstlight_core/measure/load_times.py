"""Loading an artifact cold and warm: with its files out of the page cache, and with them in it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.documents.bench_parts import LoadFigures
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.metrics import figure
from firstlight_core.page_cache import Dropped, drop_cached
from firstlight_core.process.events import Event, Measured, Stage

LOADS = 2
"""Cold loads, and as many warm ones, the last of which is the engine that is measured."""
LOADS_SECONDS = 30.0
"""No further pair of loads begins after so long."""
Drop = Callable[[list[Path]], Dropped]


async def measure_loads(
    artifact: Artifact,
    label: str,
    loads: int,
    *,
    max_length: int,
    tell: Callable[[Event], None],
    started: Callable[[int], None] | None = None,
    drop: Drop | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> LoadFigures | None:
    """Load an artifact `loads` times cold, with a warm load after each but the last: that one is the caller's.

    Every load is a process of its own; Python and its libraries are in the cache each time. None where nothing was to
    be measured.

    Args:
        drop: takes files out of the page cache.
    """
    drop = drop or drop_cached
    begun = clock()
    cold: list[float] = []
    warm: list[float] = []
    reason = ""

    async def load() -> float:
        async with AsyncExitStack() as stack:
            engine = await stack.enter_async_context(
                open_engine(artifact.folder, max_length=max_length, started=started)
            )
            return engine.loaded["load_s"]

    for number in range(loads):
        if number and clock() - begun > LOADS_SECONDS:
            break
        tell(Stage("load", f"Loading {label}, cold and warm", renews=bool(number)))
        if number:
            warm.append(await load())
            tell(Measured("load_warm_s", warm[-1], "s", label))
        dropped = await asyncio.to_thread(drop, artifact_files(artifact.folder))
        if not dropped.cold:
            reason = dropped.reason
            if not number:
                # Whether this one is cold or warm, nobody knows; the next one is warm.
                await load()
            continue
        cold.append(await load())
        tell(Measured("load_cold_s", cold[-1], "s", label))
    if not loads:
        return None
    figures: LoadFigures = {"warm_s": figure(warm)} if warm else {}
    if cold:
        figures["cold_s"] = figure(cold)
    else:
        figures["cold_unknown"] = reason
    return figures


def artifact_files(folder: Path) -> list[Path]:
    """Return the files of an artifact, links followed."""
    return [file.resolve() for file in sorted(folder.rglob("*")) if file.is_file()]
