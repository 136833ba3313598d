"""One request to an OpenAI-compatible server: sent, tried again where that is right, hung up when asked or too late.

Standard library only. No redirect is followed: a question goes to the address that was chosen, and nowhere else.
"""

import contextlib
import email.utils
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from firstlight_core.errors import FirstlightError, InputRefused, JobFailed
from firstlight_core.inference.servers import KEY_VARIABLE, ServerLimits
from firstlight_core.text import one_line, seconds_text

TRIES = 3
BUSY = (408, 429, 502, 503, 504)
"""HTTP status codes that can pass by themselves; a retry after any other one gets the same refusal."""
PAUSE_SECONDS = 0.5
"""Before the second try; twice as long before each further one."""
GUARD_SECONDS = 0.05
WORDS_LIMIT = 20_000


class Stopped(Exception):
    """The user stopped the request."""


class Arrivals(io.RawIOBase):
    """A response's socket, which notes when bytes arrived: how often `reads`, and the last time `at` (ns)."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.reads = 0
        self.at = 0
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._raw.readinto(buffer)
        self.at = time.perf_counter_ns()
        self.reads += 1
        self.bytes += count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose arrivals are noted."""

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        self.arrivals = Arrivals(self.fp.detach())
        self.fp = io.BufferedReader(self.arrivals)


