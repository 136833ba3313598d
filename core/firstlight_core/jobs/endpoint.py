"""The open job that talks to a running OpenAI-compatible server: Foundry Local, Ollama, vLLM, llama.cpp.

Standard library only. A job without network may connect to this machine alone; the worker's audit hook holds that.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from firstlight_core.errors import InputRefused, JobFailed, UsageError
from firstlight_core.events import Progress, Stage, Tokens
from firstlight_core.text import one_line, visible
from firstlight_core.worker import JobContext

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 120.0
"""How long a server may be silent: a prompt of thousands of tokens on a slow processor takes that long."""
BURST_NS = 50_000_000
LINE_LIMIT = 1_000_000
ANSWER_LIMIT = 4_000_000
"""Bytes of a whole answer."""


class Server:
    """One server and the model that is asked."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.base = urlsplit("")
        self.model = ""
        self._socket: socket.socket | None = None

    def load(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List the models and choose one. Asked: base_url, model (may be None)."""
        self.context.emit(Stage("load", "Asking the server for its models"))
        self.base = urlsplit(str(asked["base_url"]))
        began = time.perf_counter_ns()
        listed = self._models()
        taken = (time.perf_counter_ns() - began) / 1e9
        wanted = asked.get("model")
        known = ", ".join(one_line(name, 60) for name in listed[:8]) or "none"
        if wanted is None and len(listed) != 1:
            raise UsageError(
                f"The server offers {len(listed)} models, so one must be named.",
                hint=f"Write the address as {one_line(str(asked['base_url']), 120)}#MODEL; it offers: {known}.",
            )
        self.model = str(wanted or listed[0])
        if listed and self.model not in listed:
            raise InputRefused(
                f"The server has no model {one_line(self.model, 80)!r}.",
                hint=f"It offers: {known}.",
            )
        return {
            "load_s": taken,
            "model": visible(self.model),
            "models": [visible(m) for m in listed],
        }

    def _models(self) -> list[str]:
        connection, response = self._request("GET", "/models", None)
        try:
            document = _json(response.read(LINE_LIMIT))
        finally:
            connection.close()
        entries = document.get("data") if isinstance(document, dict) else None
        return [
            str(entry["id"])
            for entry in entries or []
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        ]

    def chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Stream one answer. Asked: messages, max_tokens, options (of the OpenAI API)."""
        body = {
            "model": self.model,
            "messages": asked["messages"],
            "max_tokens": int(asked["max_tokens"]),
            "stream": True,
            "stream_options": {"include_usage": True},
            **asked.get("options", {}),
        }
        began = time.perf_counter_ns()
        connection, response = self._request("POST", "/chat/completions", body)
        done = threading.Event()
        threading.Thread(target=self._hang_up_on_cancel, args=(done,), daemon=True).start()
        self.context.emit(Progress(0, None, "tokens"))
        try:
            return self._answer(response, began, int(asked["max_tokens"]))
        finally:
            done.set()
            connection.close()

    def _answer(self, response: http.client.HTTPResponse, began: int, limit: int) -> dict[str, Any]:
        texts: list[str] = []
        usage: dict[str, Any] = {}
        finish = ""
        first = last = None
        size = 0
        try:
            for chunk in _events(response):
                usage = chunk.get("usage") or usage
                for choice in chunk.get("choices") or []:
                    finish = str(choice.get("finish_reason") or finish)
                    text = (choice.get("delta") or {}).get("content")
                    if isinstance(text, str) and text:
                        last = time.perf_counter_ns()
                        first = first or last
                        self.context.emit(Tokens([text], [-1], len(texts)))
                        texts.append(text)
                        size += len(text)
                if size > ANSWER_LIMIT or len(texts) > 4 * limit + 64:
                    raise JobFailed(
                        "The server did not stop at the token limit.", hint="Check the server."
                    )
        except (OSError, http.client.HTTPException, AttributeError, TypeError) as error:
            if not self.context.cancelled.is_set():
                raise _unusable(error) from error
        if self.context.cancelled.is_set():
            finish = "cancelled"
        return {
            "text": visible("".join(texts)),
            "finish_reason": finish or "stop",
            "stats": _stats(usage, len(texts), began, first, last),
        }

    def _hang_up_on_cancel(self, done: threading.Event) -> None:
        """End a read that waits for a silent server; closing alone would not wake it."""
        while not done.wait(0.05):
            if self.context.cancelled.is_set():
                if self._socket is not None:
                    with contextlib.suppress(OSError):
                        self._socket.shutdown(socket.SHUT_RDWR)
                return

    def _request(
        self, method: str, path: str, body: Any
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        kind = (
            http.client.HTTPSConnection
            if self.base.scheme == "https"
            else http.client.HTTPConnection
        )
        where = one_line(self.base.netloc, 80)
        try:
            connection = kind(self.base.hostname or "", self.base.port, timeout=CONNECT_SECONDS)
            connection.connect()
            # The response may take the socket over, so it is kept here.
            self._socket = connection.sock
            self._socket.settimeout(SILENCE_SECONDS)
            raw = json.dumps(body).encode() if body is not None else None
            headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
            connection.request(method, self.base.path.rstrip("/") + path, raw, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputRefused(
                f"{where} does not answer: {one_line(str(error) or type(error).__name__)}.",
                hint="Start the server, and check host and port; other machines need --network.",
            ) from error
        if response.status != 200:
            words = _words(response.read(20_000))
            connection.close()
            raise InputRefused(
                f"{where} answers {response.status} to {path}{': ' + words if words else ''}.",
                hint="Check the address (it ends in /v1 or the like), the model and the server's log.",
            )
        return connection, response


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The objects of a stream of server-sent events."""
    while line := response.readline(LINE_LIMIT + 1):
        if len(line) > LINE_LIMIT:
            raise JobFailed("The server sent a line without end.", hint="Check the server.")
        name, _, value = line.strip().partition(b":")
        if name != b"data":
            continue
        if value.strip() == b"[DONE]":
            return
        chunk = _json(value)
        if isinstance(chunk, dict) and "error" in chunk:
            raise InputRefused(
                f"The server reports: {_words(value)}.", hint="Its own log may say more."
            )
        yield chunk if isinstance(chunk, dict) else {}


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _unusable(error) from error


def _unusable(error: BaseException) -> JobFailed:
    return JobFailed(
        f"The server's answer cannot be used: {one_line(str(error) or type(error).__name__)}.",
        hint="Is it an OpenAI-compatible address? It usually ends in /v1.",
    )


def _words(raw: bytes) -> str:
    """The message of an error document, or the beginning of whatever was sent."""
    try:
        found = json.loads(raw)
        found = found.get("error", found)
        return one_line(str(found.get("message", found) if isinstance(found, dict) else found))
    except (ValueError, RecursionError, AttributeError):
        return one_line(raw.decode("utf-8", "replace"), 120)


def _stats(
    usage: dict[str, Any], chunks: int, began: int, first: int | None, last: int | None
) -> dict[str, Any]:
    """Counts from the server where it gives them; times as this machine sees them."""
    counted = usage.get("completion_tokens")
    new = counted if isinstance(counted, int) and counted >= 0 else chunks
    stats: dict[str, Any] = {
        "new_tokens": new,
        "counted_by": "server" if new is counted else "chunks",
        "total_s": (time.perf_counter_ns() - began) / 1e9,
    }
    prompt = usage.get("prompt_tokens")
    if isinstance(prompt, int) and prompt > 0:
        stats["prompt_tokens"] = prompt
    if first is not None and last is not None:
        stats["ttft_s"] = (first - began) / 1e9
        if "prompt_tokens" in stats and stats["ttft_s"] > 0:
            stats["prefill_tps"] = stats["prompt_tokens"] / stats["ttft_s"]
        # A server that sends its words in one burst tells nothing about its decode rate.
        if new > 1 and last - first >= BURST_NS:
            stats["decode_tps"] = (new - 1) * 1e9 / (last - first)
    return stats


def endpoint(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Serve questions to one server until the parent closes the job."""
    server = Server(context)
    return context.serve({"load": server.load, "chat": server.chat})
