"""A wizard that was killed goes on where it stopped: no finished step is done again."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from firstlight_core.documents.conversion import FailedPrecision
from firstlight_core.ledger import ANSWERS, OVER, Run, list_runs
from firstlight_core.session import Session
from firstlight_core.workflow.resume import (
    MOST_DAYS,
    find_unfinished,
    read_answers,
    what_still_holds,
)
from firstlight_tui.app import WizardApp
from firstlight_tui.modals.continue_run import ContinueScreen, question_of
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from tests.support import documents
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services

STEPS = list_screens()

IDS = [step.STEP_ID for step in STEPS]
WORKED = (
    "inspect",
    "convert",
    "convert_many",
    "settle_template",
    "deploy",
    "benchmark",
    "check_quality",
)
"""Services that do a step's work."""


def until(step: str) -> Session:
    """Return the session of a walk that has answered every step before this one."""
    names = {
        "environment": ("environment",),
        "model": ("source", "model"),
        "precision": ("precisions",),
        "convert": ("artifacts", "artifact"),
        "template": ("template",),
        "deploy": ("deployment",),
        "chat": ("chat",),
        "benchmark": ("benchmark",),
        "quality": ("quality",),
    }
    session = Session()
    for id in IDS[: IDS.index(step)]:
        session = session.decide(**{name: FULL.answer(name) for name in names[id]})
    return session


async def walk_to(app: WizardApp, step: str) -> None:
    """Answer the steps before this one, as their work does, and open it."""
    workspace = app.workspace
    final = until(step)
    for name in (
        "environment",
        "source",
        "model",
        "precisions",
        "artifacts",
        "artifact",
        "template",
    ):
        if final.answer(name):
            if name in ("source", "artifacts"):
                continue
            if name == "model":
                workspace.session = workspace.session.decide(source=final.source).decide(
                    model=final.model
                )
            elif name == "artifact":
                workspace.session = workspace.session.decide(
                    artifacts=final.artifacts, artifact=final.artifact
                )
            else:
                workspace.session = workspace.session.decide(**{name: final.answer(name)})
    for name in ("deployment", "chat", "benchmark", "quality"):
        if final.answer(name) is not None:
            workspace.session = workspace.session.decide(**{name: final.answer(name)})
    workspace.navigation.open(STEPS[IDS.index(step)])
    workspace.ledger.flush()


async def offered(app: WizardApp, pilot: Pilot[Any]) -> None:
    """Wait until the question is on the screen: it comes after the first paint, from a thread."""
    async with asyncio.timeout(30):
        while not isinstance(app.screen, ContinueScreen):
            await pilot.pause(0.02)


def holding(called: Called) -> Any:
    """Services whose files are all still there."""
    return fake_services(called).replaced(what_still_holds=lambda session: (session, []))


