"""A large file of a download on Windows, which lets nobody write a locked file or rename an open one."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.jobs.hub_blobs import fetch_blob
from firstlight_core.locks import try_lock
from tests.support.windows import Locked, fake_windows, windows_error

CONTENT = b"weights\r\n\x1a" * 1000
ETAG = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Locked:
    held = fake_windows(monkeypatch)
    metadata = SimpleNamespace(etag=ETAG, size=len(CONTENT), location="https://hub/x")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: metadata)

    def http_get(url: str, stream: IO[bytes], *, resume_size: int, **_: object) -> None:
        # A lock of Windows is mandatory: whoever else writes the locked file is refused.
        if (lock := try_lock(Path(stream.name), create=False)) is None:
            raise windows_error(33, stream.name)
        lock.release()
        stream.write(CONTENT[resume_size:])

    monkeypatch.setattr("huggingface_hub.file_download.http_get", http_get)
    return held


def test_a_large_file_arrives(tmp_path: Path, windows: Locked) -> None:
    windows.hold(tmp_path / f"{ETAG}.firstlight-part", 2)
    fetch_blob("https://hub/x", tmp_path, None)
    assert (tmp_path / ETAG).read_bytes() == CONTENT
    assert len(windows.waited) == 2
    assert not list(tmp_path.glob("*.firstlight-*"))


def test_a_partial_file_goes_on(tmp_path: Path, windows: Locked) -> None:
    (tmp_path / f"{ETAG}.firstlight-part").write_bytes(CONTENT[:777])
    fetch_blob("https://hub/x", tmp_path, None)
    assert (tmp_path / ETAG).read_bytes() == CONTENT


def test_two_downloads_of_one_file_are_told(tmp_path: Path, windows: Locked) -> None:
    lock = try_lock(tmp_path / f"{ETAG}.firstlight-lock")
    assert lock is not None
    with pytest.raises(InputRefused, match="downloaded by another program"):
        fetch_blob("https://hub/x", tmp_path, None)
    lock.release()
