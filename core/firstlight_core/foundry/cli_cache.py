"""Where Foundry Local's command line keeps its models: found, moved on request, and put back.

`foundry cache cd` (CLI up to 0.8) moves the cache of every model at once, so the old place is written down before, and
stays written down until it is put back, over any number of starts of Firstlight.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from firstlight_core.documents.foundry import MovedCacheDocument
from firstlight_core.environment.program_version import ask_program
from firstlight_core.errors import FirstlightError, InputRefused, JobFailed, UsageError
from firstlight_core.files import read_json_object, write_json
from firstlight_core.foundry.cli import run_foundry
from firstlight_core.paths import expanded, find_paths
from firstlight_core.process.events import Event
from firstlight_core.text import shown_path

_PLACE = re.compile(r"(?:[A-Za-z]:[\\/]|[/~])[^\r\n\"]*")
"""An absolute path up to the end of its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheChange:
    """A move of the CLI's cache by Firstlight: the old and the new folder."""

    before: str
    now: str


async def find_cache(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder that `foundry cache location` prints; None without a CLI or a folder."""
    answer = await ask_program("foundry", "cache", "location", environ=environ)
    matches = _PLACE.findall(answer.text) if answer.status == "ok" else []
    return expanded(matches[-1].strip().rstrip("'")) if matches else None


def _same(folder: Path | None, other: Path) -> bool:
    return folder is not None and folder.resolve() == other.resolve()


def _record() -> Path:
    return find_paths().state / "foundry-cache.json"


def read_change() -> CacheChange | None:
    """Return the change that `move_cache` made and that is not undone yet."""
    try:
        record = read_json_object(_record())
        return CacheChange(before=str(record["before"]), now=str(record["now"]))
    except (FirstlightError, KeyError):
        return None


async def move_cache(
    folder: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> MovedCacheDocument:
    """Let the CLI use `folder` as its cache, after recording the old one; does nothing when it is already there.

    Raises:
        InputRefused: the CLI does not say where its cache is, so it could not be put back.
        JobFailed: the CLI refused, or its cache is where it was.
    """
    before = await find_cache(environ)
    if before is None:
        raise InputRefused(
            "`foundry cache location` names no folder, so the cache could not be put back afterwards.",
            hint=f"To do it all the same, type it yourself: foundry cache cd {shown_path(folder)}",
        )
    if _same(before, folder):
        return {
            "kind": "cache-move",
            "command": "",
            "lines": [],
            "seconds": 0.0,
            "before": str(before),
            "now": str(folder),
        }
    known = read_change()
    first = known.before if known is not None else str(before)
    change = CacheChange(before=first, now=str(folder))
    write_json(_record(), asdict(change))
    try:
        done = await run_foundry(
            ("cache", "cd", str(folder)), environ=environ, on_event=on_event, started=started
        )
        if not _same(await find_cache(environ), folder):
            raise JobFailed("The CLI ran without an error, and its cache is where it was.")
    except BaseException:
        if _same(await find_cache(environ), Path(first)):
            _record().unlink(missing_ok=True)
        raise
    return {"kind": "cache-move", **done, "before": change.before, "now": change.now}


async def put_cache_back(
    *,
    environ: Mapping[str, str] = os.environ,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> MovedCacheDocument:
    """Take `move_cache` back.

    Raises:
        UsageError: nothing was moved.
        JobFailed: the CLI refused; the old place stays written down.
    """
    change = read_change()
    if change is None:
        raise UsageError("Firstlight has not moved Foundry Local's cache.")
    done = await run_foundry(
        ("cache", "cd", change.before), environ=environ, on_event=on_event, started=started
    )
    _record().unlink(missing_ok=True)
    return {"kind": "cache-move", **done, "before": change.now, "now": change.before}
