"""Talks to a running OpenAI-compatible server with the words of `engine.Engine`."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from firstlight_core.artifact.target import Target
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.sampling import Message, Sampling
from firstlight_core.inference.servers import WELL_KNOWN, ServerLimits, api_key, check_address
from firstlight_core.process.events import Event, Reply
from firstlight_core.process.runner import OpenJob, open_job


class Endpoint(ChatBackend):
    """A connected server. One question at a time; there is no prompt to render and no memory to measure."""

    NAME = "server"

    def __init__(self, target: Target, job: OpenJob, loaded: dict[str, Any]) -> None:
        self.target = target
        self.loaded = loaded
        """load_s (seconds until the models were listed), model, models."""
        self._job = job

    async def request(self, op: str, **values: Any) -> dict[str, Any]:
        """One operation of the endpoint job: `measure` or `crowd`, greedy.

        Raises:
            FirstlightError: as `chat`.
        """
        return await self._job.request(op, options=_options(Sampling(greedy=True)), **values)

    def _ask(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        sampling: Sampling,
        form: Mapping[str, str] | None,
    ) -> AsyncIterator[Event]:
        """Token ids are -1, because a server does not tell them."""
        return self._job.ask(
            "chat", messages=list(messages), max_tokens=max_tokens, options=_options(sampling)
        )


def _options(sampling: Sampling) -> dict[str, Any]:
    """The sampling settings under the names of the OpenAI API; `top_k` of 1 makes Foundry Local greedy too."""
    search = sampling.search({})
    if sampling.greedy or sampling.temperature == 0:
        return {"temperature": 0, "top_k": 1}
    names = {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "random_seed": "seed",
    }
    return {name: search[key] for key, name in names.items() if key in search}


@asynccontextmanager
async def open_endpoint(
    target: Target,
    *,
    network: bool = False,
    limits: ServerLimits | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> AsyncIterator[Endpoint]:
    """Connect to a server; leaving the block ends the job that speaks to it, not the server.

    Args:
        network: whether another machine may be asked; only after an explicit yes.
        limits: how long the server is waited for.

    Raises:
        UsageError: the address is wrong, on another machine without `network`, or names no model of several.
        InputRefused: nothing answers there.
        JobFailed: what answers there speaks another language, or is silent.
    """
    address = check_address(target.base_url or "", network=network)
    async with open_job("endpoint", {}, network=network) as job:
        if started is not None:
            started(job.pid)
        stream = job.ask(
            "load",
            base_url=address,
            model=target.model,
            key=api_key(),
            limits=asdict(limits or ServerLimits()),
        )
        loaded: dict[str, Any] = {}
        async with contextlib.aclosing(stream) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    loaded = event.result
                elif on_event is not None:
                    on_event(event)
        yield Endpoint(target, job, loaded)


async def find_servers(
    address: str | None = None,
    *,
    known: Sequence[tuple[str, str]] = WELL_KNOWN,
    network: bool = False,
) -> list[dict[str, Any]]:
    """What answers at one address, or at all `known` (name, base URL) ones, asked side by side.

    Each server: name, base_url, ok, models (as the server writes them), seconds (measured), or sentence and hint when
    it is not ok. The API key is sent to a typed address only, never to whatever listens on a usual port.

    Raises:
        UsageError: the typed address is none, or on another machine without `network`.
    """
    servers = [{"name": name, "base_url": base} for name, base in known]
    key = None
    if address is not None:
        base, key = check_address(address, network=network), api_key()
        servers = [{"name": next((n for n, url in known if url == base), ""), "base_url": base}]
    async with open_job("endpoint", {}, network=network) as job:
        servers_found: list[dict[str, Any]] = (await job.request("find", servers=servers, key=key))[
            "servers"
        ]
    return servers_found
