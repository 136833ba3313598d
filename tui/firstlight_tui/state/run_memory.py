"""Writes the answers of the wizard to the ledger as they change, so that a run that is cut short can be continued."""

import contextlib
import shutil
from typing import TYPE_CHECKING

from firstlight_core.documents.ledger import AnswersValues, OverValues
from firstlight_core.ledger import ANSWERS, OVER, Run
from firstlight_core.session import Session
from firstlight_tui.state.workspace import Workspace

if TYPE_CHECKING:
    from firstlight_core.workflow.resume import Unfinished


class RunMemory:
    """Writes the answers of a workspace to the ledger; none before a model is chosen."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._written = Session()
        self._step = ""
        self._finished = False
        workspace.ledger.guarded = True
        workspace.session_changed.listen(lambda _: self.remember())

    def remember(self) -> None:
        """Write what has changed: answers, or the step that is open."""
        workspace, session = self._workspace, self._workspace.session
        chosen = session.model is not None if session.source is not None else session.artifact
        if not chosen:
            return
        step = workspace.navigation.steps[workspace.navigation.position].STEP_ID
        if _model_of(self._written) not in (None, _model_of(session)) and not workspace.ledger.made:
            # Nothing was made of the model that was looked at before.
            workspace.ledger.drop()
            self._written = Session()
        changed = session.changed_since(self._written)
        if not changed and step == self._step:
            return
        self._written, self._step = session, step
        answers = dict(session.to_json())
        values: AnswersValues = {
            "at_step": step,
            "answers": {name: answers.get(name) for name in changed if hasattr(session, name)},
        }
        workspace.ledger.append(ANSWERS, "done", values)

    def go_on(self, unfinished: "Unfinished", session: Session) -> None:
        """Continue a run: its ledger goes on, the finished steps stay, and the step that was open opens."""
        workspace = self._workspace
        if session.environment is not None:
            workspace.stop_work("environment")
        workspace.ledger.adopt(unfinished.run)
        self._written, self._step = unfinished.session, unfinished.step
        workspace.session = session
        navigation = workspace.navigation
        for step in navigation.steps:
            if unfinished.step == step.STEP_ID:
                break
            if not step.passed_by(session) and step.missing(session):
                break
        navigation.open(step)

    def decline(self, run: Run) -> None:
        """Do not offer a run again; one in which nothing was made goes."""
        if all(entry.step == ANSWERS for entry in run.entries()):
            shutil.rmtree(run.folder, ignore_errors=True)
        else:
            declined: OverValues = {"how": "declined"}
            run.record(OVER, "done", values=declined)

    def finish(self) -> None:
        """The walk is over: it is not offered again."""
        if self.unfinished:
            finished: OverValues = {"how": "finished"}
            self._workspace.record(OVER, "done", finished)
            self._finished = True

    @property
    def unfinished(self) -> bool:
        """True if there is something that the next start will offer to continue."""
        return self._written != Session() and not self._finished

    def close(self) -> None:
        """The wizard ends; another one may continue the run."""
        with contextlib.suppress(OSError):
            self._workspace.ledger.release()


def _model_of(session: Session) -> str | None:
    return session.source or session.artifact
