"""The wizard with a record beside it of what it does, for `bench.stray_keys`."""

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import IO, TypedDict

from rich.console import RenderableType

from firstlight_core.steps import STEPS
from firstlight_tui import start
from firstlight_tui.app import WizardApp
from firstlight_tui.state.work import Work

IDS = [step.id for step in STEPS]


class State(TypedDict):
    """The wizard as its own process sees it."""

    screens: list[str]
    step: str
    running: list[str]
    """Names of the work that runs or waits, `answer` for the chat's."""
    oldest: float
    """Seconds of the work that has run longest."""
    deployed: bool
    converted: bool


class Ended(TypedDict):
    """Work that has ended."""

    ended: str
    status: str
    seconds: float
    only_looks: bool


class Left(TypedDict):
    """The wizard leaves; what runs then is lost."""

    left: list[str]


def wizard(log: Path, *, demo: bool) -> int:
    """Run the wizard, and write down beside it what it does."""
    run = start.run_wizard

    def watched(app: WizardApp) -> int:
        with log.open("a") as out:
            watch(app, out)
            return run(app)

    start.run_wizard = watched
    return start.start_wizard(demo=demo)


def watch(app: WizardApp, out: IO[str]) -> None:
    """Write each end of work, the state ten times a second where it has changed, and what runs when it is left."""
    lock = threading.Lock()
    written: set[int] = set()
    last: State | None = None

    def write(line: State | Ended | Left) -> None:
        with lock:
            out.write(json.dumps(line) + "\n")
            out.flush()

    def worked(work: Work) -> None:
        if not work.pending and id(work) not in written:
            written.add(id(work))
            write(
                {
                    "ended": work.name,
                    "status": work.status,
                    "seconds": work.seconds,
                    "only_looks": work.only_looks,
                }
            )

    def look() -> State:
        workspace = app.workspace
        pending = [work for work in workspace.works if work.pending and not work.only_looks]
        answering = ["answer"] if workspace.chat.answering else []
        return {
            "screens": [type(screen).__name__ for screen in app.screen_stack],
            "step": IDS[workspace.navigation.position],
            "running": [*(work.name for work in pending), *answering],
            "oldest": round(max((work.seconds for work in pending), default=0.0)),
            "deployed": workspace.session.deployment is not None,
            "converted": workspace.session.artifact is not None,
        }

    def follow() -> None:
        nonlocal last
        while True:
            time.sleep(0.1)
            try:
                state = look()
            except Exception:  # The other thread changes what is read here.
                continue
            if state != last:
                last = state
                write(state)

    leave = app.exit

    def write_and_leave(
        result: int | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        write({"left": look()["running"]})
        leave(result, return_code, message)

    vars(app)["exit"] = write_and_leave
    app.workspace.worked.listen(worked)
    threading.Thread(target=follow, daemon=True).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--demo", action="store_true")
    options = parser.parse_args()
    sys.exit(wizard(options.log, demo=options.demo))
