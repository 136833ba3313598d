"""The list of earlier runs: words of a row, two of them compared, deletion with its question and its undo."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.ledger import Run
from firstlight_core.paths import Paths
from firstlight_core.precision.table import find_precision
from firstlight_core.steps import STEPS, find_step
from firstlight_core.text import ago_text, bytes_text, one_line, shown_path
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.workspace import Workspace

if TYPE_CHECKING:
    from firstlight_core.estimate.measured_figures import Figures
    from firstlight_core.workflow.earlier_runs import EarlierRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCells:
    """A run as a row of the table."""

    model: str
    made: str
    reached: str
    size: str
    decode: str
    when: str


def cells_of(run: "EarlierRun", *, now: float | None = None) -> RunCells:
    """Return the words of a row."""
    moment = time.time() if now is None else now
    figures = run.in_use
    return RunCells(
        model=one_line(run.name, 60),
        made=", ".join(find_precision(each.precision).label for each in run.figures) or "–",
        reached=_reached(run),
        size=bytes_text(figures.bytes) if figures and figures.bytes else "–",
        decode=_decode(figures) if figures else "–",
        when=ago_text(max(0.0, moment - run.at)),
    )


def _reached(run: "EarlierRun") -> str:
    last = find_step(run.failed[-1] if run.failed else run.step)
    title = last.title if last is not None else run.step
    if run.failed:
        return f"✗ {title}"
    return f"✓ {title}" if title == STEPS[-1].title or run.report is not None else title


def _decode(figures: "Figures") -> str:
    if figures.decode_tps is None:
        return "–"
    return f"✗ VOID {figures.decode_tps:.0f}" if figures.void else f"{figures.decode_tps:.0f}"


def compare(left: "EarlierRun", right: "EarlierRun") -> list[tuple[str, str, str]]:
    """Return lines of label, left and right: the artifacts in use, side by side."""
    rows: tuple[tuple[str, Callable[[EarlierRun], str]], ...] = (
        ("Run", lambda run: run.run.id),
        ("Model", lambda run: run.name),
        ("In use", lambda run: _of(run, lambda f: find_precision(f.precision).label)),
        ("Size", lambda run: _of(run, lambda f: bytes_text(f.bytes) if f.bytes else "–")),
        ("Decode, tok/s", lambda run: _of(run, _decode)),
        ("First token", lambda run: _of(run, _first_token)),
        ("RAM at most", lambda run: _of(run, lambda f: _bytes(f.run_rss_bytes))),
        ("Mean KL", lambda run: _of(run, lambda f: _number(f.kl_mean, "{:.2g}"))),
        ("Same next token", lambda run: _of(run, lambda f: _number(f.top1_agreement, "{:.1%}"))),
        ("Quality", lambda run: _of(run, _usable)),
        ("Conversion", lambda run: _of(run, lambda f: _number(f.seconds, "{:.1f} s"))),
        ("Steps done", lambda run: str(len(run.done))),
        ("Folder", lambda run: bytes_text(run.bytes)),
    )
    return [(label, value(left), value(right)) for label, value in rows]


def _of(run: "EarlierRun", value: "Callable[[Figures], str]") -> str:
    return value(run.in_use) if run.in_use is not None else "–"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _bytes(value: int | None) -> str:
    return "–" if value is None else bytes_text(value)


def _first_token(figures: "Figures") -> str:
    if figures.ttft_s is None:
        return "–"
    void = "✗ VOID " if figures.void else ""
    return f"{void}{1000 * figures.ttft_s:.1f} ms of {figures.prompt_tokens} tokens"


def _usable(figures: "Figures") -> str:
    return {None: "–", True: "✓ usable", False: "✗ not good enough"}[figures.usable]


def delete_question(run: "EarlierRun", paths: Paths) -> str:
    """Return the question before a run is deleted: what goes with it, and where it lies if that is not our folder."""
    what = ["its record"]
    if run.report is not None:
        what.append("its report")
    names = ", ".join(path.name for path in run.artifacts)
    if names:
        what.append(f"{len(run.artifacts)} artifact{'s' * (len(run.artifacts) != 1)} ({names})")
    words = f"{', '.join(what[:-1])} and {what[-1]}" if len(what) > 1 else what[0]
    question = f"Delete the run of {one_line(run.name, 60)}: {words}, {bytes_text(run.bytes)}?"
    if not run.run.folder.is_relative_to(paths.data):
        folders = run.artifacts or (run.run.folder,)
        listed = "\n".join(shown_path(folder) for folder in folders)
        question += f"\n\nIt lies outside Firstlight's own folder:\n{listed}"
    return f"{question}\n\nDeployed copies stay. F8 puts it back until you close this list."


def row_words(run: "EarlierRun", *, now: float | None = None) -> tuple[str, str]:
    """Return title and explanation of a run in a list of other things."""
    cells = cells_of(run, now=now)
    made = f", {cells.made}" if cells.made != "–" else ""
    return f"Run of {cells.model}{made}", f"{cells.reached}, {cells.when}"


class RunsList:
    """The runs of this machine, but for the one that is open."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.runs: list[EarlierRun] = []
        self._deleted: list[Path] = []

    async def read(self) -> None:
        """Read every ledger, beside the UI loop."""
        services, paths = self._workspace.services, self._workspace.paths
        runs = await asyncio.to_thread(services.list_earlier_runs, paths)
        own = self._workspace.run_record
        self.runs = [run for run in runs if own is None or run.run.folder != own.folder]

    def find(self, id: str | None) -> "EarlierRun | None":
        """Return the run of this id."""
        return next((run for run in self.runs if run.run.id == id), None)

    def hindrance(self, run: "EarlierRun") -> str:
        """Return why a run cannot be opened now; empty when it can."""
        if run.worked_on:
            return "Another wizard works on this run."
        if run.session.source is None and run.session.target is None:
            return "Its record holds no answers of a wizard; open its report with o."
        if self._workspace.leave_question():
            return "Work is running; let it end, or stop it first."
        return ""

    async def open(self, run: "EarlierRun", memory: RunMemory) -> list[str]:
        """Go on with a run where it stopped; returns a sentence for each answer that no longer holds."""
        workspace = self._workspace
        session, losses = await asyncio.to_thread(workspace.services.what_still_holds, run.session)
        await workspace.ledger.written()
        from firstlight_core.workflow.resume import Unfinished

        unfinished = Unfinished(
            run=run.run, name=run.name, step=run.step, session=run.session, at=run.at
        )
        memory.go_on(unfinished, session)
        return losses

    async def delete(self, run: "EarlierRun") -> None:
        """Take a run out of the list, for good when the list is closed.

        Raises:
            FirstlightError: it cannot be moved, or a wizard works on it.
        """
        services, paths = self._workspace.services, self._workspace.paths
        self._deleted.append(await asyncio.to_thread(services.delete_run, run.run, paths))
        self.runs.remove(run)

    async def undo(self) -> Run | None:
        """Put the run back that was deleted last; None when there is none.

        Raises:
            FirstlightError: it cannot be moved.
        """
        if not self._deleted:
            return None
        services, paths = self._workspace.services, self._workspace.paths
        run = await asyncio.to_thread(services.put_back, self._deleted[-1], paths)
        self._deleted.pop()
        await self.read()
        return run

    async def close(self) -> None:
        """Remove what was deleted for good."""
        services, paths = self._workspace.services, self._workspace.paths
        deleted, self._deleted = self._deleted, []
        for folder in deleted:
            await asyncio.to_thread(services.sweep_deleted, paths, only=folder)
