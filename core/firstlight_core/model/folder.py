"""The files of a foreign folder, listed without following links and without opening anything.

A folder is looked at in two passes: its top level, which says what kind of folder it is, and then everything
below it: tools walk a whole folder and follow links, and a loop, a FIFO or a device would never end. A link to
another folder within is no loop (trackers keep one to their latest run); it is passed over.
"""

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.errors import InputRefused, ModelRefused
from firstlight_core.files import BINARY, JSON_LIMIT, JsonObject, read_json_object, read_limited
from firstlight_core.paths import expanded
from firstlight_core.text import shown_path

ENTRY_LIMIT = 20_000
"""Files and folders in one model folder; a large sharded model has some hundred."""
DEPTH_LIMIT = 8
PATH_LIMIT = 4_096
_SYSTEM = tuple(Path(name) for name in ("/proc", "/sys", "/dev"))
_RAM_DISKS = (Path("/dev/shm"),)
"""Within a folder of the system, but made for the files of users."""
_OF_A_MODEL = (".json", ".safetensors", ".jinja", ".model", ".txt", ".bin", ".py")


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file: its name below the folder, where it really is, and what identifies its content."""

    name: str
    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose top level has been listed; `path` is resolved."""

    path: Path
    files: dict[str, Member]
    """The regular files of the top level."""
    folders: tuple[str, ...]
    links: dict[str, Path] = field(default_factory=dict)
    """Links of the top level that lead to a folder within, and where they lead."""

    def having(self, *suffixes: str) -> list[str]:
        """Return the files of the top level that end so, sorted."""
        return sorted(name for name in self.files if name.lower().endswith(suffixes))

    def read_object(self, name: str, *, limit: int = JSON_LIMIT) -> JsonObject:
        """Return one JSON object of the folder, or `{}` when there is no such file.

        Raises:
            ModelRefused: it is no valid JSON object.
        """
        if (member := self.files.get(name)) is None:
            return {}
        try:
            return read_json_object(member.path, limit=limit)
        except InputRefused as error:
            raise ModelRefused(str(error), hint=error.hint, line=error.line) from error

    def read_start(self, name: str, count: int = 4096) -> bytes:
        """Return the first `count` bytes of one file; empty when there is no such file or it cannot be read."""
        if (member := self.files.get(name)) is None:
            return b""
        try:
            descriptor = os.open(member.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY)
        except OSError:
            return b""
        try:
            return os.read(descriptor, count)
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def read_text(self, name: str, *, limit: int = 2**20) -> str:
        """Return one UTF-8 text of the folder.

        Raises:
            ModelRefused: it cannot be read, or is larger than `limit` bytes.
        """
        try:
            return read_limited(self.files[name].path, limit=limit).decode("utf-8-sig", "replace")
        except InputRefused as error:
            raise ModelRefused(str(error), hint=error.hint, line=error.line) from error


_MARKS = ("config.json", "adapter_config.json", "genai_config.json", "model.safetensors.index.json")
"""Without any of these names a folder is not worth a closer look."""


def list_folder(folder: Path) -> ModelFolder:
    """List the top level of `folder`.

    Raises:
        ModelRefused: it is missing, no folder, unreadable, a system folder, or holds links that leave it.
    """
    root = _resolve(folder)
    files: dict[str, Member] = {}
    folders: list[str] = []
    links: dict[str, Path] = {}
    try:
        for name, entry in _entries(root, root, ""):
            if isinstance(entry, Member):
                files[name] = entry
            elif entry is None:
                folders.append(name)
            else:
                links[name] = entry
    except ModelRefused as error:
        # /etc is full of links, but what is wrong with it is that it is no model.
        if not any(os.path.lexists(root / name) for name in _MARKS):
            raise _not_a_model(root, "holds no config.json") from error
        raise
    return ModelFolder(root, files, tuple(sorted(folders)), links)


