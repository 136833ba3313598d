"""Makes a finished folder visible in one step, and never a half of it.

Everything is written into a staging folder on the disk of the output, synced, and renamed in one system call
that either finds the name free or exchanges the old folder for the new one. Whoever is killed on the way leaves
only a staging folder, whose lock the kernel has freed: the next start sweeps it.
"""

import contextlib
import errno
import hashlib
import importlib.metadata
import os
import re
import secrets
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.errors import FirstlightError, InputRefused, Interrupted, StateProblem
from firstlight_core.exchange import rename_exchange, rename_new
from firstlight_core.files import read_json_object, state_problem, sync_folder, write_json
from firstlight_core.locks import Lock, try_lock
from firstlight_core.text import one_line, shown_path

MANIFEST = "firstlight.json"
MANIFEST_SCHEMA = "firstlight/manifest/1"
PREFIX = ".firstlight-"
PREVIOUS = ".previous"
HIDDEN_MARK = "download.tmp"
"""A folder with this file is passed over by Foundry Local's scanner (cores <= 2.0)."""
_LATER = frozenset({"inference_model.json", "chat_template.jinja", HIDDEN_MARK})
"""Names that later steps may add to a published artifact."""
_TOOLS = ("firstlight", "olive-ai", "onnxruntime", "onnxruntime-genai", "onnx", "torch")
_TOOLS_MORE = ("transformers", "peft", "numpy")
_CHUNK = 2**20


def tool_versions() -> dict[str, str]:
    """Version of every installed package that has a say in an artifact; nothing is imported."""
    found = {}
    for name in _TOOLS + _TOOLS_MORE:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _mark(name: str) -> str:
    """The part of a hidden name that stands for an output's name; long names are cut and told apart by a hash."""
    if len(name.encode("utf-8", "surrogateescape")) <= 120:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{name[:25]}~{digest}"


# ---------------------------------------------------------------------------------------- manifest


def sha256_of(path: Path, *, stop: threading.Event | None = None) -> str:
    """Hash of one file, read in pieces.

    Raises:
        Interrupted: `stop` was set meanwhile.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if stop is not None and stop.is_set():
                raise Interrupted("Cancelled.")
            digest.update(chunk)
    return digest.hexdigest()


def files_in(folder: Path) -> dict[str, Path]:
    """Every file below `folder` but the manifest, by its name relative to `folder`, sorted.

    Raises:
        InputRefused: something below is a link or not a regular file.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise InputRefused(f"{shown_path(path)} is not a regular file.")
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST:
            found[name] = path
    return found


def write_manifest(
    folder: Path, values: Mapping[str, Any], *, stop: threading.Event | None = None
) -> dict[str, Any]:
    """Write `firstlight.json`: `values` plus size (bytes) and sha256 of every file; returns the whole of it.

    Raises:
        StateProblem: it cannot be written.
        Interrupted: `stop` was set while hashing.
    """
    listed = {
        name: {"bytes": path.stat().st_size, "sha256": sha256_of(path, stop=stop)}
        for name, path in files_in(folder).items()
    }
    manifest = {**values, "schema": MANIFEST_SCHEMA, "files": listed}
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an artifact; None when it has none, or one that is not ours."""
    try:
        manifest = read_json_object(folder / MANIFEST)
    except FirstlightError:
        return None
    schema = manifest.get("schema")
    return (
        manifest if isinstance(schema, str) and schema.startswith("firstlight/manifest/") else None
    )


# ---------------------------------------------------------------------------------------- output


def check_output(output: Path, *, source: Path | None = None) -> None:
    """Whether `output` may be written or replaced.

    Raises:
        InputRefused: it is `/`, a link, a file, inside the source or around it, or holds what is not ours.
    """
    shown = shown_path(output)
    other = "Name another folder with -o."
    if "\0" in str(output):
        raise InputRefused("A path cannot hold a NUL character.", hint=other)
    try:
        if output.is_symlink():
            raise InputRefused(f"{shown} is a link; Firstlight replaces no links.", hint=other)
        real = output.parent.resolve() / output.name if output.name else output.resolve()
        if real.parent == real or output.name in ("", ".", ".."):
            raise InputRefused(f"{shown} cannot be an output folder.", hint=other)
        if source is not None:
            origin = source.resolve()
            if real == origin or origin in real.parents:
                raise InputRefused(
                    f"{shown} lies inside the source; nothing is written there.", hint=other
                )
            if real in origin.parents:
                raise InputRefused(f"{shown} holds the source model itself.", hint=other)
        if not output.exists():
            return
        if not output.is_dir():
            raise InputRefused(f"{shown} is a file, not a folder.", hint=other)
        present = sorted(entry.name for entry in output.iterdir())
    except OSError as error:
        raise _unusable(output, error) from error
    if not present:
        return
    manifest = read_manifest(output)
    if manifest is None:
        raise InputRefused(
            f"{shown} is not empty and was not made by Firstlight, so it is not replaced.",
            hint=other,
        )
    known = {str(name).split("/")[0] for name in manifest.get("files", {})} | {MANIFEST} | _LATER
    if foreign := [name for name in present if name not in known]:
        raise InputRefused(
            f"{shown} also holds {one_line(foreign[0], 60)!r}, which is not part of the artifact.",
            hint=f"Move it away, or {other[0].lower()}{other[1:]}",
        )


def _unusable(path: Path, error: OSError) -> FirstlightError:
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR):
        reason = os.strerror(error.errno)
        return InputRefused(
            f"{shown_path(one_line(str(path)))} cannot be an output folder: {reason}.",
            hint="Name another folder with -o.",
        )
    return state_problem(error, path)


# ---------------------------------------------------------------------------------------- staging


@dataclass(frozen=True, slots=True)
class Staging:
    """A private folder on the output's disk: fill `artifact`, keep everything else in `work`."""

    folder: Path

    @property
    def artifact(self) -> Path:
        """What will be published."""
        return self.folder / "artifact"

    @property
    def work(self) -> Path:
        """Caches and temporary files; never published."""
        return self.folder / "work"


