"""The list of earlier runs, without a terminal: figures, comparison, deletion and undo."""

import asyncio
from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.ledger import LOCK, Run
from firstlight_core.locks import try_lock
from firstlight_core.paths import Paths, find_paths
from firstlight_core.session import Session
from firstlight_core.workflow.earlier_runs import (
    DELETED,
    EarlierRun,
    delete_run,
    list_earlier_runs,
    put_back,
    sweep_deleted,
)
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.runs_list import (
    RunsList,
    cells_of,
    compare,
    delete_question,
    row_words,
)
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps import list_steps
from tests.support.background import LoopTasks
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services


@pytest.fixture
def paths() -> Paths:
    return find_paths()


def made_run(paths: Paths, session: Session, *, report: bool = False, now: float = 1e9) -> Run:
    run = Run.create("phi", runs=paths.runs, now=now)
    run.record("summary", "done", values={"session": session.to_json()})
    artifact = run.folder / "artifacts" / "int4"
    artifact.mkdir(parents=True)
    (artifact / "model.onnx").write_bytes(b"x" * 2048)
    if report:
        (run.folder / "report.html").write_text("<p>")
    return run


def only(paths: Paths) -> EarlierRun:
    (run,) = list_earlier_runs(paths)
    return run


def workspace(paths: Paths) -> Workspace:
    services = fake_services(Called()).replaced(what_still_holds=lambda session: (session, []))
    navigation = Navigation(list_steps())
    return Workspace(LoopTasks(), navigation=navigation, services=services, paths=paths)


def test_a_run_says_what_it_came_to(paths: Paths) -> None:
    made_run(paths, FULL, report=True)
    run = only(paths)
    cells = cells_of(run, now=run.at + 300)
    assert cells.model == "sample" and "INT4" in cells.made and cells.when == "5 min ago"
    assert cells.reached.startswith("✓ ") and cells.size != "–" and cells.decode != "–"
    assert run.in_use is not None and run.session == FULL
    assert row_words(run, now=run.at)[0].startswith("Run of sample, INT4")


def test_a_run_that_made_nothing_has_dashes(paths: Paths) -> None:
    run = Run.create("phi", runs=paths.runs)
    run.record("environment", "failed", values={"reason": "no Olive"})
    cells = cells_of(only(paths))
    assert (cells.made, cells.size, cells.decode, cells.reached) == ("–", "–", "–", "✗ Environment")
    assert "no answers of a wizard" in RunsList(workspace(paths)).hindrance(only(paths))


def test_two_runs_stand_side_by_side(paths: Paths) -> None:
    made_run(paths, FULL)
    Run.create("phi", runs=paths.runs).record("model", "done", values={"path": "/m/other"})
    new, old = list_earlier_runs(paths)
    lines = {label: (left, right) for label, left, right in compare(old, new)}
    assert lines["Model"] == ("sample", "other")
    assert lines["In use"][0].startswith("INT4") and lines["In use"][1] == "–"
    assert lines["Decode, tok/s"][1] == "–" and lines["Mean KL"][0] != "–"


def test_the_question_names_what_goes_and_where_it_lies(paths: Paths, tmp_path: Path) -> None:
    made_run(paths, FULL, report=True)
    question = delete_question(only(paths), paths)
    assert "its record, its report and 1 artifact (int4)" in question
    assert "outside" not in question and "F8 puts it back" in question
    elsewhere = Paths(
        config=paths.config, data=paths.data, cache=paths.cache, state=paths.state, output=tmp_path
    )
    run = made_run(elsewhere, FULL)
    (listed,) = list_earlier_runs(elsewhere)
    assert str(run.folder / "artifacts" / "int4") in delete_question(listed, elsewhere)


def test_a_deleted_run_comes_back_until_it_is_swept(paths: Paths) -> None:
    run = made_run(paths, FULL)
    deleted = delete_run(run, paths)
    assert list_earlier_runs(paths) == [] and deleted.parent.name == DELETED
    sweep_deleted(paths)
    assert put_back(deleted, paths) == run and (run.folder / "artifacts/int4/model.onnx").exists()
    deleted = delete_run(run, paths)
    sweep_deleted(paths, now=4e9)
    assert not deleted.exists() and not deleted.parent.exists()


def test_only_runs_in_the_folder_of_runs_that_nobody_works_on_are_deleted(
    paths: Paths, tmp_path: Path
) -> None:
    run = made_run(paths, FULL)
    lock = try_lock(run.folder / LOCK)
    assert lock is not None
    with pytest.raises(InputRefused, match="A wizard works on"):
        delete_run(run, paths)
    assert "Another wizard" in RunsList(workspace(paths)).hindrance(only(paths))
    lock.release()
    elsewhere = tmp_path / "elsewhere"
    run.folder.rename(elsewhere)
    with pytest.raises(InputRefused, match="lies elsewhere"):
        delete_run(Run(elsewhere), paths)
    (paths.runs / "linked").symlink_to(elsewhere)
    with pytest.raises(InputRefused, match="lies elsewhere"):
        delete_run(Run(paths.runs / "linked"), paths)
    assert (elsewhere / "artifacts/int4/model.onnx").exists()


def test_the_list_deletes_undoes_and_opens(paths: Paths) -> None:
    run = made_run(paths, FULL)

    async def walk() -> None:
        state = workspace(paths)
        runs = RunsList(state)
        await runs.read()
        assert runs.find(run.id) is not None and runs.find("x") is None
        await runs.delete(runs.runs[0])
        assert runs.runs == []
        assert await runs.undo() == run
        assert await runs.undo() is None and len(runs.runs) == 1
        await runs.delete(runs.runs[0])
        await runs.close()
        assert not (paths.runs / DELETED).exists() and list_earlier_runs(paths) == []
        made_run(paths, FULL)
        await runs.read()
        assert runs.hindrance(runs.runs[0]) == ""
        assert await runs.open(runs.runs[0], RunMemory(state)) == []
        assert state.session == FULL
        assert state.navigation.steps[state.navigation.position].STEP_ID == "summary"
        await runs.read()
        assert runs.runs == []  # The one that is open is not listed.
        state.ledger.release()

    asyncio.run(walk())