def check_tree(folder: ModelFolder) -> list[str]:
    """Look at everything below the folder and return the names of all files, relative to it.

    Raises:
        ModelRefused: a link leaves the folder or leads in a circle, something is no file, or it is too large a tree.
    """
    names = list(folder.files)
    links = dict(folder.links)
    waiting = [(name, 1) for name in folder.folders]
    seen = len(names) + len(waiting)
    while waiting:
        below, depth = waiting.pop()
        if depth > DEPTH_LIMIT:
            raise _not_a_model(folder.path, f"nests folders more than {DEPTH_LIMIT} deep")
        for name, entry in _entries(folder.path, folder.path / below, below + "/"):
            seen += 1
            if seen > ENTRY_LIMIT:
                raise _not_a_model(folder.path, f"holds more than {ENTRY_LIMIT:,} files")
            if isinstance(entry, Member):
                names.append(name)
            elif entry is None:
                waiting.append((name, depth + 1))
            else:
                links[name] = entry
    _refuse_circles(folder.path, links)
    return names


def _refuse_circles(root: Path, links: dict[str, Path]) -> None:
    """Refuse links to folders by which a walk that follows links comes back to where it was."""
    # A reader that follows a link may meet files that are in the folder it leads to.
    met = {
        name: {other for other in links if (root / other).is_relative_to(target)}
        for name, target in links.items()
    }
    for name in links:
        seen: set[str] = set()
        waiting = set(met[name])
        while waiting:
            other = waiting.pop()
            if other == name:
                raise ModelRefused(
                    f"{shown_path(name)} is a link to a folder around it: reading it never ends.",
                    hint="Remove the link from the folder.",
                )
            if other not in seen:
                seen.add(other)
                waiting |= met[other]


def _not_a_model(root: Path, why: str) -> ModelRefused:
    return ModelRefused(
        f"{shown_path(root)} {why}: that is not a model folder.",
        hint="Choose the folder that holds config.json and the .safetensors files.",
    )


