"""Whether the folder scan of Foundry Local's older cores (<= 2.0, CLI <= 0.8) would list a model, and why not.

The rules are those of the scanner, by experiment (FACTS.md): any depth below the cache's root, hidden folders
too; a folder with genai_config.json and inference_model.json (an object with a text `Name`) and no download.tmp; what
lies below a listed folder is not looked at; of two with one name the later one hides the earlier; `:0` is
appended to a name without a version. Cores from 2.1 on scan nothing: there a model is registered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.inference_model import INFERENCE_MODEL, PROVIDER_WORDS
from firstlight_core.documents.foundry import ScannedFolder
from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json
from firstlight_core.text import one_line, shown_path

CONFIG = "genai_config.json"
DOWNLOAD = "download.tmp"
FOLDER_LIMIT = 20_000
"""Folders looked at in one scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderVerdict:
    """The scanner's verdict on one folder."""

    folder: Path
    listed: bool
    id: str | None
    """As the scanner would list it."""
    reasons: tuple[str, ...]
    """Why it is not listed, or what else the user should know; one sentence each."""

    def to_json(self) -> ScannedFolder:
        """Return the row of a document."""
        return {
            "folder": str(self.folder),
            "listed": self.listed,
            "id": self.id,
            "reasons": list(self.reasons),
        }


def scan(root: Path) -> list[FolderVerdict]:
    """Return the verdict on every folder below `root` that looks like a model, in the scanner's order."""
    verdicts = [_judge(folder) for folder in _model_folders(root)]
    last = {verdict.id: verdict.folder for verdict in verdicts if verdict.listed}
    return [
        verdict
        if not verdict.listed or last[verdict.id] == verdict.folder
        else FolderVerdict(
            folder=verdict.folder,
            listed=False,
            id=verdict.id,
            reasons=(
                f"{shown_path(last[verdict.id])} has the same Name and hides it.",
                *verdict.reasons,
            ),
        )
        for verdict in verdicts
    ]


def diagnose(folder: Path, root: Path) -> FolderVerdict:
    """Return whether a scan of `root` would list `folder`, with every reason why it would not."""
    try:
        inside = folder.resolve().is_relative_to(root.resolve())
    except OSError:
        inside = False
    if not inside:
        return _not(folder, f"It does not lie below the cache folder {shown_path(root)}.")
    if not folder.is_dir():
        return _not(folder, "There is no such folder.")
    for verdict in scan(root):
        if verdict.folder.resolve() == folder.resolve():
            return verdict
    for above in folder.resolve().parents:
        if above == root.resolve():
            break
        if _looks_like_model(above):
            return _not(folder, f"It lies inside {shown_path(above)}, which is taken for a model.")
    return _judge(folder)


def _not(folder: Path, *reasons: str) -> FolderVerdict:
    return FolderVerdict(folder=folder, listed=False, id=None, reasons=reasons)


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def _looks_like_model(folder: Path) -> bool:
    return {CONFIG, INFERENCE_MODEL} <= _names(folder)


def _model_folders(root: Path) -> Iterator[Path]:
    """Folders with either of the two files; a complete one is a leaf. Link loops end, unlike in the scanner."""
    waiting: list[Path] = [root]
    seen: set[Path] = set()
    while waiting and len(seen) < FOLDER_LIMIT:
        folder = waiting.pop()
        try:
            real = folder.resolve()
            children = sorted(p for p in folder.iterdir() if p.is_dir())
        except OSError:
            continue
        if real in seen:
            continue
        seen.add(real)
        names = _names(folder)
        if folder != root and names & {CONFIG, INFERENCE_MODEL}:
            yield folder
            if {CONFIG, INFERENCE_MODEL} <= names and DOWNLOAD not in names:
                continue
        waiting.extend(reversed(children))


def _judge(folder: Path) -> FolderVerdict:
    names = _names(folder)
    reasons = [
        f"It has no {needed}." for needed in (CONFIG, INFERENCE_MODEL) if needed not in names
    ]
    if DOWNLOAD in names:
        reasons.append(f"It has a {DOWNLOAD}, the mark of an unfinished download.")
    identifier = None
    if INFERENCE_MODEL in names:
        try:
            document = read_json(folder / INFERENCE_MODEL, strict=False)
        except FirstlightError as error:
            reasons.append(str(error))
        else:
            name = document.get("Name") if isinstance(document, dict) else None
            if not isinstance(document, dict):
                reasons.append(f"{INFERENCE_MODEL} holds no object.")
            elif not isinstance(name, str) or not name:
                reasons.append(f"{INFERENCE_MODEL} has no text Name.")
            else:
                identifier = name if ":" in name else f"{name}:0"
    listed = not reasons
    if identifier is not None:
        for word in PROVIDER_WORDS:
            if word in identifier:
                reasons.append(f"{word!r} in its Name makes Foundry Local demand that hardware.")
        identifier = one_line(identifier, 120)
    return FolderVerdict(folder=folder, listed=listed, id=identifier, reasons=tuple(reasons))
