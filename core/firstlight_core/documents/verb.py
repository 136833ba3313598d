"""The keys that every verb of the command line adds to its document."""

from collections.abc import Mapping
from typing import TypedDict

from firstlight_core.errors import ErrorDocument


class Judged(TypedDict, total=False):
    """Keys with which a document says that everything ran and the answer is no."""

    ok: bool
    """False leaves with an exit code other than 0; true when it is absent."""
    error: ErrorDocument


ALWAYS: Mapping[str, Mapping[str, list[str] | None]] = {
    "doctor": {"verdict": None, "checks": []},
    "convert": {
        **dict.fromkeys(("artifact", "precision", "bytes", "seconds", "peak_rss_bytes")),
        **{"command": None, "smoke": None},
    },
    "template": {"locked": None, "differences": [], "inference_model": None},
    "deploy": dict.fromkeys(("name", "id", "path", "verified", "answer")),
    "serve": dict.fromkeys(("base_url", "model", "pid")),
    "chat": {"text": None, "tokens": [], "finish_reason": None, "stats": None},
    "bench": {"machine": None, "results": []},
    "compare": {"rows": []},
    "tune": {"best": None, "trials": []},
    "quality": {"checks": [], "drift": None},
    "run": {"steps": [], "report": None},
}
"""Keys that every document of a verb has (SPEC 2), with their value for "none"."""


class VerbDocument(TypedDict):
    """The keys of every `--json` document."""

    schema: str
    """`firstlight/VERB/1`."""
    ok: bool


class FailedVerb(VerbDocument):
    """The document of a verb that failed."""

    error: ErrorDocument
