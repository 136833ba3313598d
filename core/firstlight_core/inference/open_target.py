"""Opens a target as a chat backend, so that Chat, Benchmark and Quality ask one interface."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.target import Target, artifact_folder, find_target
from firstlight_core.files import JsonValue
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.endpoint import open_endpoint
from firstlight_core.inference.engine import open_engine
from firstlight_core.inference.original import open_original
from firstlight_core.inference.servers import ServerLimits
from firstlight_core.process.events import Event


@asynccontextmanager
async def open_target(
    target: str | Path | Target,
    *,
    max_length: int | None = None,
    network: bool = False,
    limits: ServerLimits | None = None,
    variables: Mapping[str, JsonValue] | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> AsyncIterator[ChatBackend]:
    """An `Engine` for an artifact folder or a deployed name, an `Endpoint` for a server's address, an `Original`.

    Args:
        max_length: tokens of context; an endpoint has its own and ignores it.
        network: whether a server on another machine may be asked; only after an explicit yes.
        limits: how long a server is waited for.
        variables: of the chat template; an artifact alone can be given any.
        started: told the process id; of an endpoint it is the job that speaks to the server, not the server.

    Raises:
        UsageError: the target names nothing, or another machine without `network`.
        InputRefused: the folder may not be opened, or nothing answers at the address.
        OutOfMemory: the artifact cannot fit.
        JobDied: the engine died while loading.
    """
    resolved = find_target(target)
    if resolved.kind == "endpoint":
        async with open_endpoint(
            resolved, network=network, limits=limits, on_event=on_event, started=started
        ) as server:
            yield server
    elif resolved.kind == "original" and resolved.folder is not None:
        like = check_artifact(resolved.like) if resolved.like is not None else None
        async with open_original(
            resolved.folder, like=like, max_length=max_length, on_event=on_event, started=started
        ) as original:
            yield original
    else:
        async with open_engine(
            artifact_folder(resolved),
            max_length=max_length,
            variables=variables,
            on_event=on_event,
            started=started,
        ) as engine:
            yield engine
