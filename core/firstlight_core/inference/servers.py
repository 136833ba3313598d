"""Servers that speak the OpenAI API: where they usually listen, which addresses are allowed, how long one is waited for."""

import contextlib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from firstlight_core.documents.jobs_endpoint import Waits
from firstlight_core.errors import UsageError
from firstlight_core.text import one_line

KEY_VARIABLE = "FIRSTLIGHT_API_KEY"
"""A name of our own: a key in OPENAI_API_KEY is OpenAI's, and no other server is to see it."""

WELL_KNOWN = (
    ("Foundry Local", "http://127.0.0.1:5273/catalogs/local/v1"),
    ("Foundry Local's catalog", "http://127.0.0.1:5273/v1"),
    ("Ollama", "http://127.0.0.1:11434/v1"),
    ("vLLM", "http://127.0.0.1:8000/v1"),
    ("llama.cpp", "http://127.0.0.1:8080/v1"),
    ("LM Studio", "http://127.0.0.1:1234/v1"),
)
"""Server and its default address, from each one's documentation; whatever else may listen there. A registered model
stands in Foundry Local's local catalog only."""
MODELS_SHOWN = 500
MODEL_NAME_LIMIT = 300
"""Characters; a longer model name is skipped, since a shortened one would not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """How long a server is waited for, in seconds."""

    connect: float = 10.0
    silence: float = 120.0
    """Between two signs of life: a prompt of thousands of tokens on a slow processor takes that long."""
    answer: float = 900.0
    """Seconds for one whole answer."""
    wait: float = 30.0
    """Before further tries, all together, when the server is busy or asks to wait (Retry-After)."""

    def to_json(self) -> Waits:
        """Return the limits as a request carries them."""
        return {
            "connect": self.connect,
            "silence": self.silence,
            "answer": self.answer,
            "wait": self.wait,
        }


PROBE = ServerLimits(connect=1.0, silence=2.0, answer=4.0, wait=0.0)
"""Limits for looking for servers."""


def check_address(address: str, *, network: bool) -> str:
    """Return the base URL itself, without a slash at its end, when it may be asked.

    Raises:
        UsageError: it is no address, holds a password, or means another machine without `network`.
    """
    base = address.strip().partition("#")[0].rstrip("/")
    try:
        parts = urlsplit(base)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and (parts.port is None or parts.port > 0) and base.isprintable()
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or " " in base:
        raise UsageError(
            f"{one_line(address, 120)!r} is no address of a server.",
            hint="Write http://host:port/v1#model, without user and password.",
        )
    if not network and not is_loopback(base):
        raise UsageError(
            f"{one_line(parts.hostname or '', 80)} is another machine, and Firstlight connects to none unasked.",
            hint="Add --network if your questions may leave this machine.",
        )
    return base


def typed_address(text: str) -> str:
    """Complete a typed address: `localhost:1234` and `http://host:port` work; `#model` is kept."""
    address, mark, model = text.strip().partition("#")
    if address and "://" not in address:
        address = f"http://{address}"
    if address.count("/") == 2 or (address.count("/") == 3 and address.endswith("/")):
        address = address.rstrip("/") + "/v1"
    return address + mark + model


def is_loopback(base_url: str) -> bool:
    """Return whether an address means this machine."""
    host = urlsplit(base_url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def api_key(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the key for the server that was chosen, from the environment only; it is never stored or shown.

    Raises:
        UsageError: it holds what cannot stand in a header.
    """
    key = (os.environ if environ is None else environ).get(KEY_VARIABLE, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"{KEY_VARIABLE} holds characters that no API key has.", hint="Set it again."
        )
    return key or None


def model_ids(document: Any) -> list[str]:
    """Return the model names in the answer to `/models`, unchanged; skips entries that are not names."""
    entries = document.get("data") if isinstance(document, dict) else None
    names = [
        entry["id"]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    ]
    return [name for name in names if 0 < len(name) <= MODEL_NAME_LIMIT][:MODELS_SHOWN]
