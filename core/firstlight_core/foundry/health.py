"""Whether an OpenAI-compatible service on this machine answers: one small request to its list of models."""

import asyncio
import http.client
import ipaddress
import json
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from firstlight_core.errors import UsageError
from firstlight_core.text import one_line

SECONDS = 5.0
_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The answer of `/models`."""

    ok: bool
    models: tuple[str, ...] = ()
    seconds: float = 0.0
    """Measured, request and answer."""
    sentence: str = ""
    """Why not, when it is not ok."""


def check_loopback(base_url: str) -> tuple[str, int, str]:
    """Host, port and path of a plain http address on this machine.

    Raises:
        UsageError: it is another machine, or no such address.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port or 80
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
        if parts.scheme == "http" and local:
            return host, port, parts.path.rstrip("/")
    except ValueError:
        pass
    raise UsageError(f"{one_line(base_url, 80)!r} is no http address on this machine.")


async def probe_service(base_url: str, *, seconds: float = SECONDS) -> Health:
    """Ask `<base_url>/models` once; a service that is dead, stalls or talks nonsense is not ok, never an error.

    Raises:
        UsageError: the address is not on this machine.
    """
    host, port, path = check_loopback(base_url)
    return await asyncio.to_thread(_ask, host, port, path, seconds)


def _ask(host: str, port: int, path: str, seconds: float) -> Health:
    began = time.perf_counter_ns()
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", f"{path}/models")
        answer = connection.getresponse()
        raw = answer.read(_LIMIT)
        if answer.status != 200:
            return Health(ok=False, sentence=f"It answers with the status {answer.status}.")
        listed = json.loads(raw)["data"]
        names = tuple(one_line(str(row["id"]), 80) for row in listed[:50])
    except (OSError, http.client.HTTPException) as error:
        return Health(ok=False, sentence=f"It does not answer: {one_line(str(error), 100)}.")
    except (ValueError, KeyError, TypeError, RecursionError):
        return Health(ok=False, sentence="It answers, but not with a list of models.")
    finally:
        connection.close()
    return Health(ok=True, models=names, seconds=(time.perf_counter_ns() - began) / 1e9)
