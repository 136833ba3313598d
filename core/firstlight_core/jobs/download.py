"""Fetches a model from the Hugging Face hub: the one job that is started with the network, after an explicit yes."""

import os
import shutil
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from firstlight_core.documents.jobs_machine import DownloadReply, DownloadRequest
from firstlight_core.errors import InputRefused, ModelRefused, StateProblem
from firstlight_core.files import read_json_object
from firstlight_core.jobs.hub_blobs import RESUMED_FROM, fetch_blob
from firstlight_core.model.config import architecture
from firstlight_core.model.folder import ModelFolder
from firstlight_core.model.refusals import refuse_config_kind
from firstlight_core.process.context import JobContext
from firstlight_core.process.events import Progress, Stage
from firstlight_core.text import bytes_text, one_line

ALLOWED = [
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.txt",
    "tokenizer.model",
    "LICENSE*",
    "README.md",
]
"""Weights, configuration, tokenizer, licence; never code, pickles or other formats."""
IGNORED = ["*/*", "consolidated*", "training_args*", "*.onnx*"]
CONNECT_SECONDS = 4.0
_EVERY = 0.5


def download(request: DownloadRequest, context: JobContext) -> DownloadReply:
    """Fetch `request["id"]` into the Hugging Face cache and return its snapshot folder."""
    # The other transfer protocol keeps caches of its own and shows no progress in the blobs.
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    import huggingface_hub
    from huggingface_hub import constants

    hub_id = request["id"]
    context.emit(Stage("reach", "Asking the Hugging Face hub"))
    _reach(constants.ENDPOINT)
    token = huggingface_hub.get_token() or False
    options: dict[str, Any] = {
        "repo_id": hub_id,
        "allow_patterns": ALLOWED,
        "ignore_patterns": IGNORED,
        "token": token,
        "etag_timeout": 10,
    }
    try:
        files = huggingface_hub.snapshot_download(**options, dry_run=True)
        _check_listing(hub_id, [str(file.filename) for file in files])
        _check_config(huggingface_hub, hub_id, token)
        total = sum(int(file.file_size or 0) for file in files)
        wanted = sum(int(file.file_size or 0) for file in files if file.will_download)
        _check_disk(Path(constants.HF_HUB_CACHE), wanted)
        context.emit(Stage("download", f"Downloading {bytes_text(wanted)}"))
        entry = Path(constants.HF_HUB_CACHE) / ("models--" + hub_id.replace("/", "--"))
        large = int(request.get("resume_from", RESUMED_FROM))
        with _Watched(entry / "blobs", wanted, context):
            for file in files:
                if file.will_download and int(file.file_size or 0) >= large:
                    url = huggingface_hub.hf_hub_url(
                        hub_id, file.filename, revision=file.commit_hash
                    )
                    fetch_blob(url, entry / "blobs", token)
            folder = huggingface_hub.snapshot_download(**options, max_workers=4)
    except (OSError, ValueError) as error:
        # Every error of huggingface_hub is one of the two; its own text names addresses and header names.
        raise _refusal(hub_id, error) from error
    return {"id": hub_id, "path": str(folder), "bytes": total, "downloaded_bytes": wanted}


def _reach(endpoint: str) -> None:
    """Fail within seconds without a network; huggingface_hub would retry for minutes."""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        raise InputRefused(
            f"{one_line(parts.hostname or endpoint, 80)} cannot be reached: there is no network here.",
            hint="Copy the model folder onto this machine, or try again with a network.",
        ) from error


def _check_listing(hub_id: str, names: list[str]) -> None:
    if "config.json" in names and any(name.endswith(".safetensors") for name in names):
        return
    if "adapter_config.json" in names and "adapter_model.safetensors" in names:
        return
    raise ModelRefused(
        f"{hub_id} publishes no safetensors weights beside a config.json.",
        hint="Nothing was downloaded. Choose the original model: GGUF, ONNX and pickles cannot be converted.",
    )


def _check_config(hub: Any, hub_id: str, token: Any) -> None:
    """Look at config.json before gigabytes are fetched."""
    try:
        path = hub.hf_hub_download(hub_id, "config.json", token=token)
    except hub.errors.EntryNotFoundError:
        return
    config = read_json_object(Path(path))
    if architecture(config):
        refuse_config_kind(ModelFolder(Path(path).parent, {}, ()), config)


def _check_disk(cache: Path, wanted: int) -> None:
    folder = cache
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise StateProblem(
            f"The download takes {bytes_text(wanted)}; {bytes_text(free)} is free.",
            hint="Free some space, or set HF_HOME to a folder on another disk.",
        )


def _refusal(hub_id: str, error: Exception) -> Exception:
    import huggingface_hub.errors as hub

    if isinstance(error, InputRefused | StateProblem):
        return error
    if isinstance(error, hub.DryRunError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, hub.GatedRepoError):
        return ModelRefused(
            f"{hub_id} is gated: its owner wants you to accept a licence first.",
            hint=f"Accept it at https://huggingface.co/{hub_id}, then `hf auth login`, then try again.",
        )
    if isinstance(error, hub.RepositoryNotFoundError):
        return ModelRefused(
            f"The hub has no model {hub_id}, or it is private.",
            hint="Check the id; for a private model run `hf auth login` first.",
        )
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return error
    return InputRefused(
        f"The download of {hub_id} stopped ({type(error).__name__}).",
        hint="What has arrived is kept: try again to go on from there.",
        detail=one_line(str(error), 600),
    )


class _Watched:
    """Tells every half second how many bytes have arrived while the block runs."""

    def __init__(self, blobs: Path, total: int, context: JobContext) -> None:
        self._blobs, self._total, self._context = blobs, total, context
        self._before = self._size()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _size(self) -> int:
        total = 0
        try:
            for path in self._blobs.iterdir():
                total += path.lstat().st_size
        except OSError:
            return total
        return total

    def _tell(self) -> None:
        done = min(self._total, max(0, self._size() - self._before))
        self._context.emit(Progress(done, self._total, "B"))

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            self._tell()

    def __enter__(self) -> "_Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