def _resolve(folder: Path) -> Path:
    text = str(folder)
    label = shown_path(text if len(text) <= 200 else text[:199] + "…")
    if "\0" in text:
        raise ModelRefused(f"{label} holds a NUL character: that is not a path.")
    if len(os.fsencode(text)) > PATH_LIMIT:
        raise ModelRefused(f"The path {label} is too long for any file system.")
    try:
        root = expanded(folder).resolve(strict=True)
        mode = root.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ModelRefused(
            f"There is no folder {label}.",
            hint="Check the path. A Hub id (owner/name) or `sample` works too.",
        ) from None
    except PermissionError:
        raise unreadable(folder) from None
    except (OSError, RuntimeError, ValueError) as error:
        loop = isinstance(error, RuntimeError) or getattr(error, "errno", 0) == errno.ELOOP
        reason = "it is a link that leads to itself" if loop else "the path is not usable"
        raise ModelRefused(f"Cannot open {label}: {reason}.") from error
    if stat.S_ISREG(mode):
        raise _single_file(root)
    if not stat.S_ISDIR(mode):
        raise ModelRefused(f"{label} is not a folder.", hint="Choose the model's folder.")
    if _is_system(root):
        raise ModelRefused(
            f"{label} belongs to the system: that is not a model folder.",
            hint="Choose the folder that holds config.json and the .safetensors files.",
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise unreadable(root)
    return root


def _is_system(root: Path) -> bool:
    if any(root.is_relative_to(disk) and root != disk for disk in _RAM_DISKS):
        return False
    return root == Path(root.anchor) or any(root.is_relative_to(system) for system in _SYSTEM)


def unreadable(folder: Path) -> ModelRefused:
    """Return the error of a folder whose permissions keep this user out."""
    return ModelRefused(
        f"You may not read {shown_path(folder)}.",
        hint="Change its permissions, or copy the folder.",
    )


def _single_file(path: Path) -> ModelRefused:
    label = shown_path(path)
    match path.suffix.lower():
        case ".gguf":
            return ModelRefused(
                f"{label} is a GGUF file, made for llama.cpp, Ollama and LM Studio.",
                hint="Run it there, or point Firstlight at the Hugging Face folder it was made from.",
            )
        case ".safetensors" | ".json" | ".onnx" | ".data":
            return ModelRefused(
                f"{label} is one file of a model.",
                hint=f"Choose its folder: {shown_path(path.parent)}",
            )
        case ".bin" | ".pt" | ".pth" | ".ckpt" | ".pkl":
            return ModelRefused(
                f"{label} is a pickle, which can run code when it is opened.",
                hint="Save the model with `save_pretrained(..., safe_serialization=True)` and choose that folder.",
            )
        case ".zip" | ".gz" | ".tar" | ".tgz" | ".7z" | ".xz":
            return ModelRefused(f"{label} is an archive.", hint="Unpack it and choose the folder.")
    return ModelRefused(f"{label} is a file, not a folder.", hint="Choose the model's folder.")


def _entries(root: Path, folder: Path, prefix: str) -> list[tuple[str, Member | Path | None]]:
    """Names below `folder`: a `Member` for a file, None for a folder, a path for a link to a folder within."""
    entries: list[tuple[str, Member | Path | None]] = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if len(entries) >= ENTRY_LIMIT:
                    raise _not_a_model(root, f"holds more than {ENTRY_LIMIT:,} files")
                name = prefix + entry.name
                path = Path(entry.path)
                linked = entry.is_symlink()
                if linked:
                    if not _matters(name) and _leads_nowhere(path):
                        continue
                    path = _target(root, path, name)
                status = path.lstat()
                if linked and stat.S_ISDIR(status.st_mode):
                    entries.append((name, path))
                    continue
                if stat.S_ISDIR(status.st_mode):
                    entries.append((name, None))
                elif stat.S_ISREG(status.st_mode):
                    entries.append((name, _member(name, path, status)))
                else:
                    raise ModelRefused(
                        f"{shown_path(name)} in this folder is no file but a {_what(status.st_mode)}.",
                        hint="Remove it: no model needs that, and reading it might never end.",
                    )
    except PermissionError:
        raise ModelRefused(
            f"You may not read the folder {shown_path(folder)}.",
            hint="Change its permissions, or copy the folder.",
        ) from None
    except OSError as error:
        raise ModelRefused(f"Cannot list {shown_path(folder)}: {error.strerror}.") from error
    return entries


def _member(name: str, path: Path, status: os.stat_result) -> Member:
    return Member(name, path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _what(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "FIFO"
    if stat.S_ISSOCK(mode):
        return "socket"
    return "device"


def _target(root: Path, link: Path, name: str) -> Path:
    """Return where a link leads, when that is a file of this folder or a blob of the hub cache it belongs to."""
    label = shown_path(name)
    try:
        target = link.resolve(strict=True)
    except FileNotFoundError:
        raise ModelRefused(
            f"{label} is a link that leads nowhere: the download is incomplete.",
            hint="Download the model again.",
        ) from None
    except (OSError, RuntimeError):
        raise ModelRefused(
            f"{label} is a link that leads to itself.", hint="Remove the link from the folder."
        ) from None
    blobs = _blobs(root)
    if not target.is_relative_to(root) and not (blobs and target.is_relative_to(blobs)):
        raise ModelRefused(
            f"{label} is a link to something outside of this folder.",
            hint="Firstlight reads nothing outside: replace the link with a copy of the file.",
        )
    return target


def _leads_nowhere(link: Path) -> bool:
    try:
        link.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _matters(name: str) -> bool:
    """Return whether a link that leads nowhere may stand for a file of the model."""
    return "/" not in name and name.lower().endswith(_OF_A_MODEL)


def _blobs(root: Path) -> Path | None:
    """Return the blobs of a Hugging Face cache entry when `root` is one of its snapshots."""
    entry = root.parent.parent
    if root.parent.name == "snapshots" and entry.name.startswith("models--"):
        return entry / "blobs"
    return None
