"""A job that prints, crashes, hangs or answers on request, for the tests of the runner."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from firstlight_core.errors import ModelRefused
from firstlight_core.process.context import JobContext
from firstlight_core.process.events import FRAME_LIMIT, Measured, Progress, Token


def _count(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    total = int(request["total"])
    for number in range(1, total + 1):
        print("a chatty library writes to stdout")  # noqa: T201
        os.write(1, b"and so does native code\r")
        context.emit(Progress(number, total, "numbers"))
    return {"counted": total}


def _refuse(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    raise ModelRefused("The folder holds no model.", hint="Choose another one.")


def _hang(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    context.emit(Progress(0))
    while True:
        time.sleep(3600)


def _spawn(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    import signal
    import subprocess

    if request.get("stubborn"):
        # What is ignored stays ignored in the grandchild.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
    context.emit(Measured("grandchild", grandchild.pid))
    return _hang(request, context)


def _crash(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    os.abort()


def _leave(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    os._exit(int(request["code"]))


def _garbage(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    os.write(context.channel_fd, b"\x00 this is no event\n")
    return {}


def _endless(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    os.write(context.channel_fd, b"x" * (FRAME_LIMIT + 100_000))
    return _hang(request, context)


def _flood(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    for number in range(int(request["lines"])):
        sys.stderr.write(f"{number} " + "y" * 1_000 + "\n")
    return {}


def _noise(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    sys.stderr.write("\x1b]52;c;UFdORUQ=\x07" + "x" * 200_000 + "\n")
    sys.stderr.buffer.write(b"\xff\xfe broken utf-8 hf_0123456789abcdefghij\n")
    return {}


def _connect(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    import socket

    if request.get("resolve"):
        socket.create_connection((request["host"], 9), timeout=5).close()
    with socket.socket() as probe:
        probe.connect((request["host"], 9))
    return {}


def _serve(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    for message in context.requests():
        if message["op"] == "fail":
            raise ModelRefused("No.", hint="Ask something else.")
        for index in range(int(message.get("tokens", 3))):
            if context.cancelled.is_set():
                break
            context.emit(Token(f"{message['op']}{index} ", index, index))
            if message.get("wait"):
                context.cancelled.wait(30)
        context.reply({"op": message["op"], "cancelled": context.cancelled.is_set()})
    return {}


_ACTS: dict[str, Callable[[dict[str, Any], JobContext], dict[str, Any]]] = {
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


def selftest(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Do `request["act"]`."""
    return _ACTS[str(request["act"])](request, context)
