"""Large files of a hub download, resumed after an interruption.

huggingface_hub 2.4 throws a partial file away when its process ends. A blob of its cache is named by the file's
ETag, so a file that is completed beside it, checked and renamed there is one that it finds and does not fetch again.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from firstlight_core.errors import InputRefused
from firstlight_core.files import patiently, sync_file
from firstlight_core.locks import try_lock
from firstlight_core.text import one_line

RESUMED_FROM = 8 * 2**20
"""Bytes; a smaller file is fetched again in a moment."""
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def fetch_blob(url: str, blobs: Path, token: Any) -> None:
    """Complete one hub file as a blob of the cache; keeps an existing blob.

    Raises:
        InputRefused: another process fetches it, or what arrived is not what the hub announced.
    """
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    metadata = get_hf_file_metadata(url, token=token, timeout=10)
    # Only a plain hash can be a file name here; anything else is left to huggingface_hub.
    if metadata.etag is None or metadata.size is None or not _ETAG.fullmatch(metadata.etag):
        return
    blob = blobs / metadata.etag
    if blob.exists():
        return
    blobs.mkdir(parents=True, exist_ok=True)
    part = blobs / f"{metadata.etag}.firstlight-part"
    # A separate file: on Windows a locked file cannot be written or renamed.
    lock = try_lock(blobs / f"{metadata.etag}.firstlight-lock")
    if lock is None:
        raise InputRefused(
            "This model is being downloaded by another program.", hint="Wait until it is done."
        )
    try:
        headers = build_hf_headers(token=token)
        # The token is for the hub, not for the storage it redirects to.
        if urlsplit(url).netloc != urlsplit(metadata.location).netloc:
            headers.pop("authorization", None)
        part.touch(0o600)
        with part.open("r+b") as stream:
            arrived = stream.seek(0, os.SEEK_END)
            if arrived > metadata.size:
                stream.truncate(0)
                arrived = stream.seek(0)
            http_get(
                metadata.location,
                stream,
                resume_size=arrived,
                headers=headers,
                expected_size=metadata.size,
            )
            stream.flush()
            sync_file(stream.fileno())
        _check(part, metadata.etag, metadata.size)
        part.chmod(0o644)
        patiently(lambda: part.replace(blob))
    finally:
        lock.release(unlink=True)


def _check(part: Path, etag: str, size: int) -> None:
    """Large files are named by their SHA-256: what arrived in pieces must be the whole."""
    if part.stat().st_size == size:
        if len(etag) != 64:
            return
        with part.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() == etag:
                return
    part.unlink()
    raise InputRefused(
        f"A downloaded file is not what the hub announced ({one_line(etag, 12)}).",
        hint="It was removed: try again.",
    )
