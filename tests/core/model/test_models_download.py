"""Downloads, against a small hub on the loopback: nothing without a yes, progress, resume, clear refusals."""

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused, ModelRefused, UsageError
from firstlight_core.model.download import download_model, is_offline, resolve_hub_id
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.sources import hub_cache
from firstlight_core.process.events import Event, Progress, Stage
from tests.support import faultkit
from tests.support.zoo import edit_config, header_of, honest_folder, set_traps

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves one folder as `me/tiny`; keeps what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: list[str] = []
        self.break_after: int | None = None
        self.stalled, self.resumed = threading.Event(), threading.Event()
        self.status = 200
        self.forged = False


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        return

    def _json(self, document: object, status: int = 200, **headers: str) -> None:
        raw = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")
        if self.server.status != 200:
            reason = {401: "RepoNotFound", 403: "GatedRepo"}[self.server.status]
            self._json({"error": "no"}, self.server.status, X_Error_Code=reason)
            return
        if match := re.match(r"/me/tiny/resolve/[^/]+/(.+)", self.path):
            self._file(match[1].split("?")[0])
        elif "/tree/" in self.path:
            self._json([self._entry(p) for p in sorted(self.server.folder.iterdir())])
        else:
            names = [{"rfilename": p.name} for p in sorted(self.server.folder.iterdir())]
            self._json({"id": "me/tiny", "sha": COMMIT, "siblings": names, "tags": []})

    def _entry(self, path: Path) -> dict[str, object]:
        oid = hashlib.sha1(path.read_bytes()).hexdigest()
        return {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": oid}

    def _file(self, name: str) -> None:
        path = self.server.folder / name
        if not path.is_file():
            self._json({"error": "no"}, 404, X_Error_Code="EntryNotFound")
            return
        raw = path.read_bytes()
        start = 0
        if match := re.match(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(match[1])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        etag = hashlib.sha256(raw + b"forged" * self.server.forged).hexdigest()
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(raw) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(raw) - 1}/{len(raw)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        body = raw[start:]
        if self.server.break_after is not None and name.endswith(".safetensors"):
            self.wfile.write(body[: self.server.break_after])
            self.wfile.flush()
            self.server.stalled.set()
            self.server.resumed.wait(30)
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = honest_folder(tmp_path / "published")
    set_traps(folder)
    (folder / "README.md").write_text("hello")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    for name in (
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "https_proxy",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
async def test_download_fetches_what_a_conversion_reads(hub: Hub) -> None:
    events: list[Event] = []
    downloaded = await download_model("me/tiny", agreed=True, on_event=events.append)
    folder = Path(downloaded["path"])
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not any(name.endswith((".py", ".bin", ".pt", ".pth")) for name in names)
    assert resolve_hub_id("me/tiny") == folder
    assert inspect_model(folder).parameters > 0
    assert [event.name for event in events if isinstance(event, Stage)] == ["reach", "download"]
    assert all(event.unit == "B" for event in events if isinstance(event, Progress))
    # A second time nothing is fetched again.
    hub.requests.clear()
    again = await download_model("me/tiny", agreed=True)
    assert again["downloaded_bytes"] == 0
    assert not [line for line in hub.requests if "GET" in line and "/resolve/" in line]


@pytest.mark.slow
async def test_an_interrupted_download_goes_on(hub: Hub) -> None:
    # The library writes pieces of 10 MB: the weights must be larger than that.
    edit_config(hub.folder, vocab_size=60_000)
    header, _ = header_of(hub.folder / "model.safetensors")
    sizes = {name: entry["shape"] for name, entry in header.items()}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        sizes[name] = [60_000, 64]
    faultkit.safetensors(
        str(hub.folder / "model.safetensors"), {n: ("F32", s) for n, s in sizes.items()}
    )
    hub.break_after = 15_000_000
    events: list[Event] = []
    first = asyncio.ensure_future(
        download_model("me/tiny", agreed=True, resume_from=10_000, on_event=events.append)
    )
    assert await asyncio.to_thread(hub.stalled.wait, 20)
    part = next(hub_cache().glob("**/*.firstlight-part"))
    async with asyncio.timeout(20):
        while not part.stat().st_size:
            await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    hub.resumed.set()
    hub.break_after = None
    hub.requests.clear()
    downloaded = await download_model("me/tiny", agreed=True, resume_from=10_000)
    whole = (hub.folder / "model.safetensors").read_bytes()
    assert (Path(downloaded["path"]) / "model.safetensors").read_bytes() == whole
    (request,) = [n for n in hub.requests if n.startswith("GET") and "model.safetensors" in n]
    assert "bytes=" in request


@pytest.mark.slow
async def test_what_arrives_must_be_what_was_announced(hub: Hub) -> None:
    hub.forged = True
    with pytest.raises(InputRefused, match="not what the hub announced"):
        await download_model("me/tiny", agreed=True, resume_from=10_000)
    assert resolve_hub_id("me/tiny") is None or not list(hub_cache().glob("**/model.safetensors"))


async def test_nothing_without_a_yes(hub: Hub) -> None:
    with pytest.raises(UsageError, match="would be downloaded"):
        await download_model("me/tiny", agreed=False)
    assert hub.requests == []
    assert resolve_hub_id("me/tiny") is None


async def test_offline_is_an_instant_answer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert is_offline()
    with pytest.raises(InputRefused, match="HF_HUB_OFFLINE"):
        await download_model("me/tiny", agreed=True)
    assert hub.requests == []


async def test_no_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputRefused, match="cannot be reached"):
        await download_model("me/tiny", agreed=True)


@pytest.mark.slow
async def test_a_foreign_kind_is_refused_before_its_weights(hub: Hub) -> None:
    config = json.loads((hub.folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "awq"}
    (hub.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelRefused, match="already quantised"):
        await download_model("me/tiny", agreed=True)
    assert not [line for line in hub.requests if line.startswith("GET") and "safetensors" in line]


@pytest.mark.slow
async def test_a_repository_without_safetensors(hub: Hub) -> None:
    (hub.folder / "model.safetensors").unlink()
    with pytest.raises(ModelRefused, match="no safetensors weights"):
        await download_model("me/tiny", agreed=True)


@pytest.mark.slow
@pytest.mark.parametrize(("status", "words"), [(401, "has no model"), (403, "is gated")])
async def test_the_hub_says_no(hub: Hub, status: int, words: str) -> None:
    hub.status = status
    with pytest.raises(ModelRefused, match=words):
        await download_model("me/tiny", agreed=True)


async def test_a_hostile_id_is_no_id(hub: Hub) -> None:
    with pytest.raises(UsageError):
        await download_model("../../etc", agreed=True)
    assert hub.requests == []
