"""A job that prints, crashes, hangs or answers on request, for the tests of the runner."""

import os
import sys
import time
from collections.abc import Callable

from firstlight_core.documents.jobs_selftest import Act, SelftestReply, SelftestRequest
from firstlight_core.errors import ModelRefused
from firstlight_core.process.context import JobContext
from firstlight_core.process.events import FRAME_LIMIT, Measured, Progress, Token


def _count(request: SelftestRequest, context: JobContext) -> SelftestReply:
    total = request["total"]
    for number in range(1, total + 1):
        print("a chatty library writes to stdout")  # noqa: T201
        os.write(1, b"and so does native code\r")
        context.emit(Progress(number, total, "numbers"))
    return {"counted": total}


def _refuse(request: SelftestRequest, context: JobContext) -> SelftestReply:
    raise ModelRefused("The folder holds no model.", hint="Choose another one.")


def _hang(request: SelftestRequest, context: JobContext) -> SelftestReply:
    context.emit(Progress(0))
    while True:
        time.sleep(3600)


def _spawn(request: SelftestRequest, context: JobContext) -> SelftestReply:
    import signal
    import subprocess

    if request.get("stubborn"):
        # The grandchild inherits ignored signals.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
    context.emit(Measured("grandchild", grandchild.pid))
    return _hang(request, context)


def _crash(request: SelftestRequest, context: JobContext) -> SelftestReply:
    os.abort()


def _leave(request: SelftestRequest, context: JobContext) -> SelftestReply:
    os._exit(request["code"])


def _garbage(request: SelftestRequest, context: JobContext) -> SelftestReply:
    os.write(context.channel_fd, b"\x00 this is no event\n")
    return {}


def _endless(request: SelftestRequest, context: JobContext) -> SelftestReply:
    os.write(context.channel_fd, b"x" * (FRAME_LIMIT + 100_000))
    return _hang(request, context)


def _flood(request: SelftestRequest, context: JobContext) -> SelftestReply:
    for number in range(request["lines"]):
        sys.stderr.write(f"{number} " + "y" * 1_000 + "\n")
    return {}


def _noise(request: SelftestRequest, context: JobContext) -> SelftestReply:
    sys.stderr.write("\x1b]52;c;UFdORUQ=\x07" + "x" * 200_000 + "\n")
    sys.stderr.buffer.write(b"\xff\xfe broken utf-8 hf_0123456789abcdefghij\n")
    return {}


def _connect(request: SelftestRequest, context: JobContext) -> SelftestReply:
    import socket

    if request.get("resolve"):
        socket.create_connection((request["host"], 9), timeout=5).close()
    with socket.socket() as probe:
        probe.connect((request["host"], 9))
    return {}


def _serve(request: SelftestRequest, context: JobContext) -> SelftestReply:
    for message in context.requests():
        if message["op"] == "fail":
            raise ModelRefused("No.", hint="Ask something else.")
        tokens = message.get("tokens", 3)
        for index in range(tokens if isinstance(tokens, int) else 0):
            if context.cancelled.is_set():
                break
            context.emit(Token(f"{message['op']}{index} ", index, index))
            if message.get("wait"):
                context.cancelled.wait(30)
        context.reply({"op": message["op"], "cancelled": context.cancelled.is_set()})
    return {}


_ACTS: dict[Act, Callable[[SelftestRequest, JobContext], SelftestReply]] = {
    "count": _count,
    "refuse": _refuse,
    "hang": _hang,
    "spawn": _spawn,
    "endless": _endless,
    "flood": _flood,
    "crash": _crash,
    "leave": _leave,
    "garbage": _garbage,
    "noise": _noise,
    "connect": _connect,
    "serve": _serve,
}


def selftest(request: SelftestRequest, context: JobContext) -> SelftestReply:
    """Do `request["act"]`."""
    return _ACTS[request["act"]](request, context)
