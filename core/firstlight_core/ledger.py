"""The run's append-only record on disk: `runs/<id>/ledger.jsonl`, one fsynced JSON line an entry."""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.documents.earlier import with_kinds
from firstlight_core.documents.ledger import LedgerValues
from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.files import exists, state_problem, sync_file, sync_folder
from firstlight_core.paths import find_paths

LEDGER = "ledger.jsonl"
LOCK = "run.lock"
"""File in the folder of a run that a living process works on."""
ANSWERS = "answers"
"""Event: answers of the wizard that have changed, and the step that is open."""
OVER = "wizard"
"""Event: the run was finished, or is not to be continued."""
_END_OF_TIME = 2.0**35
"""Seconds; our ledgers hold no time beyond it, and no NaN."""
STATUSES = ("done", "skipped", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger: what a step did, and when (seconds since the epoch)."""

    at: float
    step: str
    status: str
    seconds: float
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One walk through the steps."""

    folder: Path

    @property
    def id(self) -> str:
        """The folder's name: time and model."""
        return self.folder.name

    @classmethod
    def create(cls, source: str, *, runs: Path | None = None, now: float | None = None) -> "Run":
        """Begin a run: a new folder below `runs/`.

        Raises:
            StateProblem: the folder cannot be made.
        """
        root = runs if runs is not None else find_paths().runs
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        own = "sample" if Path(source) == find_paths().sample else Path(source).name
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", own)[:40].strip("-.") or "model"
        for number in range(1, 1000):
            folder = root / (f"{stamp}-{name}" + (f"-{number}" if number > 1 else ""))
            try:
                root.mkdir(parents=True, exist_ok=True)
                # It contains questions and answers.
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise state_problem(error, folder) from error
            return cls(folder)
        raise StateProblem(f"Cannot find a free name for a run below {root}.")

    @classmethod
    def open(cls, name: str, *, runs: Path | None = None) -> "Run":
        """Return an earlier run, by its id or by its folder.

        Raises:
            InputRefused: there is no such run.
        """
        root = runs if runs is not None else find_paths().runs
        for folder in (root / name, Path(name)):
            with contextlib.suppress(OSError, ValueError):
                if (folder / LEDGER).is_file():
                    return cls(folder)
        raise InputRefused(
            f"There is no run {name[:80]!r}.", hint="`firstlight runs` lists the runs there are."
        )

    def record(
        self,
        step: str,
        status: str,
        *,
        seconds: float = 0.0,
        values: LedgerValues | None = None,
    ) -> Entry:
        """Append one entry and make it survive a power loss.

        Raises:
            StateProblem: the disk is full or read-only.
        """
        entry = Entry(
            at=time.time(), step=step, status=status, seconds=seconds, values=values or {}
        )
        line = json.dumps(
            {
                "at": entry.at,
                "step": step,
                "status": status,
                "seconds": seconds,
                "values": entry.values,
            },
            allow_nan=False,
        )
        path = self.folder / LEDGER
        try:
            fresh = not exists(path)
            with open(path, "ab", opener=_private) as stream:
                # A torn line of a killed run must not swallow this one.
                lead = b"" if fresh or _ends_with_newline(path) else b"\n"
                stream.write(lead + line.encode() + b"\n")
                stream.flush()
                sync_file(stream.fileno())
            if fresh:
                sync_folder(self.folder)
        except OSError as error:
            raise state_problem(error, path) from error
        return entry

    def entries(self) -> Iterator[Entry]:
        """Yield the entries in order, in this version's form; skips torn and foreign lines."""
        path = self.folder / LEDGER
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                values = json.loads(line)
                step = str(values["step"])
                entry = Entry(
                    at=float(values["at"]),
                    step=step,
                    status=str(values["status"]),
                    seconds=float(values["seconds"]),
                    values=with_kinds(step, dict(values["values"])),
                )
                if 0 <= entry.at < _END_OF_TIME and 0 <= entry.seconds < _END_OF_TIME:
                    yield entry


def _private(path: str, flags: int) -> int:
    """Open a file that, if it is new, only its owner may read."""
    return os.open(path, flags, 0o600)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        if stream.tell() == 0:
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def list_runs(runs: Path | None = None) -> list[Run]:
    """Return all runs on this machine, the newest first."""
    root = runs if runs is not None else find_paths().runs
    if not root.is_dir():
        return []
    listed = [Run(path.parent) for path in root.glob(f"*/{LEDGER}")]
    return sorted(listed, key=lambda run: run.id, reverse=True)
