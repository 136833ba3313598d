"""Makes a finished folder visible in one step, and never a half of it.

Everything is written into a staging folder on the disk of the output, synced, and renamed in one system call
that either finds the name free or exchanges the old folder for the new one. Whoever is killed on the way leaves
only a staging folder, whose lock the kernel has freed: the next start sweeps it.
"""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from firstlight_core.artifact.atomic_rename import rename_exchange, rename_new
from firstlight_core.artifact.manifest import (
    MANIFEST,
    files_in,
    read_manifest,
    sha256_of,
    tool_versions,
    write_manifest,
)
from firstlight_core.artifact.staging import (
    PREFIX,
    Staging,
    open_staging,
    remove_tree,
    short_name,
    sweep,
    unusable_output,
)
from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.files import (
    exists,
    is_file,
    is_folder,
    patiently,
    state_problem,
    sync_file,
    sync_folder,
)
from firstlight_core.paths import (
    WINDOWS_PATH_LIMIT,
    WORK_DEPTH,
    find_paths,
    path_problem,
    same_place,
)
from firstlight_core.text import one_line, shown_path

__all__ = [
    "HIDDEN_MARK",
    "MANIFEST",
    "Staging",
    "check_output",
    "files_in",
    "open_staging",
    "previous_of",
    "publish",
    "read_manifest",
    "remove_tree",
    "restore_previous",
    "sha256_of",
    "sweep",
    "sync_tree",
    "tool_versions",
    "write_manifest",
]
HIDDEN_MARK = "download.tmp"
"""A folder with this file is passed over by Foundry Local's scanner (cores <= 2.0)."""
_PREVIOUS = ".previous"
_LATER = frozenset({"inference_model.json", "chat_template.jinja", HIDDEN_MARK})
"""Names that later steps may add to a published artifact."""


def check_output(output: Path, *, source: Path | None = None) -> None:
    """Check that `output` may be written or replaced.

    Raises:
        InputRefused: it is `/`, a link, a file, inside the source or around it, inside an artifact, or holds what is
            not ours.
    """
    output_text = shown_path(output)
    other = "Name another folder with -o."
    if "\0" in str(output):
        raise InputRefused("A path cannot hold a NUL character.", hint=other)
    try:
        if output.is_symlink():
            raise InputRefused(
                f"{output_text} is a link; Firstlight replaces no links.", hint=other
            )
        real = output.parent.resolve() / output.name if output.name else output.resolve()
        if real.parent == real or output.name in ("", ".", ".."):
            raise InputRefused(f"{output_text} cannot be an output folder.", hint=other)
        if (problem := path_problem(real, depth=WORK_DEPTH)) is not None:
            raise InputRefused(
                f"{output_text} cannot be an output folder: {problem}.",
                hint="Name another, shorter folder with -o."
                if str(WINDOWS_PATH_LIMIT) in problem
                else other,
            )
        _check_place(output_text, real, source)
        if not exists(output):
            above = next((folder for folder in real.parents if exists(folder)), real)
            if not is_folder(above):
                raise InputRefused(f"{shown_path(above)} is a file, not a folder.", hint=other)
            return
        if not is_folder(output):
            raise InputRefused(f"{output_text} is a file, not a folder.", hint=other)
        present = sorted(entry.name for entry in output.iterdir())
    except OSError as error:
        raise unusable_output(output, error) from error
    if not present:
        return
    manifest = read_manifest(output)
    if manifest is None:
        raise InputRefused(
            f"{output_text} is not empty and was not made by Firstlight, so it is not replaced.",
            hint=other,
        )
    known = {str(name).split("/")[0] for name in manifest.get("files", {})} | {MANIFEST} | _LATER
    if foreign := [name for name in present if name not in known]:
        raise InputRefused(
            f"{output_text} also holds {one_line(foreign[0], 60)!r}, which is not part of the artifact.",
            hint=f"Move it away, or {other[0].lower()}{other[1:]}",
        )


def _check_place(output_text: str, real: Path, source: Path | None) -> None:
    """Refuse an output within a source or another artifact; `real` is the resolved output path."""
    other = "Name another folder with -o."
    if source is not None:
        origin = source.resolve()
        if any(same_place(origin, folder) for folder in (real, *real.parents)):
            raise InputRefused(
                f"{output_text} lies inside the source; nothing is written there.", hint=other
            )
        if any(same_place(real, folder) for folder in origin.parents):
            raise InputRefused(f"{output_text} holds the source model itself.", hint=other)
    if (around := next((f for f in real.parents if is_file(f / MANIFEST)), None)) is not None:
        raise InputRefused(
            f"{output_text} lies inside the artifact {shown_path(around)}, which would then hold what is not its own.",
            hint=other,
        )


def sync_tree(folder: Path) -> None:
    """Bring every file below `folder`, and every name, to the disk; plain modes, no links."""
    for path in files_in(folder).values():
        if path.stat().st_nlink != 1:
            _own_copy(path)
        path.chmod(0o644)
        _sync_file(path)
    _sync_file(folder / MANIFEST)
    for below in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        sync_folder(below)
    sync_folder(folder)


def _own_copy(path: Path) -> None:
    """Olive makes hard links, which onnx >= 1.23 refuses to load external data from."""
    own = path.with_name(f".{path.name[:100]}.own")
    shutil.copyfile(path, own)
    patiently(lambda: own.replace(path))


def _sync_file(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as stream:
        sync_file(stream.fileno())


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
        replaced = exists(output)
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
    """Return where the version before the current one of `output` is kept, if it is.

    Among Firstlight's own folders; beside the output when that is on another disk.
    """
    digest = hashlib.sha256(os.fsencode(output.absolute())).hexdigest()[:16]
    stored = find_paths().data / "previous" / digest
    beside = output.parent / f"{PREFIX}{short_name(output.name)}{_PREVIOUS}"
    return beside if exists(beside) else stored


def _keep(old: Path, output: Path) -> None:
    if read_manifest(old) is None:
        return
    previous = previous_of(output)
    (old / HIDDEN_MARK).touch()
    remove_tree(previous)
    try:
        previous.parent.mkdir(parents=True, exist_ok=True)
        patiently(lambda: old.rename(previous))
    except OSError:
        previous = output.parent / f"{PREFIX}{short_name(output.name)}{_PREVIOUS}"
        remove_tree(previous)
        patiently(lambda: old.rename(previous))
    sync_folder(previous.parent)


def restore_previous(output: Path) -> bool:
    """Undo: exchange `output` with the version before it; False when none is kept.

    Raises:
        InputRefused: `output` holds what is not ours.
        StateProblem: the disk refuses; nothing has changed.
    """
    previous = previous_of(output)
    if read_manifest(previous) is None:
        return False
    with open_staging(output) as staging:
        # A copy, not a rename: if this process is killed here, the previous version must still exist.
        shutil.copytree(previous, staging.artifact, dirs_exist_ok=True)
        (staging.artifact / HIDDEN_MARK).unlink(missing_ok=True)
        publish(staging.artifact, output, keep_previous=True)
    return True
