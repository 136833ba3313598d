"""A service that outlives the process that started it, only on request.

`python -m firstlight_core.foundry.background TARGET PORT` serves until it is told to stop. A small record says where it
serves, so that every later start of Firstlight finds it; a record whose process is gone counts as nothing.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from firstlight_core.documents.foundry import BackgroundAddress, BackgroundRecord, BackgroundRow
from firstlight_core.documents.reading import read_document
from firstlight_core.errors import (
    ErrorDocument,
    FirstlightError,
    JobDied,
    StateProblem,
    UsageError,
    error_from_document,
)
from firstlight_core.files import is_folder, read_json_object, write_json
from firstlight_core.foundry.service import check_port, open_service, snippets
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Stage
from firstlight_core.process.large_pages import with_large_pages
from firstlight_core.process.logs import LogFile
from firstlight_core.process.offline import child_environment
from firstlight_core.process.tree import KILL, StartOptions, detach, let_go, process_trees
from firstlight_core.text import one_line, shown_path

if TYPE_CHECKING:
    import psutil

START_SECONDS = 120.0
"""How long the model may take to load."""
STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundService:
    """A service that runs without the wizard."""

    pid: int
    born: float
    """When its process was made, as the system says: a later process with the same number is another one."""
    target: str
    base_url: str
    model: str

    @property
    def record(self) -> Path:
        """The file that says so."""
        return _folder() / f"{self.pid}.json"

    def address(self) -> BackgroundAddress:
        """Return where it answers."""
        return {
            "pid": self.pid,
            "target": self.target,
            "base_url": self.base_url,
            "model": self.model,
        }

    def to_json(self) -> BackgroundRow:
        """Return its row in a document."""
        return {**self.address(), "snippets": snippets(self.base_url, self.model)}

    def to_record(self) -> BackgroundRecord:
        """Return what `record` holds."""
        return {**self.address(), "born": self.born}


def _folder() -> Path:
    return find_paths().state / "services"


def _read_record(values: Mapping[str, Any]) -> BackgroundService:
    """Read what `to_record` wrote, from a file or from the service's process.

    Raises:
        ValueError: it is something else.
    """
    match values:
        case {
            "pid": int(pid),
            "born": int(born) | float(born),
            "target": str(target),
            "base_url": str(base_url),
            "model": str(model),
        }:
            return BackgroundService(
                pid=pid, born=born, target=target, base_url=base_url, model=model
            )
    raise ValueError("this is no record of a service")


def list_background() -> list[BackgroundService]:
    """Return every such service that runs now; records of dead ones go."""
    services = []
    for path in sorted(_folder().glob("*.json")):
        with contextlib.suppress(FirstlightError, ValueError, OSError):
            service = _read_record(read_json_object(path))
            if _process(service) is not None:
                services.append(service)
                continue
        path.unlink(missing_ok=True)
    return services


def _process(service: BackgroundService) -> "psutil.Process | None":
    """Return the service's process; None when it has ended."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(service.pid)
        if abs(process.create_time() - service.born) < 1 and process.status() != "zombie":
            return process
    return None


def find_background(target: str) -> BackgroundService | None:
    """Return the service of this deployed name, folder or model id."""
    wanted = (target, str(Path(target).absolute()))
    services = list_background()
    return next((s for s in services if s.target in wanted or s.model == target), None)


