"""Asks a running OpenAI-compatible server through the interface of every chat backend."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from firstlight_core.artifact.target import Target
from firstlight_core.documents import jobs_endpoint
from firstlight_core.documents.inference import (
    FoundServer,
    Guidance,
    LoadedModel,
    ServerOptions,
)
from firstlight_core.documents.jobs_endpoint import (
    ClientsAnswered,
    ServerAddress,
)
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.messages import Message
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.sampling import Sampling
from firstlight_core.inference.servers import WELL_KNOWN, ServerLimits, api_key, check_address
from firstlight_core.process.events import Event
from firstlight_core.process.operations import Empty
from firstlight_core.process.runner import OpenJob, open_job


class Endpoint(ChatBackend):
    """A connected server. One question at a time; it renders no prompt and has no measured memory."""

    NAME = "server"

    def __init__(self, target: Target, job: OpenJob, loaded: LoadedModel) -> None:
        self.target = target
        self.loaded = loaded
        self._job = job

    async def measure(self, messages: list[Message], max_tokens: int) -> Repetition:
        """Return the figures of one greedy answer.

        Raises:
            FirstlightError: as `chat`.
        """
        return await self._job.call(
            jobs_endpoint.MEASURE(
                {"messages": messages, "max_tokens": max_tokens, "options": _GREEDY}
            ),
        )

    async def measure_clients(
        self, conversations: list[list[Message]], *, clients: int, max_tokens: int
    ) -> ClientsAnswered:
        """Let several clients ask greedily at the same time, each its next question when it has an answer.

        Raises:
            FirstlightError: as `chat`.
        """
        return await self._job.call(
            jobs_endpoint.CLIENTS(
                {
                    "conversations": conversations,
                    "clients": clients,
                    "max_tokens": max_tokens,
                    "options": _GREEDY,
                }
            ),
        )

    def _ask(
        self,
        messages: list[Message],
        max_tokens: int,
        sampling: Sampling,
        form: Guidance | None,
    ) -> AsyncIterator[Event]:
        """Token ids are -1, because a server does not tell them."""
        return self._job.stream(
            jobs_endpoint.CHAT(
                {"messages": messages, "max_tokens": max_tokens, "options": _options(sampling)}
            )
        )


_GREEDY: ServerOptions = {"temperature": 0, "top_k": 1}
"""`top_k` of 1 makes Foundry Local greedy too."""


def _options(sampling: Sampling) -> ServerOptions:
    """Return the sampling settings under the names of the OpenAI API."""
    search = sampling.search({})
    if sampling.greedy or sampling.temperature == 0:
        return _GREEDY
    options: ServerOptions = {}
    if "temperature" in search:
        options["temperature"] = search["temperature"]
    if "top_p" in search:
        options["top_p"] = search["top_p"]
    if "top_k" in search:
        options["top_k"] = search["top_k"]
    if "random_seed" in search:
        options["seed"] = search["random_seed"]
    return options


@asynccontextmanager
async def open_endpoint(
    target: Target,
    *,
    network: bool = False,
    limits: ServerLimits | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> AsyncIterator[Endpoint]:
    """Connect to a server; leaving the block ends the client job, not the server.

    Args:
        network: whether another machine may be asked; only after an explicit yes.
        limits: how long the server is waited for.

    Raises:
        UsageError: the address is wrong, on another machine without `network`, or names no model of several.
        InputRefused: nothing answers there.
        JobFailed: what answers there speaks another language, or is silent.
    """
    address = check_address(target.base_url or "", network=network)
    async with open_job(jobs_endpoint.ENDPOINT, Empty(), network=network) as job:
        if started is not None:
            started(job.pid)
        reply = await job.call(
            jobs_endpoint.LOAD(
                {
                    "base_url": address,
                    "model": target.model,
                    "key": api_key(),
                    "limits": (limits or ServerLimits()).to_json(),
                }
            ),
            on_event=on_event,
        )
        loaded: LoadedModel = {
            "load_s": reply["load_s"],
            "model": reply["model"],
            "models": reply["models"],
        }
        yield Endpoint(target, job, loaded)


async def find_servers(
    address: str | None = None,
    *,
    known: Sequence[tuple[str, str]] = WELL_KNOWN,
    network: bool = False,
) -> list[FoundServer]:
    """Return what answers at one address, or at all `known` (name, base URL) ones, asked side by side.

    The API key is sent to a typed address only, never to a program that listens on a usual port.

    Raises:
        UsageError: the typed address is none, or on another machine without `network`.
    """
    servers: list[ServerAddress] = [{"name": name, "base_url": base} for name, base in known]
    key = None
    if address is not None:
        base, key = check_address(address, network=network), api_key()
        servers = [{"name": next((n for n, url in known if url == base), ""), "base_url": base}]
    async with open_job(jobs_endpoint.ENDPOINT, Empty(), network=network) as job:
        reply = await job.call(jobs_endpoint.FIND({"servers": servers, "key": key}))
    return reply["servers"]
