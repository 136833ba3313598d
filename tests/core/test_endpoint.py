"""The endpoint job against a small HTTP server that says what a test wants."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from firstlight_core.errors import InputRefused, JobFailed, UsageError
from firstlight_core.events import Event, Reply, Token
from firstlight_core.talk.artifacts import find_target
from firstlight_core.talk.endpoint import is_loopback, open_endpoint
from tests import faultkit

QUESTION = [{"role": "user", "content": "hi"}]


class Script:
    """What the server answers; `asked` holds the chat requests that came."""

    def __init__(self) -> None:
        self.models: bytes = json.dumps({"data": [{"id": "one"}]}).encode()
        self.status = 200
        self.lines: list[bytes] = []
        self.wait: threading.Event | None = None
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    def say(self, *texts: str, finish: str = "stop", usage: dict[str, int] | None = None) -> None:
        chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"content": t}}]} for t in texts]
        chunks.append({"choices": [{"delta": {}, "finish_reason": finish}]})
        if usage is not None:
            chunks.append({"choices": [], "usage": usage})
        self.lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
        self.lines.append(b"data: [DONE]\n\n")


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *values: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._send(script.models if self.path == "/v1/models" else b"{}")

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            script.asked.append(json.loads(raw))
            self.send_response(script.status)
            self.end_headers()
            for line in script.lines:
                self.wfile.write(line)
                self.wfile.flush()
            if script.wait is not None:
                script.wait.wait(20)

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield script
    if script.wait is not None:
        script.wait.set()
    server.shutdown()
    server.server_close()
    thread.join()


async def listen(url: str, **settings: Any) -> list[Event]:
    async with open_endpoint(find_target(url)) as server:
        return [event async for event in server.chat(QUESTION, **settings)]


def reply(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Reply)
    return events[-1].result


async def test_an_answer_streams_with_the_servers_counts(script: Script) -> None:
    script.say("Hello", " there", usage={"prompt_tokens": 7, "completion_tokens": 5})
    events = await listen(script.url, greedy=True, max_tokens=20)
    assert [event.text for event in events if isinstance(event, Token)] == ["Hello", " there"]
    document = reply(events)
    assert (document["text"], document["finish_reason"]) == ("Hello there", "stop")
    assert "tokens" not in document
    stats = document["stats"]
    assert (stats["prompt_tokens"], stats["new_tokens"], stats["counted_by"]) == (7, 5, "server")
    assert stats["ttft_s"] > 0
    asked = script.asked[0]
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("one", 20, 0)


async def test_without_usage_the_chunks_are_counted_and_said_so(script: Script) -> None:
    script.say("a", "b", "c")
    stats = reply(await listen(script.url, temperature=0.5, seed=4))["stats"]
    assert (stats["new_tokens"], stats["counted_by"]) == (3, "chunks")
    assert "prompt_tokens" not in stats
    assert (script.asked[0]["temperature"], script.asked[0]["seed"]) == (0.5, 4)


async def test_the_model_is_chosen_or_asked_for(script: Script) -> None:
    script.models = json.dumps({"data": [{"id": "one"}, {"id": "two"}]}).encode()
    script.say("x")
    with pytest.raises(UsageError, match="2 models") as caught:
        await listen(script.url)
    assert "one, two" in caught.value.hint
    await listen(script.url + "#two")
    assert script.asked[0]["model"] == "two"
    with pytest.raises(InputRefused, match="'three'"):
        await listen(script.url + "#three")


async def test_hostile_text_is_made_visible(script: Script) -> None:
    script.say(*(faultkit.PAYLOAD[i : i + 5] for i in range(0, len(faultkit.PAYLOAD), 5)))
    events = await listen(script.url)
    streamed = "".join(event.text for event in events if isinstance(event, Token))
    for text in (streamed, reply(events)["text"]):
        assert faultkit.leaks(text.encode()) == []


@pytest.mark.parametrize(
    ("break_it", "kind", "words"),
    [
        (lambda s: setattr(s, "lines", [b"data: {broken\n\n"]), JobFailed, "cannot be used"),
        (lambda s: setattr(s, "lines", [b"data: " + b"x" * 1_200_000]), JobFailed, "without end"),
        (
            lambda s: setattr(s, "lines", [b'data: {"error": {"message": "no GPU"}}\n\n']),
            InputRefused,
            "no GPU",
        ),
        (lambda s: setattr(s, "lines", [b'data: {"choices": [3]}\n\n']), JobFailed, "cannot be"),
        (lambda s: setattr(s, "status", 500), InputRefused, "answers 500"),
        (lambda s: s.say(*["a"] * 200), JobFailed, "did not stop"),
        (lambda s: setattr(s, "models", b"<html>"), JobFailed, "OpenAI|cannot be used"),
        (lambda s: setattr(s, "models", b"[]"), UsageError, "0 models"),
    ],
    ids=["torn", "endless-line", "error", "wrong-shape", "500", "endless", "html", "list"],
)
async def test_broken_servers_are_one_sentence(
    script: Script, break_it: Callable[[Script], object], kind: type[Exception], words: str
) -> None:
    script.say("x")
    break_it(script)
    with pytest.raises(kind, match=words):
        await listen(script.url, max_tokens=8)


async def test_cancel_leaves_a_silent_server_at_once(script: Script) -> None:
    script.say("first")
    script.lines = script.lines[:1]
    script.wait = threading.Event()
    async with open_endpoint(find_target(script.url)) as server:
        asked = 0.0
        async for event in server.chat(QUESTION):
            if isinstance(event, Token):
                asked = time.monotonic()
                await server.cancel()
        assert isinstance(event, Reply)
        assert event.result["finish_reason"] == "cancelled"
        assert event.result["text"] == "first"
        assert time.monotonic() - asked < 2


async def test_nothing_there() -> None:
    with pytest.raises(InputRefused, match="does not answer"):
        await listen("http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    "url", ["http://example.com/v1", "https://10.0.0.1/v1", "http://127.0.0.1.example.com/v1"]
)
async def test_other_machines_need_a_yes(url: str) -> None:
    with pytest.raises(UsageError, match="another machine") as caught:
        await listen(url)
    assert "--network" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["http://", "http://:80/v1", "http://a@localhost/v1", "http://x:y/"]
)
async def test_bad_addresses(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        await listen(url)


def test_loopback() -> None:
    assert is_loopback("http://localhost:1/v1")
    assert is_loopback("http://[::1]:1/v1")
    assert is_loopback("http://127.9.9.9/v1")
    assert not is_loopback("http://0.0.0.0/v1")
    assert not is_loopback("http://localhost.evil/v1")
