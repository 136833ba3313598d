"""A small OpenAI-compatible server that says, and does, what a test wants."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Script:
    """What the server answers; `asked` holds the chat requests that came, `headers` those of every request."""

    def __init__(self) -> None:
        self.models: bytes = json.dumps({"data": [{"id": "one"}]}).encode()
        self.statuses: list[int] = []
        """Of the next chat requests, first one first; then `status`."""
        self.status = 200
        self.more_headers: dict[str, str] = {}
        self.lines: list[bytes] = []
        self.repeat: bytes | None = None
        """Sent again and again until the client hangs up."""
        self.repeat_every = 0.0
        """Seconds between two of them."""
        self.counts = False
        """Tell usage: 10 tokens for the template and 2 for each word."""
        self.stall = False
        """Keep the connection open after the last line, and say nothing."""
        self.raw: bytes | None = None
        """Sent instead of any HTTP, to every request."""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.together = 0
        """The most chat requests that were answered at the same time."""
        self.meet: threading.Barrier | None = None
        """Answers wait for each other here, after the first `alone` ones."""
        self.alone = 0
        self.url = ""
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._now = 0

    def say(self, *texts: str, finish: str = "stop", usage: dict[str, Any] | None = None) -> None:
        """Answer with these pieces."""
        chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"content": t}}]} for t in texts]
        chunks.append({"choices": [{"delta": {}, "finish_reason": finish}]})
        if usage is not None:
            chunks.append({"choices": [], "usage": usage})
        self.lines = [event(chunk) for chunk in chunks]
        self.lines.append(b"data: [DONE]\n\n")

    def offer(self, *names: str) -> None:
        """List these models."""
        self.models = json.dumps({"data": [{"id": name} for name in names]}).encode()

    def _usage(self, request: dict[str, Any]) -> list[bytes]:
        if not self.counts:
            return []
        words = sum(len(message["content"].split()) for message in request["messages"])
        usage = {"prompt_tokens": 10 + 2 * words, "completion_tokens": 2}
        return [event({"choices": [], "usage": usage})]

    def answer(self, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        """Answer one chat request."""
        with self._lock:
            self._now += 1
            self.together = max(self.together, self._now)
            status = self.statuses.pop(0) if self.statuses else self.status
        try:
            if self.meet is not None and len(self.requests) > self.alone:
                with suppress(threading.BrokenBarrierError):
                    self.meet.wait(5)
            handler.send_response(status)
            for name, value in self.more_headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            lines = self.lines if status == 200 else [b'{"error": {"message": "not now"}}']
            for line in [*self._usage(request), *lines]:
                handler.wfile.write(line)
                handler.wfile.flush()
            while self.repeat is not None and status == 200 and not self.over.is_set():
                handler.wfile.write(self.repeat)
                self.over.wait(self.repeat_every)
            if self.stall:
                self.over.wait(20)
        finally:
            with self._lock:
                self._now -= 1


def event(chunk: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def piece(text: str) -> bytes:
    """The event of one piece of an answer."""
    return event({"choices": [{"delta": {"content": text}}]})


@contextmanager
def serving() -> Iterator[Script]:
    """A running server on loopback, at `script.url`."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *values: Any) -> None:
            pass

        def handle_one_request(self) -> None:
            # A client that hangs up is what many tests are about.
            with suppress(ConnectionError):
                super().handle_one_request()

        def do_GET(self) -> None:
            script.headers.append(dict(self.headers))
            if script.raw is not None:
                self.wfile.write(script.raw)
                return
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(script.models if self.path == "/v1/models" else b"{}")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.headers.append(dict(self.headers))
            request = json.loads(body)
            script.requests.append(request)
            script.answer(self, request)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield script
    finally:
        script.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