@contextmanager
def open_staging(output: Path, *, beside: Path | None = None) -> Iterator[Staging]:
    """A staging folder for `output`, with both its folders made; whatever is left in it goes at the end.

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
                remove_tree(folder)
                lock.release()
    except OSError as error:
        raise state_problem(error, Path(error.filename or parent)) from error
    finally:
        for new in reversed(made):
            with contextlib.suppress(OSError):
                new.rmdir()


def _make_parents(parent: Path) -> list[Path]:
    made: list[Path] = []
    try:
        missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            made.append(folder)
    except OSError as error:
        for new in reversed(made):
            with contextlib.suppress(OSError):
                new.rmdir()
        raise _unusable(parent, error) from error
    return made


@contextmanager
def _only_writer(parent: Path, output: Path) -> Iterator[None]:
    path = parent / f"{PREFIX}{_mark(output.name)}.lock"
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
        folder = parent / f"{PREFIX}{_mark(output.name)}-{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            folder.mkdir(mode=0o700)
            # A sweep between these two lines may take the folder away; then another name is tried.
            lock = try_lock(folder / "lock")
            if lock is not None:
                try:
                    (folder / "artifact").mkdir(mode=0o755)
                    (folder / "work").mkdir()
                except BaseException:
                    remove_tree(folder)
                    lock.release()
                    raise
                return folder, lock
    raise StateProblem(f"Cannot make a work folder in {shown_path(parent)}.")


def remove_tree(folder: Path) -> None:
    """Delete a folder so that no scanner ever takes a half of it for a model; what cannot go, stays."""
    for name in ("inference_model.json", "genai_config.json"):
        for path in (folder / name, folder / "artifact" / name, folder / "previous" / name):
            with contextlib.suppress(OSError):
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


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
            remove_tree(folder)
            if lock is not None:
                lock.release()
            removed.append(folder)
    return removed


def _finish_swap(folder: Path) -> None:
    """Where folders cannot be exchanged, the old one stands in `previous` between two renames: put it back."""
    target = folder / "target"
    with contextlib.suppress(OSError, ValueError):
        output = Path(target.read_text("utf-8", "surrogateescape"))
        previous = folder / "previous"
        if previous.is_dir() and output.parent.samefile(folder.parent) and not output.exists():
            previous.rename(output)


# ---------------------------------------------------------------------------------------- publish


def sync_tree(folder: Path) -> None:
    """Bring every file below `folder`, and every name, to the disk; plain modes, no links."""
    for path in files_in(folder).values():
        path.chmod(0o644)
        _sync_file(path)
    _sync_file(folder / MANIFEST)
    for below in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        sync_folder(below)
    sync_folder(folder)


def _sync_file(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as stream:
        os.fsync(stream.fileno())


def publish(staged: Path, output: Path, *, keep_previous: bool = False) -> None:
    """Make `staged` be `output`, in one step; an old output that is ours is exchanged for it.

    With `keep_previous` the old one stays for `restore_previous`, marked so that no scanner lists it.

    Raises:
        InputRefused: `output` appeared meanwhile and is not ours.
        StateProblem: the disk refuses; the old output is untouched.
    """
    check_output(output)
    try:
        sync_tree(staged)
        sync_folder(staged.parent)
        replaced = output.exists()
        if replaced:
            rename_exchange(staged, output, aside=staged.parent)
        else:
            rename_new(staged, output)
        sync_folder(output.parent)
        if replaced and keep_previous:
            _keep(staged, output)
    except FileExistsError as error:
        raise StateProblem(
            f"{shown_path(output)} appeared while the work went on; it was left as it is.",
            hint="Another Firstlight may have written it. Try again, or name another folder.",
        ) from error
    except OSError as error:
        raise state_problem(error, output) from error


def previous_of(output: Path) -> Path:
    """Where the version before the current one of `output` is kept, if it is."""
    return output.parent / f"{PREFIX}{_mark(output.name)}{PREVIOUS}"


def _keep(old: Path, output: Path) -> None:
    if read_manifest(old) is None:
        return
    place = previous_of(output)
    (old / HIDDEN_MARK).touch()
    remove_tree(place)
    old.rename(place)
    sync_folder(place.parent)


def restore_previous(output: Path) -> bool:
    """Undo: exchange `output` with the version before it; False when none is kept.

    Raises:
        InputRefused: `output` holds what is not ours.
        StateProblem: the disk refuses; nothing has changed.
    """
    place = previous_of(output)
    if read_manifest(place) is None:
        return False
    with open_staging(output) as staging:
        staging.artifact.rmdir()
        place.rename(staging.artifact)
        (staging.artifact / HIDDEN_MARK).unlink(missing_ok=True)
        try:
            publish(staging.artifact, output, keep_previous=True)
        except BaseException:
            staging.artifact.rename(place)
            raise
    return True
