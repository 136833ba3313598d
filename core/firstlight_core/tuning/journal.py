"""The measurements of a tuning on disk, one line each, so that a killed one goes on where it was."""

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import JournalEntry, JournalSample
from firstlight_core.errors import InputRefused
from firstlight_core.files import read_limited, state_problem, sync_file

TAKEN_HOURS = 24
"""Older measurements are of another day, and are taken anew."""
FINAL = "comparison"
"""The race whose figures are reported: of a process that was killed in it, nothing is taken over."""
_LIMIT = 64 * 2**20


def journal_key(facts: Sequence[object]) -> str:
    """Return the name of the journal of a tuning with these facts."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class Journal:
    """The measurements of one tuning; without a file nothing is kept."""

    file: Path | None = None
    reused: int = 0
    """Measurements that were taken over."""
    written: int = 0
    """Measurements of this process."""
    _session: str = field(default_factory=lambda: secrets.token_hex(8))
    _samples: dict[tuple[str, str, int], list[Repetition]] = field(default_factory=dict)

    @classmethod
    def open(cls, file: Path, *, now: float | None = None) -> "Journal":
        """Read what an earlier tuning with the same facts has measured; what was void or is too old is left out."""
        journal = cls(file)
        oldest = (time.time() if now is None else now) - TAKEN_HOURS * 3600
        pending: dict[tuple[str, str], list[JournalSample]] = {}
        for entry in _entries(file):
            key = (entry["race"], entry["session"])
            if entry["kind"] == "sample":
                if entry["at"] >= oldest:
                    pending.setdefault(key, []).append(entry)
            elif (samples := pending.pop(key, None)) and not entry["reasons"]:
                journal._reuse(samples)
        for (race, _), samples in pending.items():
            # A killed process could not look whether the machine was disturbed: good enough to choose by.
            if race != FINAL:
                journal._reuse(samples)
        return journal

    def _reuse(self, samples: Sequence[JournalSample]) -> None:
        for entry in samples:
            key = (entry["race"], entry["trial"], entry["prompt_tokens"])
            self._samples.setdefault(key, []).append(entry["sample"])
            self.reused += 1

    def samples(self, race: str, trial: str, prompt_tokens: int) -> list[Repetition]:
        """Return the measurements of one setting at one length that were taken over, in their order."""
        return list(self._samples.get((race, trial, prompt_tokens), ()))

    def add(self, race: str, trial: str, prompt_tokens: int, sample: Repetition) -> None:
        """Keep one measurement.

        Raises:
            StateProblem: the disk refuses.
        """
        self.written += 1
        self._append(
            {
                "kind": "sample",
                "session": self._session,
                "race": race,
                "trial": trial,
                "prompt_tokens": prompt_tokens,
                "at": time.time(),
                "sample": sample,
            }
        )

    def judge(self, race: str, reasons: Sequence[str]) -> None:
        """Say of the measurements of this process whether the machine was disturbed.

        Raises:
            StateProblem: the disk refuses.
        """
        self._append(
            {
                "kind": "judged",
                "session": self._session,
                "race": race,
                "reasons": list(reasons),
            }
        )

    def close(self) -> None:
        """Forget the measurements: the tuning is done, and the next one measures anew."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.unlink(missing_ok=True)

    def _append(self, entry: JournalEntry) -> None:
        if self.file is None:
            return
        line = json.dumps(entry, allow_nan=False) + "\n"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as stream:
                # What a killed process left half written must not swallow this line.
                stream.write(line if not stream.tell() else "\n" + line)
                stream.flush()
                sync_file(stream.fileno())
        except OSError as error:
            raise state_problem(error, self.file) from error


def _entries(file: Path) -> list[JournalEntry]:
    try:
        text = read_limited(file, limit=_LIMIT).decode("utf-8", "replace")
    except (InputRefused, OSError):
        return []
    entries = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            entry = json.loads(line)
            if _readable(entry):
                entries.append(cast(JournalEntry, entry))
    return entries


def _readable(entry: object) -> bool:
    """Return whether a line has the keys that are read from it."""
    if not isinstance(entry, dict):
        return False
    if not isinstance(entry.get("race"), str) or not isinstance(entry.get("session"), str):
        return False
    if entry.get("kind") == "judged":
        return isinstance(entry.get("reasons"), list)
    sample = entry.get("sample")
    return (
        entry.get("kind") == "sample"
        and isinstance(entry.get("trial"), str)
        and isinstance(entry.get("prompt_tokens"), int)
        and isinstance(entry.get("at"), int | float)
        and isinstance(sample, dict)
        and isinstance(sample.get("total_s"), int | float)
        and sample["total_s"] > 0
    )