class Call:
    """One request and its answer; `stop` ends it from another thread."""

    def __init__(
        self,
        base_url: str,
        *,
        limits: ServerLimits,
        key: str | None = None,
        stop: threading.Event,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._base = urlsplit(base_url)
        self.where = one_line(self._base.netloc, 80)
        self._limits = limits
        self._key = key
        self._stop = stop
        self._tell = tell or (lambda words: None)
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._done = threading.Event()
        self.late = False
        """Whether it was hung up because the whole answer took too long."""

    @contextlib.contextmanager
    def ask(self, method: str, path: str, body: Any = None) -> Iterator[_Response]:
        """The answer to one request, with status 200.

        Raises:
            InputRefused: the server refuses, or nothing answers.
            JobFailed: what it says is no HTTP, or it fell silent.
            Stopped: the user stopped it.
        """
        threading.Thread(target=self._guard, daemon=True).start()
        try:
            with self.explained():
                response = self._send_patiently(method, path, body)
                yield response
        finally:
            self._done.set()
            if self._connection is not None:
                self._connection.close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what a connection throws into one sentence."""
        try:
            yield
        except FirstlightError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._stop.is_set():
                raise Stopped from error
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> FirstlightError:
        if self.late:
            return JobFailed(
                f"{self.where} did not finish its answer within {seconds_text(self._limits.answer)}.",
                hint="Ask for fewer tokens, or look at the server's load.",
            )
        if isinstance(error, TimeoutError):
            return JobFailed(
                f"{self.where} was silent for {seconds_text(self._limits.silence)}.",
                hint="It may be overloaded or stuck: look at its log, then ask again.",
            )
        if isinstance(error, http.client.BadStatusLine | http.client.UnknownProtocol) and not (
            isinstance(error, http.client.RemoteDisconnected)
        ):
            return JobFailed(
                f"{self.where} does not speak HTTP.", hint="Check the port: another program has it."
            )
        if isinstance(error, OSError | http.client.IncompleteRead):
            return JobFailed(
                f"{self.where} closed the connection in the middle: {_reason(error)}.",
                hint="The server may have crashed: look at its log, then ask again.",
            )
        return unusable(error)

    def _send_patiently(self, method: str, path: str, body: Any) -> _Response:
        left = self._limits.wait
        for number in range(1, TRIES + 1):
            response = self._send(method, path, body)
            if response.status == 200:
                return response
            pause = self._pause(response, number)
            if response.status not in BUSY or number == TRIES or pause > left:
                raise self._refusal(response, path, number, pause)
            left -= pause
            self._tell(f"The server is busy; asking again in {seconds_text(pause)}")
            self._close()
            if self._stop.wait(pause):
                raise Stopped
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: Any) -> _Response:
        https = self._base.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = kind(self._base.hostname or "", self._base.port, timeout=self._limits.connect)
        connection.response_class = _Response
        self._connection = connection
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            if self._stop.is_set():
                raise Stopped from error
            raise InputRefused(
                f"{self.where} does not answer: {_reason(error)}.",
                hint="Start the server, and check host and port.",
            ) from error
        # The response may take the socket over, so it is kept here.
        self._socket = connection.sock
        self._socket.settimeout(self._limits.silence)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if method == "GET":
            headers = {"Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        raw = json.dumps(body).encode() if body is not None else None
        connection.request(method, self._base.path.rstrip("/") + path, raw, headers)
        response = connection.getresponse()
        assert isinstance(response, _Response)
        return response

    def _pause(self, response: _Response, number: int) -> float:
        """Seconds until the next try: what Retry-After says, in seconds or as a date, else a growing pause."""
        header = response.headers.get("Retry-After", "").strip()
        with contextlib.suppress(ValueError):
            return max(0.0, float(header)) if float(header) == float(header) else PAUSE_SECONDS
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            when = email.utils.parsedate_to_datetime(header).timestamp()
            return max(0.0, when - time.time())
        return PAUSE_SECONDS * 2.0 ** (number - 1)

    def _refusal(self, response: _Response, path: str, tries: int, pause: float) -> FirstlightError:
        status = response.status
        reason = self.error_words(response.read(WORDS_LIMIT))
        ending = f": {reason}" if reason else ""
        if 300 <= status < 400:
            there = one_line(response.headers.get("Location", "nowhere"), 120)
            return InputRefused(
                f"{self.where} redirects to {there}, and Firstlight follows no redirect.",
                hint="If you trust that address, connect to it itself.",
            )
        if status in (401, 403):
            how = "refuses the API key" if self._key else "wants an API key"
            return InputRefused(
                f"{self.where} {how}: it answers {status}.",
                hint=f"Set the environment variable {KEY_VARIABLE}, and start Firstlight again.",
            )
        if status == 404:
            return InputRefused(
                f"{self.where} does not know {one_line(self._base.path + path, 80)}: it answers 404{ending}.",
                hint="Check the address (it ends in /v1 or the like) and the model.",
            )
        if status in BUSY and "Retry-After" in response.headers and pause > self._limits.wait:
            return InputRefused(
                f"{self.where} answers {status} and asks to wait {_long(pause)}.",
                hint="Ask again then.",
            )
        if status in BUSY:
            times = f" {tries} times" if tries > 1 else ""
            return InputRefused(
                f"{self.where} is too busy: it answers {status}{times}{ending}.",
                hint="Wait until it has less to do.",
            )
        return InputRefused(
            f"{self.where} answers {status} to {path}{ending}.",
            hint="The server's own log may say more."
            if status >= 500
            else "Check the model and the question.",
        )

    def error_words(self, raw: bytes) -> str:
        """Return the message of an error document, or the beginning of the body; never the key, which some repeat."""
        if not self._key:
            return _message(raw)
        return _message(raw.replace(self._key.encode(), b"<key>")).replace(self._key, "<key>")

    def _guard(self) -> None:
        """End a read that waits for a silent or endless server; closing alone would not wake it."""
        until = time.monotonic() + self._limits.answer + self._limits.wait
        while not self._done.wait(GUARD_SECONDS):
            self.late = time.monotonic() > until
            if (self._stop.is_set() or self.late) and self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                    return

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection within the time limit"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer is shorter than announced"
    strerror = getattr(error, "strerror", None)
    return one_line(str(strerror or error) or type(error).__name__, 120)


def _long(seconds: float) -> str:
    return seconds_text(seconds) if seconds < 1e6 else "for days"


def read_json(raw: bytes) -> Any:
    """Return the JSON that a server sent.

    Raises:
        JobFailed: it is none.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise unusable(error) from error


def unusable(error: BaseException) -> JobFailed:
    """Return the error for an answer of the wrong shape."""
    return JobFailed(
        f"The server's answer cannot be used: {one_line(str(error) or type(error).__name__)}.",
        hint="Is it an OpenAI-compatible address? It usually ends in /v1.",
    )


def _message(raw: bytes) -> str:
    try:
        document = json.loads(raw)
        document = document.get("error", document)
        return one_line(
            str(document.get("message", document) if isinstance(document, dict) else document)
        )
    except (ValueError, RecursionError, AttributeError):
        return one_line(raw.decode("utf-8", "replace"), 120)
