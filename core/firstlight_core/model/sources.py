"""Where models may already be on this machine: the Hugging Face cache and the folders used before."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.documents.model import FoundModelDocument
from firstlight_core.errors import FirstlightError, ModelRefused, UsageError
from firstlight_core.files import read_json, write_json
from firstlight_core.ledger import list_runs
from firstlight_core.paths import expanded, find_paths
from firstlight_core.settings import load_settings
from firstlight_core.text import one_line, shown_path

RECENT_LIMIT = 30
_SCAN_LIMIT = 500
_LOOKED_AT = 5_000
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_ADAPTER = "adapter_config.json"
_MARKS = ("config.json", _ADAPTER)
_HUB_ID = re.compile(rf"(?:{_PART}/)?{_PART}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """One row of the model table; `weight_bytes` is what the weights files take on disk, 0 when there are none."""

    name: str
    path: Path
    origin: str
    """`sample`, `recent`, `folder` (of the settings) or `cache` (Hugging Face)."""
    architecture: str
    weight_bytes: int

    def to_json(self) -> FoundModelDocument:
        """Return a JSON object for `--json` documents."""
        return {
            "name": self.name,
            "path": shown_path(self.path),
            "origin": self.origin,
            "architecture": self.architecture,
            "weight_bytes": self.weight_bytes,
        }


def hub_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the Hugging Face cache, by the rules of huggingface_hub: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME."""
    if cache := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return expanded(cache)
    if home := environ.get("HF_HOME"):
        return expanded(home) / "hub"
    root = expanded(environ.get("XDG_CACHE_HOME") or "~/.cache")
    return root / "huggingface" / "hub"


def check_hub_id(text: str) -> str:
    """Return the id of a model on the Hugging Face hub (`owner/name`), as huggingface_hub accepts them.

    Raises:
        UsageError: it is none; nothing is looked up.
    """
    if len(text) > 96 or not _HUB_ID.fullmatch(text) or "--" in text or ".." in text:
        raise UsageError(
            f"{one_line(text, 80)!r} is neither a folder nor a model id of the Hugging Face hub.",
            hint="An id looks like Qwen/Qwen2.5-0.5B-Instruct; a folder must exist.",
        )
    if text.endswith(".git"):
        raise UsageError(
            "A model id does not end in .git.", hint=f"Use {text.removesuffix('.git')}"
        )
    return text


def looks_like_hub_id(text: str) -> bool:
    """Return whether `owner/name` could be a hub id; a single word is taken for a folder."""
    try:
        return "/" in text and bool(check_hub_id(text))
    except UsageError:
        return False


def cached_snapshot(hub_id: str, cache: Path | None = None) -> Path | None:
    """Return the newest complete snapshot of a model in the Hugging Face cache, by its `main` reference first."""
    if not _HUB_ID.fullmatch(hub_id):
        return None
    entry = (cache or hub_cache()) / ("models--" + hub_id.replace("/", "--"))
    return next(_snapshots(entry), None)


def find_source(text: str) -> Path:
    """Return the folder that a user's text means: a path, `sample`, or the id of a model in the Hugging Face cache.

    Raises:
        UsageError: it is empty.
        ModelRefused: it is a hub id that is not on this machine, or no folder.
    """
    if not text.strip():
        raise UsageError("No model was named.", hint="Name a folder, or `sample`.")
    folder = expanded(text)
    if "\0" in text or os.path.lexists(folder):
        return folder
    if text == "sample":
        return find_paths().sample
    if not looks_like_hub_id(text):
        return model_of_the_settings(text) or folder
    if (snapshot := cached_snapshot(text)) is not None:
        return snapshot
    raise ModelRefused(
        f"There is no folder {one_line(text, 96)}, and no model of that id in the Hugging Face cache.",
        hint=f"Nothing is downloaded unasked. To fetch it: firstlight inspect {one_line(text, 96)} --download",
    )


def _snapshots(entry: Path) -> Iterator[Path]:
    try:
        main = (entry / "refs" / "main").read_text(errors="replace").strip()[:80]
        if re.fullmatch(r"[0-9a-f]{4,64}", main) and _is_source(entry / "snapshots" / main):
            yield entry / "snapshots" / main
    except (OSError, ValueError):
        main = ""
    try:
        others = [path for path in (entry / "snapshots").iterdir() if path.name != main]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return
    for path in others:
        if _is_source(path):
            yield path


def _is_source(folder: Path) -> bool:
    """Return whether a folder is a model, or a LoRA adapter for one."""
    return any((folder / name).is_file() for name in _MARKS)


