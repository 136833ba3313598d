"""Jobs of a process that has loaded their libraries already: torch, transformers and Olive take most of a tiny conversion.

Each worker of pytest has such a process for each kind of job. It forks for every job: the job has its own pid, session,
environment, folder, streams and exit code, and is the worker's child, as if it had been started. What a library reads
from the environment while it is imported was read before; `child_environment` is the same for all. A test takes part
with `pytest.mark.usefixtures("loaded_jobs")`, and so do its scripts that need torch or Olive (`python -P -c SCRIPT`). How
a real start behaves is tested by all others: those of the verbs, of the engine, of memory, disks and missing tools, of
how a conversion loads.
"""

import ctypes
import json
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from firstlight_core.process.large_pages import with_large_pages
from firstlight_core.process.loading import without_collections
from firstlight_core.process.offline import child_environment
from tests.support.program import ROOT, read_line, start_forking, take_over

_LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
_PR_SET_CHILD_SUBREAPER = 36


class Start(TypedDict):
    """What a job is started with; its three streams are sent beside it."""

    job: str
    """Its name, or `SCRIPT`."""
    words: list[str]
    """What stands behind it; a script itself is the first."""
    folder: str
    environ: dict[str, str]
    session: bool
    group: int
    niceness: int
    limits: list[tuple[int, int]]


def _load_torch() -> None:
    from firstlight_core.jobs import convert, original_chat, reference  # noqa: F401
    from firstlight_core.jobs.transformers_model import import_transformers

    import_transformers()
    import olive.workflows  # noqa: F401
    import onnxruntime_genai.models.builder  # noqa: F401
    import peft  # noqa: F401


def _load_genai() -> None:
    import numpy as np  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime_genai  # noqa: F401

    from firstlight_core.jobs import gate, render, transformers_index  # noqa: F401

    # As in `jobs/render.py`: a tokenizer needs no torch.
    sys.modules["torch"] = None  # type: ignore[assignment]
    transformers_index.install()
    from transformers import AutoTokenizer, PreTrainedTokenizerFast  # noqa: F401

    del sys.modules["torch"]


def _load_engine() -> None:
    import jinja2  # noqa: F401
    import numpy as np  # noqa: F401
    import onnxruntime_genai  # noqa: F401

    from firstlight_core.jobs import endpoint, engine  # noqa: F401


def _load_foundry() -> None:
    import foundry_local_sdk  # noqa: F401

    from firstlight_core.jobs import foundry  # noqa: F401


def _load_nothing() -> None:
    from firstlight_core.jobs import selftest  # noqa: F401


SCRIPT = "-c"
_LOADS: dict[Callable[[], None], tuple[str, ...]] = {
    _load_torch: ("convert", "original", "reference", SCRIPT),
    _load_genai: ("gate", "render"),
    _load_engine: ("endpoint", "engine"),
    _load_foundry: ("foundry",),
    _load_nothing: ("selftest",),
}
"""What each process imports, for which jobs: as they do themselves. What they change in it they change when they run."""


