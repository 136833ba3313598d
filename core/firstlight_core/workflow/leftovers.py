"""Files that Firstlight left beside published models: listed with their size, removed on request.

Published models, run records and settings are never among it; neither is the work of a process that still runs.
Artifacts of earlier runs and the deployments before the last ones are shown, and go only when they are asked for.
"""

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.model_caches import known_caches
from firstlight_core.artifact.staging import PREFIX, remove_tree, sweep
from firstlight_core.documents.upkeep import LeftoverFolder, LeftoverKind
from firstlight_core.foundry.background import list_background, stop_background
from firstlight_core.locks import try_lock
from firstlight_core.paths import Paths, find_paths

ON_REQUEST = ("artifacts", "previous", "service")
"""Kinds that the user may still want."""

_TUNING = "builds and measurements of tunings; made again when needed"
_PREVIOUS = "the deployment before the last one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One folder that may go, why it is there, and its size in bytes (measured)."""

    path: str
    kind: LeftoverKind
    why: str
    bytes: int

    def to_json(self) -> LeftoverFolder:
        """Return one element of `left_overs`."""
        return {"path": self.path, "kind": self.kind, "why": self.why, "bytes": self.bytes}


def folder_size(folder: Path) -> int:
    """Bytes of all regular files below a folder; links are not followed, what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(parent) / name).st_size
    return total


def find_leftovers(paths: Paths | None = None) -> list[Leftover]:
    """Everything that may go, the largest first."""
    paths = paths or find_paths()
    leftovers = [
        *_leftover(paths.reference, "reference", "reference logits; computed again when needed"),
        *_tunings(paths),
        *_leftover(paths.logs, "logs", "what the tools printed"),
        *(
            item
            for parent in _places(paths)
            for folder in _hidden(parent)
            for item in _hidden_one(folder)
        ),
        *(
            item
            for folder in (paths.data / "previous").glob("*")
            for item in _leftover(folder, "previous", _PREVIOUS)
        ),
        *(
            item
            for folder in paths.runs.glob("*/artifacts")
            for item in _leftover(
                folder, "artifacts", "artifacts of an earlier run; deployed copies stay"
            )
        ),
    ]
    return sorted([*leftovers, *_services()], key=lambda item: item.bytes, reverse=True)


def sweep_staging(paths: Paths | None = None) -> list[Path]:
    """Remove the private folders of conversions and deployments that died, wherever Firstlight publishes; those removed."""
    return [folder for parent in _places(paths or find_paths()) for folder in sweep(parent)]


def remove_leftovers(leftovers: Iterable[Leftover], *, everything: bool = False) -> list[Leftover]:
    """Remove what was found, `ON_REQUEST` kinds only with `everything`; returns what really went."""
    removed = []
    for item in leftovers:
        if item.kind in ON_REQUEST and not everything:
            continue
        folder = Path(item.path)
        if item.kind == "service":
            for service in list_background():
                if service.record == folder:
                    stop_background(service)
        elif item.kind == "staging":
            # Only the sweep knows how to bring an interrupted swap to its end, and which one still runs.
            sweep(folder.parent)
        else:
            remove_tree(folder)
        if not folder.exists():
            removed.append(item)
    return removed


def _leftover(folder: Path, kind: LeftoverKind, why: str) -> list[Leftover]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    size = folder_size(folder)
    return [Leftover(path=str(folder), kind=kind, why=why, bytes=size)] if size else []


def _tunings(paths: Paths) -> list[Leftover]:
    """Return the builds and measurements of tunings; none while one runs, which needs them."""
    lock_file = paths.work / "tuning.lock"
    if lock_file.exists():
        lock = try_lock(lock_file, create=False)
        if lock is None:
            return []
        lock.release(unlink=True)
    return _leftover(paths.tuning, "tuning", _TUNING)


def _services() -> list[Leftover]:
    """Services that outlive the wizard on request; their memory is not counted here."""
    return [
        Leftover(
            path=str(service.record),
            kind="service",
            why=f"serves {service.model} at {service.base_url}, process {service.pid}",
            bytes=0,
        )
        for service in list_background()
    ]


def _places(paths: Paths) -> list[Path]:
    """Return the folders that Firstlight publishes into; staging folders are beside a published folder or its cache."""
    foreign = [cache for cache in known_caches() if cache.id != "private"]
    elsewhere = [parent for c in foreign for parent in (c.root.parent, c.root, c.custom)]
    own = [paths.data, paths.models, paths.models / "custom"]
    return [*paths.runs.glob("*/artifacts"), *own, *elsewhere]


def _hidden(parent: Path) -> list[Path]:
    return sorted(parent.glob(f"{PREFIX}*")) if parent.is_dir() else []


def _hidden_one(folder: Path) -> list[Leftover]:
    if folder.name.endswith(".previous"):
        return _leftover(folder, "previous", _PREVIOUS)
    if not re.fullmatch(r".+-[0-9a-f]{8}", folder.name) or _alive(folder):
        return []
    return _leftover(folder, "staging", "an interrupted conversion or deployment")


def _alive(folder: Path) -> bool:
    """Return whether the process that made a staging folder still holds its lock."""
    if not (folder / "lock").exists():
        return False
    lock = try_lock(folder / "lock", create=False)
    if lock is None:
        return True
    lock.release()
    return False
