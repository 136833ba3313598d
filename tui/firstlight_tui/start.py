"""Open the wizard on this terminal, and restore the terminal in any case."""

import asyncio
import gc
import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from firstlight_core.session import Session
from firstlight_core.text import visible

if TYPE_CHECKING:
    from firstlight_core.documents.inference import ConnectedServer
    from firstlight_tui.app import WizardApp
    from firstlight_tui.steps.base import StepScreen


def start_wizard(
    *,
    demo: bool = False,
    model: str | None = None,
    artifact: Path | None = None,
    endpoint: "ConnectedServer | None" = None,
) -> int:
    """Run the wizard to its end; the result is the exit code.

    `demo` preselects the sample model. `model` is a folder or a hub id: the wizard opens on Model and looks into it.
    `artifact` or `endpoint` opens the wizard on Chat with it.
    """
    # Nothing that is made while the modules load is ever garbage; looking would cost a tenth of the start.
    gc.disable()
    from firstlight_core.paths import find_paths
    from firstlight_tui.app import WizardApp
    from firstlight_tui.steps import screen_of
    from firstlight_tui.terminal.ascii_marks import wants_ascii
    from firstlight_tui.terminal.idle import IdleTasks

    session = Session()
    if demo:
        session = session.decide(source=str(find_paths().sample))
    if artifact is not None:
        session = session.decide(artifact=str(artifact))
    if endpoint is not None:
        session = session.decide(endpoint=endpoint)
    first: type[StepScreen] | None = None
    if session.target is not None:
        first = screen_of("chat")
    elif model is not None:
        first = screen_of("model")
    app = WizardApp(
        session=session,
        first=first,
        model=model,
        remember=session.target is None,
        idle=IdleTasks(),
        ascii=wants_ascii(),
    )
    return run_wizard(app)


def run_wizard(app: "WizardApp") -> int:
    """Run a wizard on this terminal with all that keeps its keys quick; the result is the exit code.

    Garbage is collected from the first paint on: nothing that is made before it is garbage.
    """
    from firstlight_core.process.priority import BESIDE_A_SCREEN
    from firstlight_tui.terminal.idle import settle_garbage, share_time

    settle_garbage()
    share_time()
    # A terminal that is not raw yet, or not any more, makes a signal of Ctrl+C: it must not cut off the last lines.
    signal.signal(signal.SIGINT, partial(_interrupted, app))
    _watch_children_without_threads()
    os.environ[BESIDE_A_SCREEN] = "1"
    result = app.run()
    # Python gives a handler back before its process ends; that nothing is done any more stays.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if app.return_code:
        # A crash, or a signal: the exit code of the process must say so.
        return app.return_code
    if app.is_web:
        # Standard output is the page's, which is gone.
        return result or 0
    from firstlight_tui.farewell import farewell

    unfinished = app.memory is not None and app.memory.unfinished
    for line in farewell(app.workspace, unfinished=unfinished):
        sys.stdout.write(f"{visible(line)}\n")
    sys.stdout.flush()
    return result or 0


def _interrupted(app: "WizardApp", number: int, frame: FrameType | None) -> None:
    """Leave as for another signal; while the wizard starts or ends, do nothing."""
    if app.is_running:
        app.exit(return_code=128 + number)


def _watch_children_without_threads() -> None:
    """Let Python 3.11 wait for its children as later ones do.

    Its own way begins a thread for each child and waits until that runs: 70 ms of no keys beside twenty new processes.
    """
    if sys.platform == "linux" and sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError:
            return
        asyncio.get_event_loop_policy().set_child_watcher(asyncio.PidfdChildWatcher())
