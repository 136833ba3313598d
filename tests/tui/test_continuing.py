"""A wizard that was killed goes on where it stopped: no finished step is done again."""

import asyncio
import signal
import sys
import time
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
    async with asyncio.timeout(60):
        while not (isinstance(app.screen, ContinueScreen) and app.screen.is_mounted):
            await pilot.pause(0.02)
    # Its first second is over: before, Escape was meant for what was on the screen.
    app.screen.appeared = time.monotonic() + 60.0
    await pilot.press("escape")
    assert isinstance(app.screen, ContinueScreen)
    app.screen.appeared -= 62.0


def holding(called: Called) -> Any:
    """Services whose files are all still there."""
    return fake_services(called).replaced(what_still_holds=lambda session: (session, []))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
async def test_a_wizard_that_lives_keeps_its_run(wizard: Build, called: Called) -> None:
    app = wizard(remember=True, services=holding(called))
    async with app.run_test() as pilot:
        await settle(pilot)
        await walk_to(app, "convert")
        await settle(pilot)
        assert find_unfinished() is None
    unfinished = find_unfinished()
    assert unfinished is not None
    assert find_unfinished(now=unfinished.at + MOST_DAYS * 86_400 + 60) is None
    words = question_of(unfinished, now=unfinished.at + 300)
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
from pathlib import Path
from typing import Any
from firstlight_core.artifact.staging import open_staging
from firstlight_tui.app import WizardApp
from tests.support import documents
from tests.support.pilot import settle
from tests.support.wizard_services import Called, fake_services
from tests.tui.test_continuing import walk_to

step, service = sys.argv[1:]
kept = []

def die(*arguments, **options):
    if service == "convert":
        # Kept, or it would be tidied away at once.
        kept.append(open_staging(Path(arguments[1])))
        kept[0].__enter__()
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    services = fake_services(Called(), **({service: die} if service else {}))
    services = services.replaced(what_still_holds=lambda session: (session, []))
    app = WizardApp(services=services, sample_every=3600, remember=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await walk_to(app, step)
        while getattr(app.screen, "STEP_ID", "") != step or not app.screen.complete:
            await pilot.pause(0.02)
        app.workspace.ledger.flush()
        if not service:
            os.kill(os.getpid(), signal.SIGKILL)
        await pilot.press("enter")
        await pilot.pause(60)

asyncio.run(main())
"""
KILLED_IN = {
    "precision": "",
    "convert": "convert",
    "template": "check_template",
    "deploy": "deploy",
    "chat": "open_target",
    "benchmark": "benchmark",
    "quality": "check_quality",
    "summary": "write_report",
}
"""Step → the service in the midst of which the wizard is killed; empty where the step only asks."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("step", list(KILLED_IN))
async def test_kill_9_at_each_step_and_resume(wizard: Build, called: Called, step: str) -> None:
    assert list(KILLED_IN) == IDS[2:], "a new step is killed too"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, step, KILLED_IN[step], cwd=Path(__file__).parents[2]
    )
    async with asyncio.timeout(120):
        assert await process.wait() == -signal.SIGKILL
    (run,) = list_runs()
    staged = list(run.folder.glob("artifacts/.firstlight-*-????????"))
    assert len(staged) == (step == "convert")
    app = wizard(remember=True, services=holding(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await offered(app, pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, StepScreen) and step == app.screen.STEP_ID
        again = {name for name in WORKED if name in called.names()}
        assert not again, "nothing that was finished is done again, and nothing begins by itself"
        assert app.workspace.session == app.workspace.session.decide(
            **{
                name: getattr(until(step), name)
                for name in ("source", "precisions", "artifact", "artifacts", "deployment")
                # Precision marks its advice when it opens.
                if name != step + "s"
            }
        )
        # The step that was killed is done now, as if it had not been.
        if step in ("convert", "deploy", "benchmark", "quality"):
            await pilot.press("enter")
            await settle(pilot)
            assert [name for name in WORKED if name in called.names()] == [KILLED_IN[step]]
            assert app.screen.done(app.workspace.session)
        # What the killed one had begun is swept once the wizard rests.
        async with asyncio.timeout(60):
            while list(run.folder.glob("artifacts/.firstlight-*-????????")):
                await pilot.pause(0.1)
