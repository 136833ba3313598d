"""The workspace as attributes of the application, for code that does not ask `workspace_of` yet."""

from pathlib import Path
from typing import Any

from firstlight_core.ledger import Run as LedgerRun
from firstlight_core.monitor import History, Sample
from firstlight_core.paths import Paths
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.work import Run, Work
from firstlight_tui.state.workspace import Workspace


class WorkspaceDelegate:
    """Passes everything on."""

    workspace: Workspace

    @property
    def session(self) -> Session:
        return self.workspace.session

    @session.setter
    def session(self, session: Session) -> None:
        self.workspace.session = session

    @property
    def services(self) -> Services:
        return self.workspace.services

    @property
    def paths(self) -> Paths:
        return self.workspace.paths

    @property
    def history(self) -> History:
        return self.workspace.history

    @property
    def sampled(self) -> Signal[Sample]:
        return self.workspace.sampled

    @property
    def worked(self) -> Signal[Work]:
        return self.workspace.worked

    @property
    def works(self) -> dict[str, Work]:
        return self.workspace.works

    @property
    def busy(self) -> list[Work]:
        return self.workspace.busy

    @property
    def chat(self) -> Chat:
        return self.workspace.chat

    @property
    def run_record(self) -> LedgerRun | None:
        return self.workspace.run_record

    @run_record.setter
    def run_record(self, run: LedgerRun | None) -> None:
        self.workspace.run_record = run

    @property
    def kept(self) -> dict[str, Any]:
        return self.workspace.kept

    def start(self, name: str, label: str, run: Run, *, only_looks: bool = False) -> Work:
        return self.workspace.start(name, label, run, only_looks=only_looks)

    def stop_work(self, name: str) -> None:
        self.workspace.stop_work(name)

    def run_folder(self) -> Path:
        return self.workspace.run_folder()

    def record(self, step: str, status: str, **values: Any) -> None:
        self.workspace.record(step, status, **values)
