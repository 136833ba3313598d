"""Firstlight as a program of its own, without half a second of imports at every call.

Each worker of pytest starts one process that imports the command line and forks for every call: the call has its own
pid, environment, folder, streams and exit code, as if it had been started. How a real start behaves is tested where it
matters, by tests that start the program themselves: `test_streams.py`, `test_boundaries.py`, everything in a
pseudo-terminal.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
SECONDS = 120.0
"""A call that takes longer hangs."""


class Call(TypedDict):
    """What a call is started with; its three streams are sent beside it."""

    words: list[str]
    folder: str
    environ: dict[str, str]


def buffered_environment(**own: str) -> dict[str, str]:
    """This environment as users have it: with unbuffered streams nothing that is kept back, or left unwritten, shows."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, **own}


def run_firstlight(
    *words: str | Path,
    message: str | None = None,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Call `firstlight WORDS` in a process of its own, without a terminal.

    `message` is piped to it, else its standard input is empty; `environ` is its whole environment.
    """
    environ = os.environ if environ is None else environ
    if sys.platform == "win32":
        return subprocess.run(
            [sys.executable, "-m", "firstlight_tui", *map(str, words)],
            **({"stdin": subprocess.DEVNULL} if message is None else {"input": message}),
            cwd=cwd,
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    call = Call(
        words=[str(word) for word in words],
        folder=str(cwd or Path.cwd()),
        environ=dict(environ),
    )
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as notes:
        code = _FORKS.run(call, message, answer.fileno(), notes.fileno())
        texts = []
        for stream in (answer, notes):
            stream.seek(0)
            texts.append(stream.read().decode())
    return subprocess.CompletedProcess(["firstlight", *call["words"]], code, *texts)


class Forks:
    """The process that forks for each call; it starts with the first one and ends with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def run(self, call: Call, message: str | None, answer: int, notes: int) -> int:
        """Return the exit code of a call, negative for a signal; it writes to the two descriptors.

        Raises:
            TimeoutError: the call hangs; it is killed.
        """
        connection = self._socket or self._start()
        question, pipe = os.pipe()
        try:
            socket.send_fds(connection, [b"c"], [question, answer, notes])
            os.write(pipe, (message or "").encode())
        finally:
            os.close(question)
            os.close(pipe)
        connection.sendall(json.dumps(call).encode() + b"\n")
        pid = read_line(connection)
        try:
            return int(read_line(connection))
        except TimeoutError:
            os.kill(int(pid), signal.SIGKILL)
            self.close()
            raise

    def _start(self) -> socket.socket:
        self._process, self._socket = start_forking("program")
        atexit.register(self.close)
        return self._socket

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._socket is not None:
            self._socket.close()
            self._process.wait()
        self._process = self._socket = None


_FORKS = Forks()


def start_forking(
    module: str, environ: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start `serve` of a module beside this one in a process of its own; returns it and this side of its socket.

    `environ` is its whole environment; None is this one.
    """
    mine, theirs = socket.socketpair()
    mine.settimeout(SECONDS)
    with theirs:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from tests.support import {module}; {module}.serve({theirs.fileno()})",
            ],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return process, mine


def take_over(streams: Sequence[int], environ: Mapping[str, str], folder: str) -> None:
    """Have a fork use these three streams, this environment and this folder, and be interrupted as a program is."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)


def read_line(connection: socket.socket) -> str:
    """Return what the other side sends, up to the end of a line."""
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := connection.recv(65536)):
            raise ConnectionError("The process that forks is gone.")
        line += piece
    return line.decode()


def serve(descriptor: int) -> None:
    """Fork for every call that comes, until the other side is gone; in a fork, become the call."""
    import gc

    from firstlight_tui.__main__ import main
    from firstlight_tui.commands import VERBS

    for verb in VERBS.values():
        verb.load()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    while True:
        started, streams, _, _ = socket.recv_fds(connection, 1, 3)
        if not started:
            return
        call: Call = json.loads(read_line(connection))
        if (pid := os.fork()) == 0:
            break
        for stream in streams:
            os.close(stream)
        connection.sendall(f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(f"{code}\n".encode())
    connection.close()
    take_over(streams, call["environ"], call["folder"])
    sys.argv[1:] = call["words"]
    code = main()
    # Taking down every imported module would touch the memory that all forks share.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
