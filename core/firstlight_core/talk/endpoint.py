"""Talks to a running OpenAI-compatible server with the words of `engine.Engine`."""

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from firstlight_core.errors import UsageError
from firstlight_core.events import Event, Reply
from firstlight_core.runner import OpenJob, open_job
from firstlight_core.talk.answering import Answering
from firstlight_core.talk.artifacts import Target
from firstlight_core.talk.sampling import Message, Sampling
from firstlight_core.text import one_line


class Endpoint(Answering):
    """A connected server. One question at a time; there is no prompt to render and no memory to measure."""

    NAME = "server"

    def __init__(self, target: Target, job: OpenJob, loaded: dict[str, Any]) -> None:
        self.target = target
        self.loaded = loaded
        """load_s (seconds until the models were listed), model, models."""
        self._job = job

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


def is_loopback(base_url: str) -> bool:
    """Whether an address means this machine."""
    host = urlsplit(base_url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@asynccontextmanager
async def open_endpoint(
    target: Target,
    *,
    network: bool = False,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> AsyncIterator[Endpoint]:
    """Connect to a server; leaving the block ends the job that speaks to it, not the server.

    Args:
        network: whether another machine may be asked; only after an explicit yes.

    Raises:
        UsageError: the address is wrong, on another machine without `network`, or names no model of several.
        InputRefused: nothing answers there.
    """
    address = target.base_url or ""
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc:
        raise UsageError(
            f"{one_line(address, 120)!r} is no address of a server.",
            hint="Write http://host:port/v1#model, without user and password.",
        )
    if not network and not is_loopback(address):
        raise UsageError(
            f"{one_line(parts.hostname or '', 80)} is another machine, and Firstlight connects to none unasked.",
            hint="Add --network if your questions may leave this machine.",
        )
    async with open_job("endpoint", {}, network=network) as job:
        if started is not None:
            started(job.pid)
        asked = job.ask("load", base_url=address, model=target.model)
        loaded: dict[str, Any] = {}
        async with contextlib.aclosing(asked) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    loaded = event.result
                elif on_event is not None:
                    on_event(event)
        yield Endpoint(target, job, loaded)
