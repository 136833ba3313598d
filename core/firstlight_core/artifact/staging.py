"""Private folders on the disk of an output: one writer, never seen by a scanner, swept when their owner dies."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.errors import FirstlightError, InputRefused, StateProblem
from firstlight_core.files import delete_tree, exists, patiently, state_problem
from firstlight_core.locks import Lock, try_lock
from firstlight_core.text import one_line, shown_path

PREFIX = ".firstlight-"
_SHIELD = {"genai_config.json": "{}\n", "inference_model.json": "{}\n"}
"""A folder that looks like a model without a name ends Foundry Local's scan: it does not look below."""


def short_name(name: str) -> str:
    """Return the output's part of a hidden name; long names are cut and get a hash."""
    if len(name.encode("utf-8", "surrogateescape")) <= 120:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{name[:25]}~{digest}"


def unusable_output(path: Path, error: OSError) -> FirstlightError:
    """Return the error for a path that the system does not take as an output folder."""
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR):
        reason = os.strerror(error.errno)
        return InputRefused(
            f"{shown_path(one_line(str(path)))} cannot be an output folder: {reason}.",
            hint="Name another folder with -o.",
        )
    return state_problem(error, path)


@dataclass(frozen=True, slots=True)
class Staging:
    """A private folder on the output's disk: fill `artifact`, keep everything else in `work`."""

    folder: Path

    @property
    def artifact(self) -> Path:
        """The folder to publish."""
        return self.folder / "artifact"

    @property
    def work(self) -> Path:
        """Caches and temporary files; never published."""
        return self.folder / "work"


@contextmanager
def open_staging(output: Path, *, beside: Path | None = None) -> Iterator[Staging]:
    """Make a staging folder for `output` with both its subfolders; delete its remains at the end.

    It stands in the output's parent, or in the parent of `beside` (to stay outside a folder that is scanned).
    Left-overs of dead runs there are swept first. One writer an output: a second one is told who is at it.

    Raises:
        StateProblem: the disk refuses, or another Firstlight is writing the same output.
    """
    parent = (beside if beside is not None else output).parent
    made = _make_parents(parent)
    try:
        with _only_writer(parent, output):
            sweep(parent)
            folder, lock = _claim(parent, output)
            try:
                yield Staging(folder)
            finally:
                _drop(folder, lock)
    except OSError as error:
        raise state_problem(error, Path(error.filename or parent)) from error
    finally:
        for new in reversed(made):
            with contextlib.suppress(OSError):
                new.rmdir()


def _make_parents(parent: Path) -> list[Path]:
    made: list[Path] = []
    try:
        missing = [folder for folder in (parent, *parent.parents) if not exists(folder)]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            made.append(folder)
    except OSError as error:
        for new in reversed(made):
            with contextlib.suppress(OSError):
                new.rmdir()
        raise unusable_output(parent, error) from error
    return made


@contextmanager
def _only_writer(parent: Path, output: Path) -> Iterator[None]:
    path = parent / f"{PREFIX}{short_name(output.name)}.lock"
    lock = try_lock(path, note=f"pid {os.getpid()}")
    if lock is None:
        raise StateProblem(
            f"Another Firstlight is writing {shown_path(output)} at this moment.",
            hint="Wait for it, or name another folder with -o.",
        )
    try:
        yield
    finally:
        lock.release(unlink=True)


def _claim(parent: Path, output: Path) -> tuple[Path, Lock]:
    for _ in range(100):
        folder = parent / f"{PREFIX}{short_name(output.name)}-{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            folder.mkdir(mode=0o700)
            # A sweep between these two lines may take the folder away; then another name is tried.
            lock = try_lock(folder / "lock")
            if lock is not None:
                try:
                    for name, text in _SHIELD.items():
                        (folder / name).write_text(text, "ascii")
                    (folder / "artifact").mkdir(mode=0o755)
                    (folder / "work").mkdir()
                except BaseException:
                    _drop(folder, lock)
                    raise
                return folder, lock
    raise StateProblem(f"Cannot make a work folder in {shown_path(parent)}.")


def remove_tree(folder: Path) -> None:
    """Delete a folder so that no scanner takes a half of it for a model; undeletable files remain."""
    for below in ("artifact", "previous", "."):
        for name in _SHIELD:
            with contextlib.suppress(OSError):
                (folder / below / name).unlink()
    delete_tree(folder)


def _drop(folder: Path, lock: Lock | None) -> None:
    """Delete a staging folder, holding its lock as long as the system lets an open file be deleted."""
    remove_tree(folder)
    if lock is not None:
        lock.release()
    # Windows deletes no open file, so the folder with the lock is removed only now.
    if os.path.lexists(folder):
        remove_tree(folder)


def sweep(parent: Path) -> list[Path]:
    """Remove the staging folders of runs that died in `parent`, bringing an interrupted swap to its end.

    Returns the folders that were removed; those of living runs are left alone.
    """
    removed: list[Path] = []
    with contextlib.suppress(OSError):
        for folder in sorted(parent.glob(f"{PREFIX}*-????????")):
            if not re.fullmatch("[0-9a-f]{8}", folder.name[-8:]):
                continue
            if folder.is_symlink() or not folder.is_dir():
                continue
            if (lock := try_lock(folder / "lock", create=False)) is None and (
                folder / "lock"
            ).exists():
                continue
            _finish_swap(folder)
            _drop(folder, lock)
            removed.append(folder)
        for path in parent.glob(f"{PREFIX}*.lock"):
            if (lock := try_lock(path, create=False)) is not None:
                lock.release(unlink=True)
    return removed


def _finish_swap(folder: Path) -> None:
    """Where folders cannot be exchanged, the old one is in `previous` between two renames: put it back."""
    target = folder / "target"
    with contextlib.suppress(OSError, ValueError):
        output = Path(target.read_text("utf-8", "surrogateescape"))
        previous = folder / "previous"
        if previous.is_dir() and output.parent.samefile(folder.parent) and not output.exists():
            patiently(lambda: previous.rename(output))