async def start_background(
    target: str,
    *,
    port: int = 0,
    on_event: Callable[[Event], None] | None = None,
    seconds: float = START_SECONDS,
) -> BackgroundService:
    """Serve a deployed name or an artifact folder in a process of its own, and return as soon as it serves.

    Raises:
        UsageError: the target names nothing, it is served so already, or the port is not usable.
        FirstlightError: what the service's own process reported.
        JobDied: it ended, or did not serve within `seconds`.
    """
    check_port(port)
    if (running := find_background(target)) is not None:
        raise UsageError(
            f"{one_line(target, 120)} is served already, at {running.base_url}.",
            hint=f"Stop it first: firstlight serve --stop {one_line(target, 120)}",
        )
    if on_event is not None:
        on_event(Stage("load", "Starting a service that stays"))
    log = LogFile(find_paths().logs, "service")
    log.close()
    with (log.path or Path(os.devnull)).open("ab") as stderr:
        folder = Path(target)
        process = _start(
            [str(folder.absolute()) if is_folder(folder) else target, str(port)], stderr=stderr
        )
    service: BackgroundService | None = None
    try:
        async with asyncio.timeout(seconds):
            service = _read_answer(await asyncio.to_thread(_first_line, process))
    except (TimeoutError, ValueError) as error:
        where = f"Its log: {shown_path(log.path)}" if log.path else ""
        raise JobDied("The service did not start.", hint="Try again.", detail=where) from error
    finally:
        if service is None:
            # The process that serves is in the group of the one that was started.
            process_trees().signal(process.pid, KILL)
        let_go(process)
    return service


def _start(arguments: Sequence[str], *, stderr: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start the service's process so that it outlives this one."""
    *better, last = process_trees().staying()
    command = [sys.executable, "-P", "-m", "firstlight_core.foundry.background", *arguments]

    def start(options: StartOptions) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=with_large_pages(child_environment()),
            cwd=os.sep,
            **options,
        )

    for options in better:
        with contextlib.suppress(PermissionError):
            return start(options)
    return start(last)


def _first_line(process: "subprocess.Popen[bytes]") -> bytes:
    """Return what the process says first; empty when it ends without a word."""
    assert process.stdout is not None
    with process.stdout as stream:
        return stream.readline()


def _read_answer(line: bytes) -> BackgroundService:
    """Read the first line of the service's process.

    Raises:
        FirstlightError: what that process reports.
        ValueError: the line is something else.
    """
    answer = json.loads(line)
    if (error := read_document(ErrorDocument, answer)) is not None:
        raise error_from_document(error)
    if isinstance(answer, dict):
        return _read_record(answer)
    raise ValueError("this is no answer of a service")


def stop_background(service: BackgroundService, *, seconds: float = STOP_SECONDS) -> None:
    """End the service and its children; does nothing when it has already ended.

    Raises:
        StateProblem: it does not end.
    """
    import psutil

    process = _process(service)
    if process is not None:
        try:
            group = [process, *process.children(recursive=True)]
            process.terminate()
            _, alive = psutil.wait_procs(group, timeout=seconds)
            for survivor in alive:
                survivor.kill()
            _, alive = psutil.wait_procs(alive, timeout=seconds)
        except psutil.NoSuchProcess:
            alive = []
        except psutil.AccessDenied as error:
            raise StateProblem(
                f"Process {service.pid} belongs to somebody else.", hint="Stop it as that user."
            ) from error
        if alive:
            raise StateProblem(f"Process {service.pid} does not end.")
    service.record.unlink(missing_ok=True)


async def _serve(target: str, port: int) -> None:
    """Serve until a signal comes or the runtime ends; the first line of stdout is the record, or the error."""
    import psutil

    task = asyncio.current_task()
    assert task is not None
    # Windows has no such signals: who stops the service there ends its process, and the record goes with the order.
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    record: BackgroundService | None = None
    try:
        async with open_service(target, port=port) as service:
            born = psutil.Process().create_time()
            record = BackgroundService(
                pid=os.getpid(),
                born=born,
                target=target,
                base_url=service.base_url,
                model=service.model,
            )
            record.record.parent.mkdir(parents=True, exist_ok=True)
            write_json(record.record, record.to_record())
            _tell(record.to_record())
            while service.job.alive:
                await asyncio.sleep(_LOOK_SECONDS)
    except FirstlightError as error:
        _tell({"code": error.code, "message": str(error), "hint": error.hint})
    finally:
        if record is not None:
            record.record.unlink(missing_ok=True)


def _tell(document: BackgroundRecord | ErrorDocument) -> None:
    """Answer the waiting parent and close its pipe."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(document).encode() + b"\n")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


def main() -> None:
    """The service's own process: it detaches from its parent, so that the parent need not wait."""
    detach()
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
