"""The other process: `python -P -m firstlight_core.jobs JOB`, requests on stdin, events on stdout.

The first line of stdin is the job's request. Further lines are requests to an open job, `{"op": "cancel",
"re": N}` stops request N and those before it, and the end of stdin means that the parent is gone: the whole process group then leaves at once.
"""

import errno
import faulthandler
import importlib
import json
import os
import sys
import threading
from typing import Any

from firstlight_core.jobs import JOBS
from firstlight_core.process.context import (
    JobContext,
    as_failure,
    leave,
)
from firstlight_core.process.events import Finished
from firstlight_core.process.priority import give_way


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _loopback(str(address[0])):
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, "Firstlight is offline here", address[0]
            )
    elif event == "socket.getaddrinfo" and arguments[0] and not _loopback(str(arguments[0])):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Firstlight is offline here", arguments[0])


def _loopback(host: str) -> bool:
    return host in ("localhost", "::1", "0.0.0.0", "::", "") or host.startswith("127.")


def main() -> int:
    """Run one job; the exit code is 0 when an answer, good or bad, was delivered."""
    give_way()
    context = JobContext(os.dup(1))
    # From here on a stray write to stdout, Python's or native, lands in the log and not in the channel.
    os.dup2(2, 1)
    faulthandler.enable()
    if os.environ.get("FIRSTLIGHT_NETWORK") != "1":
        sys.addaudithook(_refuse_network)
    first = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=context.listen, daemon=True).start()
    try:
        module, function = JOBS[sys.argv[1]].split(":")
        job = getattr(importlib.import_module(module), function)
        context.emit(Finished(job(first, context)))
    except BrokenPipeError:
        leave()
    except BaseException as error:
        context.emit(as_failure(error))
    sys.stdout.flush()
    sys.stderr.flush()
    # Native libraries with running threads may hang or crash in their destructors; the answer is out.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
