"""One look at a service costs a moment and never an exception, whatever answers."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from firstlight_core.errors import UsageError
from firstlight_core.foundry.health import probe_service

Serve = Callable[[int, bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers everything with this status and body; its base URL."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/v1/models" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_list_of_models_is_health(serve: Serve) -> None:
    health = await probe_service(serve(200, b'{"data": [{"id": "a:1"}, {"id": "b\\u001b[2J"}]}'))
    assert health.ok and health.models[0] == "a:1" and health.seconds > 0
    assert "\x1b" not in health.models[1]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"{}", "status 500"),
        (200, b"<html>", "not with a list"),
        (200, b'{"data": [1]}', "not with a list"),
        (200, b"[" * 100_000, "not with a list"),
    ],
)
async def test_nonsense_is_a_sentence(serve: Serve, status: int, body: bytes, words: str) -> None:
    health = await probe_service(serve(status, body))
    assert not health.ok and words in health.sentence


async def test_a_dead_port_and_a_stalling_one_are_sentences() -> None:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        assert "does not answer" in (await probe_service(dead)).sentence
        listener.listen()
        assert "does not answer" in (await probe_service(dead, seconds=0.2)).sentence


@pytest.mark.parametrize(
    "url", ["http://example.com/v1", "https://127.0.0.1/v1", "file:///etc", "", "http://[::1", "x"]
)
async def test_another_machine_is_never_asked(url: str) -> None:
    with pytest.raises(UsageError):
        await probe_service(url)