def find_models(*, cache: Path | None = None) -> list[FoundModel]:
    """List the sample, then folders used before (newest first), the settings' models, and the Hugging Face cache.

    Not by `huggingface_hub.scan_cache_dir`: one dangling link makes that drop the whole repository, and a download that
    was cut short is just what should be listed, so that the inspection can name what it lacks.
    """
    paths = find_paths()
    models = [_row(paths.sample, origin="sample", name="sample")]
    seen = {paths.sample.resolve()}
    for folder in _recent():
        _add(models, seen, folder, origin="recent", name=folder.name)
    for folder in _own_models():
        _add(models, seen, folder, origin="folder", name=folder.name)
    root = cache or hub_cache()
    try:
        entries = sorted(path for path in root.iterdir() if path.name.startswith("models--"))
    except OSError:
        entries = []
    for entry in entries[:_SCAN_LIMIT]:
        name = entry.name.removeprefix("models--").replace("--", "/", 1)
        if (snapshot := next(_snapshots(entry), None)) is not None:
            _add(models, seen, snapshot, origin="cache", name=name)
    return models


def _own_models() -> list[Path]:
    """List the models in the folder that the settings name."""
    folder = load_settings()[0].models
    try:
        return sorted(folder.iterdir())[:_SCAN_LIMIT] if folder is not None else []
    except OSError:
        return []


def model_of_the_settings(name: str) -> Path | None:
    """Return the model of this name in the folder of models that the settings name, if there is one."""
    folder = load_settings()[0].models
    if folder is None or not name or "\0" in name or Path(name).name != name:
        return None
    return folder / name if _is_source(folder / name) else None


def _add(
    models: list[FoundModel], seen: set[Path], folder: Path, *, origin: str, name: str
) -> None:
    try:
        real = folder.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return
    if real not in seen and _is_source(real):
        seen.add(real)
        models.append(_row(real, origin=origin, name=name))


def _row(folder: Path, *, origin: str, name: str) -> FoundModel:
    size = 0
    try:
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    except OSError:
        size = 0
    return FoundModel(
        name=one_line(name, 100),
        path=folder,
        origin=origin,
        architecture=_architecture(folder),
        weight_bytes=size,
    )


def _architecture(folder: Path) -> str:
    if not (folder / "config.json").is_file() and (folder / _ADAPTER).is_file():
        return "LoRA adapter"
    try:
        config = read_json(folder / "config.json", limit=2**20)
    except (FirstlightError, OSError):
        return ""
    names = config.get("architectures") if isinstance(config, dict) else None
    return one_line(str(names[0]), 80) if isinstance(names, list) and names else ""


def _recent_file() -> Path:
    return find_paths().state / "recent.json"


def _read_recent() -> list[str]:
    try:
        listed = read_json(_recent_file(), limit=2**20)
    except (FirstlightError, OSError):
        return []
    return [str(item) for item in listed] if isinstance(listed, list) else []


def _recent() -> list[Path]:
    """Folders remembered by the model step, then those of earlier runs."""
    folders = _read_recent()
    for run in list_runs()[:RECENT_LIMIT]:
        for entry in run.entries():
            source = entry.values.get("source")
            if isinstance(source, dict):
                source = source.get("path")
            if isinstance(source, str):
                folders.append(source)
    return [Path(text) for text in dict.fromkeys(folders) if "\0" not in text][:RECENT_LIMIT]


def remember_folder(folder: Path) -> None:
    """Put a folder on top of those used before; what cannot be written is forgotten."""
    text = str(folder)
    try:
        json.dumps(text).encode()
        text.encode("utf-8")
        recent = [text, *(item for item in _read_recent() if item != text)][:RECENT_LIMIT]
        write_json(_recent_file(), recent)
    except (FirstlightError, UnicodeError):
        return


def complete_folder(text: str, *, limit: int = 20) -> list[str]:
    """Return the folders a half-typed path may mean, models and adapters first, each as the text that completes it."""
    if not text or "\0" in text:
        return []
    head, _, start = text.rpartition("/")
    parent = expanded(head + "/" if text.startswith("/") and not head else head or ".")
    matches: list[tuple[bool, str]] = []
    try:
        with os.scandir(parent) as listing:
            for number, entry in enumerate(listing):
                if number > _LOOKED_AT:
                    break
                hidden = entry.name.startswith(".") and not start.startswith(".")
                if hidden or not entry.name.startswith(start) or not entry.name.isprintable():
                    continue
                if entry.is_dir():
                    matches.append(
                        (
                            not _is_source(parent / entry.name),
                            f"{text[: len(text) - len(start)]}{entry.name}/",
                        )
                    )
    except OSError:
        return []
    return [name for _, name in sorted(matches)[:limit]]