class LoadedJobs:
    """The processes that fork for the jobs of this process; each loads with the first job that comes."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}
        for load, jobs in _LOADS.items():
            environ = child_environment()
            # The C library reads it when a program starts.
            room = _Room(with_large_pages(environ) if load is _load_engine else environ)
            self._rooms |= dict.fromkeys(jobs, room)

    def close(self) -> None:
        """End these processes."""
        for room in dict.fromkeys(self._rooms.values()):
            room.close()

    def forking(self, inner: Callable[..., int]) -> Callable[..., int]:
        """`subprocess._fork_exec` that forks one of the processes for a job, and does everything else as before."""

        def fork(*given: Any) -> int:
            job, *words = _what([str(word) for word in given[0]])
            if job not in self._rooms:
                return inner(*given)
            folder, environ = given[4], given[5]
            pairs = [os.fsdecode(pair).partition("=") for pair in environ or ()]
            start = Start(
                job=job,
                words=words,
                folder=os.fsdecode(folder or Path.cwd()),
                environ={name: value for name, _, value in pairs} or dict(os.environ),
                session=bool(given[15]),
                group=int(given[16]),
                niceness=os.getpriority(os.PRIO_PROCESS, 0),
                limits=[resource.getrlimit(limit) for limit in _LIMITS],
            )
            # Its ends of three pipes; where there is none, the stream of this process.
            piped = (given[6], given[9], given[11])
            streams = [own if pipe < 0 else pipe for own, pipe in enumerate(piped)]
            return self._rooms[job].start(start, streams)

        return fork


def _what(command: Sequence[str]) -> Sequence[str]:
    """The job that a command line starts, or `SCRIPT`, and the words behind it; an empty word for anything else."""
    match list(command):
        case [sys.executable, "-P", "-m", "firstlight_core.jobs", job]:
            return [job]
        case [sys.executable, "-P", "-c", script, *words] if "torch" in script or "olive" in script:
            return [SCRIPT, script, *words]
    return [""]


class _Room:
    """One process that forks."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        whole = {**environ, "PYTHONPATH": str(ROOT)}
        self._process, self._socket = start_forking("loaded_jobs", whole)

    def start(self, start: Start, streams: Sequence[int]) -> int:
        """Return the pid of a new child of this process."""
        socket.send_fds(self._socket, [b"j"], streams)
        self._socket.sendall(json.dumps(start).encode() + b"\n")
        # It may have to load first.
        read_line(self._socket)
        # A child of a child whose parent ends belongs to the nearest process above that takes orphans in.
        _take_orphans(True)
        try:
            self._socket.sendall(b"f")
            return int(read_line(self._socket))
        finally:
            _take_orphans(False)

    def close(self) -> None:
        """End the process; what it has forked lives on."""
        self._socket.close()
        self._process.wait()


def _take_orphans(yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def serve(descriptor: int) -> None:
    """Fork for every job that comes, until the other side is gone; in a fork, become the job."""
    import gc

    from firstlight_core.jobs import __main__ as jobs

    sys.path.remove(str(ROOT))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    loaded = False
    while True:
        begun, streams, _, _ = socket.recv_fds(connection, 1, 3)
        if not begun:
            return
        start: Start = json.loads(read_line(connection))
        if not loaded:
            with without_collections():
                next(load for load, names in _LOADS.items() if start["job"] in names)()
            gc.collect()
            gc.freeze()
            threads = len([*Path("/proc/self/task").iterdir()])
            assert threads == 1, f"{threads} threads, of which a fork would have one"
            loaded = True
        connection.sendall(b"\n")
        connection.recv(1)
        known, tell = os.pipe()
        if (between := os.fork()) == 0:
            if os.fork():
                os._exit(0)
            break
        os.close(tell)
        for stream in streams:
            os.close(stream)
        os.waitpid(between, 0)
        with os.fdopen(known, "rb") as line:
            connection.sendall(line.readline())
    connection.close()
    os.close(known)
    _become(start, streams)
    os.write(tell, b"%d\n" % os.getpid())
    os.close(tell)
    if start["job"] != SCRIPT:
        sys.argv[:] = ["firstlight_core.jobs", start["job"]]
        sys.exit(jobs.main())
    script, *words = start["words"]
    sys.argv[:] = ["-c", *words]
    code = 1
    try:
        exec(compile(script, "<string>", "exec"), {"__name__": "__main__"})
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(start: Start, streams: Sequence[int]) -> None:
    """Take over everything that a program is started with."""
    if start["session"]:
        os.setsid()
    elif start["group"] >= 0:
        os.setpgid(0, start["group"])
    take_over(streams, start["environ"], start["folder"])
    for limit, (soft, hard) in zip(_LIMITS, start["limits"], strict=True):
        resource.setrlimit(limit, (soft, hard))
    os.setpriority(os.PRIO_PROCESS, 0, start["niceness"])
    # Else the first one that asked has chosen it for all.
    tempfile.tempdir = None
    random.seed()
