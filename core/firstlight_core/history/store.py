"""The store of the history: one SQLite file that several wizards and verbs write at once.

A damaged file is set aside and a new one begun, with a sentence about it. sqlite3 is imported when the store is first
used: no start of the wizard pays for it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from firstlight_core.documents.history import RecordKind, RecordRow, WholeRecord
from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.files import state_problem
from firstlight_core.history.migrations import MIGRATIONS
from firstlight_core.history.rows import (
    RECORDS,
    SERIES,
    NewDocument,
    insert,
    read_record,
    read_whole,
)
from firstlight_core.locks import Lock, try_lock
from firstlight_core.paths import find_paths
from firstlight_core.text import one_line, shown_path

if TYPE_CHECKING:
    import sqlite3

Result = TypeVar("Result")

FILE = "history.sqlite3"
BUSY_SECONDS = 10.0
"""How long a writer waits for another one."""
SIDE_FILES = ("-wal", "-shm", "-journal")
MOST_ROWS = 100_000
MOST_PLACES = 500
"""Placeholders of one statement; the smallest SQLite takes 999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The filters of a list of records; None is "any"."""

    kind: RecordKind | None = None
    model: str | None = None
    """Part of the label, the target or the precision, or the beginning of a fingerprint."""
    since: str | None = None
    """UTC, ISO 8601."""
    artifact_fingerprint: str | None = None
    source_fingerprint: str | None = None
    machine_fingerprint: str | None = None
    valid: bool = False
    """Only records that are not void."""
    limit: int = MOST_ROWS


def utc_now() -> str:
    """Return the time now as the history writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class HistoryStore:
    """The history of this user. Every call opens the file anew, so threads and processes may share it."""

    def __init__(self, path: Path | None = None, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path or find_paths().state / FILE
        self.notes: list[str] = []
        """Sentences for the user: a damaged file that was set aside."""
        self._busy_seconds = busy_seconds

    def add(self, new: NewDocument) -> list[int]:
        """Keep a document; return the ids of its records.

        Raises:
            StateProblem: the disk refuses, the file is locked or comes from a later version.
        """

        def write(connection: "sqlite3.Connection") -> list[int]:
            with _transaction(connection):
                return insert(connection, new)

        return self._with_file(write)

    def records(self, query: Query | None = None) -> list[RecordRow]:
        """Return the records that are meant, the newest first; none when nothing was kept yet.

        Raises:
            StateProblem: as `add`.
        """
        if not self.path.exists():
            return []
        where, values = _condition(query or Query())
        order = f"{RECORDS} {where} ORDER BY d.recorded_at DESC, r.id DESC LIMIT ?"
        limit = (query or Query()).limit

        def read(connection: "sqlite3.Connection") -> list[RecordRow]:
            rows = connection.execute(order, (*values, limit)).fetchall()
            series = _series(connection, [row["id"] for row in rows])
            return [read_record(row, series[row["id"]]) for row in rows]

        return self._with_file(read)

    def record(self, number: int) -> WholeRecord:
        """Return one record with its document.

        Raises:
            InputRefused: there is none of this number.
            StateProblem: as `add`.
        """

        def read(connection: "sqlite3.Connection") -> WholeRecord | None:
            row = connection.execute(f"{RECORDS} WHERE r.id = ?", (number,)).fetchone()
            return (
                read_whole(row, _series(connection, [number])[number]) if row is not None else None
            )

        # An integer of SQLite has 64 bits.
        whole = self._with_file(read) if self.path.exists() and 0 < number < 2**63 else None
        if whole is None:
            raise InputRefused(
                f"The history has no record {number}.", hint="`firstlight history` lists them."
            )
        return whole

    # The file -------------------------------------------------------------------------------------

    def _with_file(self, action: Callable[["sqlite3.Connection"], Result]) -> Result:
        """Open the file, bring its schema up to date and act; a damaged file is replaced once.

        SQLite's own waiting leaves out the change to the write-ahead log and its recovery: there it answers "locked"
        at once, so such an answer is tried again here until the time of waiting is over.
        """
        sqlite3 = _import_sqlite3()
        deadline = time.monotonic() + self._busy_seconds
        replaced = False
        while True:
            identity = _identity(self.path)
            try:
                with contextlib.closing(self._open()) as connection:
                    return action(connection)
            except sqlite3.OperationalError as error:
                if _result_code(error) not in (_BUSY, _LOCKED) or time.monotonic() >= deadline:
                    raise self._problem(error) from error
                time.sleep(0.02)
            except sqlite3.DatabaseError as error:
                if replaced:
                    raise self._problem(error) from error
                self._set_aside(identity)
                replaced = True

    def _open(self) -> "sqlite3.Connection":
        import sqlite3

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise state_problem(error, self.path.parent) from error
        connection: sqlite3.Connection = sqlite3.connect(
            self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            # A file system without shared memory answers with another mode, which is as safe and slower.
            if _version(connection) == 0:
                connection.execute("PRAGMA journal_mode = WAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: "sqlite3.Connection") -> None:
        if _version(connection) > len(MIGRATIONS):
            raise StateProblem(
                f"The history {shown_path(self.path)} was written by a later version of Firstlight.",
                hint="Update Firstlight, or move the file away to begin a new history.",
            )
        if _version(connection) == len(MIGRATIONS):
            return
        with _transaction(connection):
            # Another process may have done it while this one waited.
            for number in range(_version(connection), len(MIGRATIONS)):
                for statement in MIGRATIONS[number]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")

    def _set_aside(self, identity: tuple[int, int] | None) -> None:
        """Move a damaged file away, unless another process has already done so."""
        lock = self._lock()
        try:
            if identity is None or _identity(self.path) != identity:
                return
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            aside = self.path.with_name(f"history.damaged-{stamp}.sqlite3")
            # The file itself goes last: whoever begins the new one makes side files of its own at once.
            for suffix in SIDE_FILES:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
            self.path.rename(aside)
        except OSError as error:
            raise state_problem(error, self.path) from error
        finally:
            if lock is not None:
                lock.release(unlink=True)
        self.notes.append(
            f"The history was damaged; it was set aside as {shown_path(aside)} and a new one was begun."
        )

    def _lock(self) -> Lock | None:
        """Wait for the lock of setting aside; without one the renames are still one after another."""
        deadline = time.monotonic() + self._busy_seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if lock := try_lock(self.path.with_name("history.lock")):
                    return lock
            time.sleep(0.02)
        return None

    def _problem(self, error: "sqlite3.Error") -> StateProblem:
        hint = _HINTS.get(_result_code(error), _HINT)
        return StateProblem(
            f"The history {shown_path(self.path)} cannot be used: {one_line(str(error))}.",
            hint=hint,
        )


_HINT = "Check the folder and its permissions, then try again."
_BUSY, _LOCKED, _FULL = 5, 6, 13
_HINTS = {
    _BUSY: "Another program writes to it: try again.",
    _LOCKED: "Another program writes to it: try again.",
    _FULL: "The disk is full: free some space and try again.",
}
"""Result code of SQLite → the way on."""


def _result_code(error: "sqlite3.Error") -> int:
    """Return the cause of an error: the lowest byte of its code (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _import_sqlite3() -> ModuleType:
    try:
        import sqlite3
    except ImportError as error:
        raise StateProblem(
            "This Python has no sqlite3, so no history is kept.",
            hint="Install a Python with sqlite3.",
        ) from error
    return sqlite3


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _version(connection: "sqlite3.Connection") -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _transaction(connection: "sqlite3.Connection") -> Iterator[None]:
    """Hold the right to write from the beginning on: a reader that becomes a writer could not wait for another."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _series(
    connection: "sqlite3.Connection", records: Sequence[int]
) -> "dict[int, list[sqlite3.Row]]":
    """Return the series of each of these records, in their order."""
    series: dict[int, list[sqlite3.Row]] = {number: [] for number in records}
    for begin in range(0, len(records), MOST_PLACES):
        numbers = records[begin : begin + MOST_PLACES]
        places = ", ".join("?" * len(numbers))
        each = f"{SERIES} WHERE record_id IN ({places}) ORDER BY record_id, position"
        for row in connection.execute(each, tuple(numbers)):
            series[row["record_id"]].append(row)
    return series


def _condition(query: Query) -> tuple[str, list[str | int]]:
    """Return the condition of a query with the values of its placeholders."""
    parts: list[str] = []
    values: list[str | int] = []
    for column, value in (
        ("d.kind", query.kind),
        ("r.artifact_fingerprint", query.artifact_fingerprint),
        ("r.source_fingerprint", query.source_fingerprint),
        ("d.machine_fingerprint", query.machine_fingerprint),
    ):
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.since is not None:
        parts.append("d.recorded_at >= ?")
        values.append(query.since)
    if query.valid:
        parts.append("NOT r.void")
    if query.model is not None:
        text = query.model.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        columns = ("r.label", "r.target", "r.folder", "r.precision")
        likes = [f"{column} LIKE ? ESCAPE '\\'" for column in columns]
        likes += [f"r.{side}_fingerprint LIKE ? ESCAPE '\\'" for side in ("artifact", "source")]
        parts.append(f"({' OR '.join(likes)})")
        values += [f"%{text}%"] * len(columns) + [f"{text}%"] * 2
    return ("WHERE " + " AND ".join(parts) if parts else ""), values
