"""The job's side of the channel: events out, requests in, and how a job fails or leaves."""

import contextlib
import errno
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from firstlight_core.counters import peak_memory
from firstlight_core.errors import FirstlightError, OutOfMemory
from firstlight_core.files import JsonObject, state_problem
from firstlight_core.process.events import Event, Failed, Reply, encode
from firstlight_core.process.operations import Handler
from firstlight_core.process.tree import process_trees
from firstlight_core.text import one_line, redact, visible

Request = JsonObject
"""A request as it was read from the channel; its operation says what it holds."""


def peak_rss() -> int:
    """Return the most resident memory this process has had so far, in bytes."""
    return peak_memory()


class JobContext:
    """The channel of a job to its parent: emit events, take requests, notice a cancel."""

    def __init__(self, channel_fd: int) -> None:
        self.channel_fd = channel_fd
        self.cancelled = threading.Event()
        """Set when the user stopped the request that is being worked on."""
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[tuple[Request, threading.Event] | None] = queue.SimpleQueue()
        self._number = 0
        self._stops: dict[int, threading.Event] = {}

    def emit(self, event: Event) -> None:
        """Send one event to the parent; exit when the parent has ended."""
        frame = encode(event, self._number).encode() + b"\n"
        with self._lock:
            view = memoryview(frame)
            while view:
                view = view[os.write(self.channel_fd, view) :]

    def reply(self, result: Mapping[str, object]) -> None:
        """Answer the current request of an open job."""
        self.emit(Reply(result))

    def requests(self) -> Iterator[Request]:
        """Yield the requests to an open job, one after another, until the parent closes it."""
        while (item := self._inbox.get()) is not None:
            request, self.cancelled = item
            number = request.get("re")
            self._number = number if isinstance(number, int) else 0
            yield request
            self._stops.pop(self._number, None)

    def serve(self, handlers: Iterable[tuple[str, Handler]] | Mapping[str, Handler]) -> Request:
        """Answer requests by `op` until the parent closes the job; a failed request does not end it."""
        by_op = dict(handlers)
        for request in self.requests():
            try:
                self.reply(by_op[str(request["op"])](request))
            except Exception as error:
                self.emit(as_failure(error))
        return {}

    def listen(self) -> None:
        """Read stdin until its end; runs in a thread of its own."""
        for line in sys.stdin.buffer:
            with contextlib.suppress(ValueError, TypeError, AttributeError):
                request = json.loads(line)
                match request.get("op"):
                    case "cancel":
                        for number in [n for n in self._stops if n <= int(request["re"])]:
                            self._stops[number].set()
                    case "close":
                        self._inbox.put(None)
                    case _:
                        stop = self._stops[int(request.get("re", 0))] = threading.Event()
                        self._inbox.put((request, stop))
        leave()


def leave() -> None:
    """End this process and its children; the parent has ended or closed the channel."""
    process_trees().leave()
    os._exit(1)


def as_failure(error: BaseException) -> Failed:
    """Return the failure event of an exception; only an unexpected one carries its traceback."""
    if isinstance(error, MemoryError):
        error = OutOfMemory(
            "The job ran out of memory.",
            hint="Close other programs, or choose a smaller precision.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        error = state_problem(error, Path(str(error.filename or "the work folder")))
    if isinstance(error, FirstlightError):
        return Failed(
            error.code,
            visible(str(error)),
            visible(error.hint),
            visible(error.detail),
            field=visible(error.field),
            line=error.line,
            signal=error.signal,
        )
    return Failed(
        "job-failed",
        one_line(f"{type(error).__name__}: {error}", 600),
        "This was not foreseen: the log has the details.",
        visible(redact(traceback.format_exc()[-6000:])),
    )