@pytest.mark.parametrize("step", IDS[2:])
async def test_no_finished_step_is_done_again(wizard: Build, called: Called, step: str) -> None:
    killed = wizard(remember=True, services=holding(Called()))
    async with killed.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await walk_to(killed, step)
        await settle(pilot)
        before = killed.workspace.session
        folder = killed.workspace.run_folder()
    # It was ended without a word: no entry says that the run is over.
    assert all(entry.step != OVER for entry in Run(folder).entries())
    app = wizard(remember=True, services=holding(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await offered(app, pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, StepScreen) and step == app.screen.STEP_ID
        session = app.workspace.session
        for name in (
            "environment",
            "model",
            "precisions",
            "artifacts",
            "artifact",
            "deployment",
            "benchmark",
            "quality",
        ):
            if until(step).answer(name):
                assert session.answer(name) == before.answer(name), name
        assert app.workspace.run_folder() == folder
        done = {row for row in WORKED if row in called.names()}
        # Summary writes its report, Template looks whether its fields still fit; nothing that was finished runs.
        assert not done, done
    assert len(list_runs()) == 1


async def test_escape_starts_anew_and_is_not_asked_again(wizard: Build, called: Called) -> None:
    for again in (False, True):
        app = wizard(remember=True, services=holding(called))
        async with app.run_test() as pilot:
            await settle(pilot)
            assert not isinstance(app.screen, ContinueScreen)
            if not again:
                await walk_to(app, "quality")
                failure: FailedPrecision = {
                    "kind": "failure",
                    "precision": "int8",
                    "error": documents.failure("No room."),
                }
                app.workspace.record("convert", "failed", failure)
                await settle(pilot)
        if again:
            break
        app = wizard(remember=True, services=holding(called))
        async with app.run_test() as pilot:
            await offered(app, pilot)
            await pilot.press("escape")
            await settle(pilot)
            assert app.workspace.session.source is None
    (run,) = list_runs()
    assert [e.values["how"] for e in run.entries() if e.step == OVER] == ["declined"]


async def test_a_declined_run_in_which_nothing_was_made_goes(wizard: Build, called: Called) -> None:
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await settle(pilot)
        await walk_to(app, "precision")
        await settle(pilot)
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await offered(app, pilot)
        await pilot.press("escape")
        await settle(pilot)
    assert list_runs() == []


async def test_finish_ends_the_run(wizard: Build, called: Called) -> None:
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await settle(pilot)
        await walk_to(app, "summary")
        await settle(pilot)
        await app.action_quit()
        await pilot.pause()
    (run,) = list_runs()
    assert [e.values["how"] for e in run.entries() if e.step == OVER] == ["finished"]
    assert find_unfinished() is None


async def test_another_model_before_anything_was_made_leaves_one_run(
    wizard: Build, called: Called
) -> None:
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await settle(pilot)
        await walk_to(app, "precision")
        await settle(pilot)
        first = app.workspace.run_folder()
        app.workspace.session = Session(source="/models/other").decide(model=FULL.model)
        app.workspace.ledger.flush()
        assert not first.exists()
        unfinished = find_unfinished()
        assert unfinished is None, "a living wizard holds it"
        await settle(pilot)
    unfinished = find_unfinished()
    assert unfinished is not None and unfinished.name == "other"


async def test_a_wizard_that_lives_keeps_its_run(wizard: Build, called: Called) -> None:
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await settle(pilot)
        await walk_to(app, "convert")
        await settle(pilot)
        assert find_unfinished() is None
    found = find_unfinished()
    assert found is not None
    assert find_unfinished(now=found.at + MOST_DAYS * 86_400 + 60) is None
    words = question_of(found, now=found.at + 300)
    assert words.startswith("Continue ") and words.endswith("stopped at Convert, 5 min ago?")


def test_what_is_gone_is_said_and_done_again(tmp_path: Path) -> None:
    session, losses = what_still_holds(FULL)
    assert session == Session(environment=FULL.environment, source=FULL.source)
    assert losses == ["The model has changed since: it is inspected again."]
    adopted = Session(artifact=str(tmp_path / "gone"))
    assert what_still_holds(adopted) == (Session(), ["The artifact is gone."])


def test_a_conversion_whose_answers_were_not_written_yet_counts(tmp_path: Path) -> None:
    run = Run.create("model", runs=tmp_path)
    chosen = until("convert").to_json()
    run.record(ANSWERS, "done", values={"at_step": "convert", "answers": chosen})
    run.record("convert", "done", values=FULL.artifacts[0])
    session, step = read_answers(list(run.entries()))
    assert step == "convert" and session.artifacts == FULL.artifacts[:1]
    assert session.artifact == FULL.artifacts[0]["artifact"]


KILLED = """
import asyncio, os, signal, sys
from firstlight_tui.app import WizardApp
from tests.support import documents
from tests.support.pilot import settle
from tests.support.wizard_services import Called
from tests.tui.test_continuing import holding, walk_to

async def main():
    app = WizardApp(services=holding(Called()), sample_every=3600, remember=True)
    async with app.run_test() as pilot:
        await settle(pilot)
        await walk_to(app, sys.argv[1])
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("step", ["precision", "quality"])
async def test_a_killed_process_leaves_a_run_to_continue(
    wizard: Build, called: Called, step: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, step, cwd=Path(__file__).parents[2]
    )
    assert await process.wait() == -signal.SIGKILL
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await offered(app, pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, StepScreen) and step == app.screen.STEP_ID
        assert not {name for name in WORKED if name in called.names()}
