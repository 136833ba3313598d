"""Earlier runs of this machine: what each came to, and how one is deleted so that it can be put back for a while.

A deleted run lies in `.deleted` of the folder of runs, where no list looks, until the wizard is left or started again.
"""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.errors import InputRefused
from firstlight_core.estimate.measured_figures import Figures, Measurements, measured_figures
from firstlight_core.files import delete_tree, state_problem
from firstlight_core.ledger import Entry, Run, list_runs
from firstlight_core.paths import Paths, find_paths
from firstlight_core.report.facts import RunFacts, collect_facts, last_session
from firstlight_core.session import Session
from firstlight_core.steps import STEPS, find_step
from firstlight_core.workflow.leftovers import folder_size
from firstlight_core.workflow.resume import is_worked_on, read_answers

DELETED = ".deleted"
_LEAST_AGE_S = 3_600
"""A run that another wizard has just deleted stays as long: its user may put it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """One run, and what it came to."""

    run: Run
    name: str
    """Of its model, or of the server that it asked."""
    at: float
    """When it last wrote, in seconds since the epoch."""
    step: str
    """Id of the last step that was open or done."""
    done: tuple[str, ...]
    """Ids of the steps that are done."""
    failed: tuple[str, ...]
    figures: tuple[Figures, ...]
    """Measurements of each artifact that it made."""
    precision_in_use: str
    session: Session
    """Its answers, as far as its record has them."""
    report: Path | None
    artifacts: tuple[Path, ...]
    """Artifacts that lie in its folder."""
    bytes: int
    """Size of its folder."""
    worked_on: bool
    """Whether a living wizard works on it."""

    @property
    def in_use(self) -> Figures | None:
        """Measurements of the artifact in use, or of the only one."""
        own = [each for each in self.figures if each.precision == self.precision_in_use]
        return next(iter(own or self.figures), None)


def list_earlier_runs(paths: Paths | None = None) -> list[EarlierRun]:
    """Return every run, the newest first; reads every ledger."""
    paths = paths or find_paths()
    return [earlier for run in list_runs(paths.runs) if (earlier := _read(run, paths)) is not None]


def _read(run: Run, paths: Paths) -> EarlierRun | None:
    try:
        entries = list(run.entries())
    except OSError:
        return None
    if not entries:
        return None
    facts = collect_facts(run)
    answers, step = read_answers(entries)
    session = answers if answers != Session() else last_session(entries) or answers
    figures = measured_figures(facts.conversions, Measurements.of(session, entries))
    report = run.folder / "report.html"
    artifacts = sorted(path for path in (run.folder / "artifacts").glob("*") if path.is_dir())
    return EarlierRun(
        run=run,
        name=_name(facts, session, run, paths),
        at=entries[-1].at,
        step=step or _last_step(entries),
        done=tuple(fact.id for fact in facts.steps if fact.status == "done"),
        failed=tuple(fact.id for fact in facts.steps if fact.status == "failed"),
        figures=tuple(figures.values()),
        precision_in_use=facts.precision_in_use,
        session=session,
        report=report if report.is_file() else None,
        artifacts=tuple(path for path in artifacts if not path.name.startswith(".")),
        bytes=folder_size(run.folder),
        worked_on=is_worked_on(run),
    )


def _name(facts: RunFacts, session: Session, run: Run, paths: Paths) -> str:
    model = facts.model or {}
    source = session.source or model.get("source") or model.get("path") or session.artifact
    if source:
        return paths.model_name(str(source))
    return facts.server["model"] if facts.server is not None else run.id


def _last_step(entries: list[Entry]) -> str:
    known = [entry.step for entry in entries if find_step(entry.step) is not None]
    return known[-1] if known else STEPS[0].id


def delete_run(run: Run, paths: Paths | None = None) -> Path:
    """Take a run out of the list; returns the folder from which `put_back` brings it again.

    Raises:
        InputRefused: it is not in the folder of runs, or a wizard works on it.
        StateProblem: it cannot be moved.
    """
    paths = paths or find_paths()
    if run.folder.parent.resolve() != paths.runs.resolve() or run.folder.is_symlink():
        raise InputRefused(
            f"{run.id} lies elsewhere than Firstlight's runs.", hint="Delete it by hand."
        )
    if is_worked_on(run):
        raise InputRefused(f"A wizard works on {run.id}.", hint="Leave that wizard first.")
    target = paths.runs / DELETED / f"{time.time():.0f}-{run.id}"
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        run.folder.rename(target)
    except OSError as error:
        raise state_problem(error, run.folder) from error
    return target


def put_back(deleted: Path, paths: Paths | None = None) -> Run:
    """Bring a deleted run back to the list.

    Raises:
        StateProblem: it cannot be moved.
    """
    paths = paths or find_paths()
    folder = paths.runs / deleted.name.partition("-")[2]
    try:
        deleted.rename(folder)
    except OSError as error:
        raise state_problem(error, deleted) from error
    return Run(folder)


def sweep_deleted(
    paths: Paths | None = None, *, only: Path | None = None, now: float | None = None
) -> None:
    """Remove deleted runs for good: one, or those that were deleted more than an hour ago."""
    paths = paths or find_paths()
    moment = time.time() if now is None else now
    for folder in (paths.runs / DELETED).glob("*-*"):
        moved = folder.name.partition("-")[0]
        old = moved.isdigit() and moment - int(moved) > _LEAST_AGE_S
        if folder == only or (only is None and old):
            delete_tree(folder)
    with contextlib.suppress(OSError):
        (paths.runs / DELETED).rmdir()
