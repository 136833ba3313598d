"""Hub ids: found in the cache without a question, downloaded only after an explicit yes."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from firstlight_core.documents.jobs_machine import DOWNLOAD, DownloadReply, DownloadRequest
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.model.sources import cached_snapshot, check_hub_id
from firstlight_core.process.events import Event
from firstlight_core.process.runner import job_result
from firstlight_core.text import one_line

_YES = ("1", "ON", "YES", "TRUE")


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the user's settings keep Hugging Face libraries offline."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(environ.get(name, "").upper() in _YES for name in names)


def hub_host(environ: Mapping[str, str] = os.environ) -> str:
    """Return the host that a download would connect to, by the rules of huggingface_hub."""
    endpoint = environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return one_line(urlsplit(endpoint).hostname or endpoint, 80)


def resolve_hub_id(text: str) -> Path | None:
    """Return the snapshot of this hub id in the Hugging Face cache, without the network; None when there is none.

    Raises:
        UsageError: it is no hub id.
    """
    return cached_snapshot(check_hub_id(text))


async def download_model(
    hub_id: str,
    *,
    agreed: bool,
    resume_from: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> DownloadReply:
    """Fetch a model into the Hugging Face cache; resumes an interrupted download.

    `agreed` is the user's explicit yes to this one download; files of `resume_from` bytes or more (8 MiB) go on where
    they stopped.

    Raises:
        UsageError: it is no hub id, or nobody said yes.
        InputRefused: Hugging Face is offline by the user's wish, there is no network, or the model does not fit.
    """
    check_hub_id(hub_id)
    if not agreed:
        raise UsageError(
            f"{hub_id} would be downloaded.", hint="Nothing is downloaded without an explicit yes."
        )
    if is_offline():
        raise InputRefused(
            f"{hub_id} is not in the Hugging Face cache, and HF_HUB_OFFLINE forbids to download it.",
            hint="Unset HF_HUB_OFFLINE, or copy the model folder onto this machine.",
        )
    request: DownloadRequest = {"id": hub_id}
    if resume_from is not None:
        request["resume_from"] = resume_from
    return await job_result(DOWNLOAD, request, on_event=on_event, started=started, network=True)
