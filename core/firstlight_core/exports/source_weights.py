"""The original weights that an export serves: a whole model, or an adapter and its base."""

from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.manifest import read_source
from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import is_file, is_folder, read_limited
from firstlight_core.model.adapter import adapter_base, read_adapter
from firstlight_core.model.fingerprint import fingerprint
from firstlight_core.model.folder import list_folder
from firstlight_core.text import shown_path

LICENCE_NAMES = ("license", "licence", "copying", "notice")
LICENCE_LIMIT = 2**20
"""Bytes; the longest licence in public use has 40 kB."""
_NAME_IT = "Name them: --source FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWeights:
    """Where the original weights lie."""

    folder: Path
    """The whole model, or the base of the adapter; a .gguf file is a whole model too."""
    adapter: Path | None = None
    rank: int = 0
    bytes: int = 0
    """Size of the folder's weights."""


def source_of(artifact: Path) -> Path:
    """Return the folder of the original weights, as the artifact's manifest names it.

    Raises:
        InputRefused: it names none, or the folder is gone.
    """
    about = read_source(artifact)
    path = about["path"] if about is not None else ""
    if not path or not is_folder(Path(path)):
        raise InputRefused(
            "The artifact does not say where its original weights are, or they are gone.",
            hint=_NAME_IT,
        )
    return Path(path)


def original_weights(artifact: Path, source: Path | None = None) -> SourceWeights:
    """Return the weights in `source`, or where the artifact's manifest says they are.

    Raises:
        InputRefused: they are not there, or are an adapter whose base is not there.
    """
    folder = (source if source is not None else source_of(artifact)).absolute()
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise InputRefused(
            f"The path {shown_path(folder)} is not UTF-8, so no file can name it.",
            hint="Rename the folder, or make a link to it under a plain name.",
        ) from error
    if folder.suffix == ".gguf" and is_file(folder):
        return SourceWeights(folder=folder, bytes=folder.stat().st_size)
    if not is_folder(folder):
        raise InputRefused(f"There is no folder {shown_path(folder)}.", hint=_NAME_IT)
    base = adapter_base(folder)
    if base is None:
        return SourceWeights(folder=folder, bytes=_weight_bytes(folder))
    rank = read_adapter(list_folder(folder)).rank
    return SourceWeights(folder=base, adapter=folder, rank=rank, bytes=_weight_bytes(base))


def _weight_bytes(folder: Path) -> int:
    total = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if not total:
        raise InputRefused(
            f"{shown_path(folder)} holds no safetensors weights.",
            hint="Name the folder of the original model: --source FOLDER",
        )
    return total


def links_out(folder: Path) -> bool:
    """Return whether weights are links out of their folder, as in Hugging Face's cache."""
    home = folder.resolve()
    return any(not p.resolve().is_relative_to(home) for p in folder.glob("*.safetensors"))


def changed_since(artifact: Path, weights: SourceWeights) -> bool:
    """Return whether these are not the weights that the artifact was made of; False when nothing is known."""
    about = read_source(artifact)
    known = about["fingerprint"] if about is not None else ""
    if not known.startswith("sha256:") or weights.adapter:
        return False
    try:
        return fingerprint(weights.folder) != known
    except FirstlightError:
        return False


def licences(*folders: Path | None) -> dict[str, bytes]:
    """Return the licence and notice files beside weights, by name; skips long and unreadable files."""
    texts: dict[str, bytes] = {}
    for folder in folders:
        if folder is None or not is_folder(folder):
            continue
        for path in sorted(folder.iterdir()):
            if not path.name.lower().startswith(LICENCE_NAMES) or path.name in texts:
                continue
            try:
                texts[path.name] = read_limited(path, limit=LICENCE_LIMIT)
            except FirstlightError:
                continue
    return texts
