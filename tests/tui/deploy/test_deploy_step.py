"""The deploy step by keys and by mouse: names, targets, answers, undo, and the local service."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button, Input, RadioButton

from firstlight_core.artifact.manifest import MANIFEST_SCHEMA
from firstlight_core.deploy.deployment import Deployment
from firstlight_core.errors import StateProblem, ToolchainMissing
from firstlight_core.foundry.health import Health
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.preset import PresetScreen
from firstlight_tui.state.service import SERVE
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.widgets import Words
from tests.support import documents
from tests.support.fake_service import FakeFoundry
from tests.support.pilot import (
    SIZES,
    Build,
    age,
    click_soon,
    opened,
    set_age,
    settle,
    until,
)
from tests.support.wizard_documents import DEPLOYMENT, FULL
from tests.support.wizard_services import Called, fake_services

OPEN = FULL.decide(deployment=None)
TAKEN = Deployment(name="Old-One", path=Path("/x"), target="foundry", id="Old-One:1")


def words(app: WizardApp, selector: str) -> str:
    """What stands there; nothing as long as nothing does."""
    return "\n".join(str(widget.visual) for widget in app.screen.query(selector).results(Words))


def primary(app: WizardApp) -> str:
    return str(app.screen.query_one("#primary", Button).label)


def rename(app: WizardApp, name: str) -> None:
    app.screen.query_one("#deploy-name", Input).value = name


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_deployed_both_answers_side_by_side_and_undone(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert "free" in words(app, "#name-words") and primary(app) == "Deploy"
        await pilot.press("enter")
        await settle(pilot)
        assert app.workspace.session.deployment is not None
        assert "Verified" in words(app, "#verdict")
        for key in ("foundry", "own"):
            answer = app.screen.query_one(f"#answer-{key}", Words)
            assert str(answer.visual) == DEPLOYMENT["answer"] and answer.region.width > 20
        # The same answer must not look different because it is wrapped elsewhere.
        panes = [app.screen.query_one(f"#answer-{key}").region.width for key in ("foundry", "own")]
        assert panes[0] == panes[1]
        assert "firstlight chat sample-int4" in words(app, "#commands")
        await pilot.press("c")
        assert app.clipboard == "firstlight chat sample-int4"
        assert primary(app) == "Next: Chat"
        await pilot.press("pagedown", "f8")
        await settle(pilot)
        assert app.workspace.session.deployment is None
        assert "Undone" in words(app, "#verdict") and primary(app) == "Deploy"
    assert [name for name in called.names() if name in ("deploy", "undo")] == ["deploy", "undo"]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_by_mouse_alone_with_another_target(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.click("#target-folder")
        await settle(pilot)
        assert "nothing asked" in words(app, "#target-words")
        await pilot.click("#primary")
        await settle(pilot)
        request = next(options for name, _, options in called.calls if name == "deploy")
        assert request["target"] == "folder" and not request["replace"]
        await pilot.click("#deploy-undo")
        await settle(pilot)
        assert app.workspace.session.deployment is None
        await pilot.click("#deploy-skip")
        await settle(pilot)
        assert type(app.screen) is not DeployStep


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a/b", "cannot be the name"),
        ("", "cannot be the name"),
        ("x-cuda-gpu", "demand that hardware"),
        ("con", "not a folder name on every system"),
        ("\x1b]52;c;AA\x07", "cannot be the name"),
    ],
)
async def test_a_bad_name_is_said_while_it_is_typed(
    wizard: Build, called: Called, name: str, fault: str
) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rename(app, name)
        await pilot.pause()
        assert fault in words(app, "#name-words")
        assert "\x1b" not in words(app, "#name-words")
        await pilot.click("#primary")
        await settle(pilot)
        assert app.focused is app.screen.query_one("#deploy-name")
    assert "deploy" not in called.names()


@pytest.mark.slow
async def test_a_taken_name_is_replaced_only_after_a_yes(wizard: Build, called: Called) -> None:
    services = fake_services(called, list_deployments=lambda: [TAKEN])
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rename(app, "old-one")
        await pilot.pause()
        assert "taken" in words(app, "#name-words") and primary(app) == "Replace"
        await pilot.click("#primary")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert "deploy" not in called.names()
        await pilot.click("#primary")
        await pilot.pause()
        await pilot.click("#yes")
        await settle(pilot)
    request = next(options for name, _, options in called.calls if name == "deploy")
    assert request["replace"] is True


@pytest.mark.slow
async def test_what_was_published_by_force_is_deployed_only_after_a_yes(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    manifest = {"schema": MANIFEST_SCHEMA, "files": {}, "forced": "It computes something else."}
    (tmp_path / "firstlight.json").write_text(json.dumps(manifest))
    session = OPEN.decide(artifact=str(tmp_path))
    app = wizard(session=session, first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rename(app, "mine")
        await pilot.pause()
        await pilot.click("#primary")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert "deploy" not in called.names()
        await pilot.click("#primary")
        await pilot.pause()
        await pilot.click("#yes")
        await settle(pilot)
    request = next(options for name, _, options in called.calls if name == "deploy")
    assert request["force"] is True


@pytest.mark.slow
async def test_an_export_has_a_name_of_its_own_and_is_not_what_is_served(
    wizard: Build, called: Called
) -> None:
    foundry = FakeFoundry()
    services = fake_services(
        called,
        list_deployments=lambda: [TAKEN],
        open_service=foundry.open_service,
        probe_service=foundry.probe,
    )
    bundled = documents.exported("old-one", "bundle", path="/x.zip")
    app = wizard(session=FULL.decide(deployment=bundled), first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rename(app, "OLD-one")
        await pilot.pause()
        assert "free" in words(app, "#name-words") and primary(app) == "Deploy"
        await pilot.click("#target-foundry")
        await settle(pilot)
        assert primary(app) == "Replace"
        await pilot.press("f7")
        await until(pilot, lambda: foundry.opened == ["/models/out/int4"])
        set_age(app, SERVE, 5)
        await pilot.press("f7")
        await until(pilot, lambda: foundry.closed == 1)


@pytest.mark.slow
async def test_the_choice_survives_a_walk(wizard: Build) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rename(app, "mine")
        await pilot.click("#target-folder")
        await settle(pilot)
        await pilot.press("ctrl+n")
        await settle(pilot)
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert app.screen.query_one("#deploy-name", Input).value == "mine"
        assert app.screen.query_one("#target-folder", RadioButton).value


@pytest.mark.slow
async def test_a_name_that_the_template_got_later_is_suggested(wizard: Build) -> None:
    app = wizard(session=OPEN.decide(template=None), first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one("#deploy-name", Input).value == "int4"
        app.workspace.session = app.workspace.session.decide(template=FULL.template)
        await pilot.press("ctrl+o")
        await settle(pilot)
        await pilot.press("ctrl+n")
        await settle(pilot)
        assert app.screen.query_one("#deploy-name", Input).value == "sample-int4"


@pytest.mark.slow
async def test_answers_that_differ_are_not_called_verified(wizard: Build, called: Called) -> None:
    other = {**DEPLOYMENT, "verified": False, "ok": False, "answer": "INT8 \x1b[31m[b]x[/b]"}

    async def deploy(*arguments: Any, **options: Any) -> Any:
        return other

    app = wizard(session=OPEN, first=DeployStep, services=fake_services(called, deploy=deploy))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "the answers differ" in words(app, "#verdict")
        text_on_screen = words(app, "#answer-foundry")
        assert "\x1b" not in text_on_screen and "[b]" in text_on_screen
        assert not DeployStep.done(app.workspace.session)


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        ToolchainMissing("foundry-local-sdk is not installed.", hint="pip install it."),
        StateProblem("Foundry Local cannot write its folder: it is read-only.", hint="Move it."),
    ],
)
async def test_a_failure_is_a_sentence_and_the_choice_stays(
    wizard: Build, called: Called, error: Exception
) -> None:
    async def deploy(*arguments: Any, **options: Any) -> Any:
        raise error

    app = wizard(session=OPEN, first=DeployStep, services=fake_services(called, deploy=deploy))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rename(app, "mine")
        await pilot.pause()
        await pilot.click("#primary")
        await settle(pilot)
        assert str(error) in words(app, "#problem-words")
        assert app.workspace.session.deployment is None and primary(app) == "Deploy"
        assert app.screen.query_one("#deploy-name", Input).value == "mine"


@pytest.mark.slow
async def test_a_running_deployment_can_be_cancelled(wizard: Build, called: Called) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def deploy(*arguments: Any, **options: Any) -> Any:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = wizard(session=OPEN, first=DeployStep, services=fake_services(called, deploy=deploy))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await until(pilot, began.is_set)
        await pilot.pause()
        age(app, "deploy", 5)
        await pilot.click("#primary")
        await until(pilot, ended.is_set)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_service_is_served_watched_copied_and_stopped(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    foundry = FakeFoundry()
    services = fake_services(called, open_service=foundry.open_service, probe_service=foundry.probe)
    app = wizard(session=FULL, first=DeployStep, services=services)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.click("#deploy-serve")
        await until(pilot, lambda: "5273" in words(app, "#service"))
        assert "/models answers" in words(app, "#service")
        assert foundry.opened == ["sample-int4"]
        # It belongs to the app: a walk does not end it.
        await pilot.press("ctrl+o")
        await pilot.pause()
        await pilot.press("ctrl+n")
        await until(pilot, lambda: type(app.screen) is DeployStep)
        assert "5273" in words(app, "#service") and foundry.closed == 0
        await pilot.press("f6")
        await pilot.pause()
        assert isinstance(app.screen, PresetScreen)
        await pilot.press("enter")
        await pilot.pause()
        assert app.clipboard.startswith("curl http://127.0.0.1:5273/catalogs/local/v1/")
        set_age(app, SERVE, 5)
        await pilot.press("f7")
        await until(pilot, lambda: foundry.closed == 1)
        await until(pilot, lambda: "stopped" in words(app, "#service"))
        await pilot.press("f7")
        await until(pilot, lambda: len(foundry.opened) == 2)


@pytest.mark.slow
async def test_a_service_of_the_version_before_says_so(wizard: Build, called: Called) -> None:
    foundry = FakeFoundry()
    services = fake_services(called, open_service=foundry.open_service, probe_service=foundry.probe)
    newer = {**DEPLOYMENT, "id": "sample-int4:2"}
    app = wizard(session=FULL.decide(deployment=newer), first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "Ctrl+R takes sample-int4:2" in words(app, "#service"))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: foundry.opened == ["sample-int4", "sample-int4"])
        set_age(app, SERVE, 5)
        await pilot.press("f7")
        await until(pilot, lambda: foundry.closed == 2)


@pytest.mark.slow
async def test_a_sick_service_and_a_dead_one_are_told_apart(wizard: Build, called: Called) -> None:
    foundry = FakeFoundry(health=Health(ok=False, sentence="It does not answer: refused."))

    async def probe(base_url: str) -> Health:
        foundry.probes += 1
        return foundry.health

    app = wizard(
        session=FULL,
        first=DeployStep,
        services=fake_services(called, open_service=foundry.open_service, probe_service=probe),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "does not answer" in words(app, "#service"))
        foundry.job.alive = False
        await until(pilot, lambda: app.workspace.works["serve"].status == "failed")
        await until(pilot, lambda: "ended by itself" in words(app, "#problem-words"))
        assert foundry.closed == 1 and app.workspace.service.served is None


@pytest.mark.slow
async def test_a_service_that_does_not_start_is_a_sentence(wizard: Build, called: Called) -> None:
    @asynccontextmanager
    async def refuse(target: str, **options: Any) -> AsyncIterator[Any]:
        raise ToolchainMissing("foundry-local-sdk is not installed.", hint="pip install it.")
        yield

    services = fake_services(called, open_service=refuse)
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f7")
        await settle(pilot)
        assert "not installed" in words(app, "#problem-words")


@pytest.mark.slow
async def test_quitting_while_it_serves_asks(wizard: Build, called: Called) -> None:
    foundry = FakeFoundry()
    app = wizard(
        session=FULL,
        first=DeployStep,
        services=fake_services(
            called, open_service=foundry.open_service, probe_service=foundry.probe
        ),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: app.workspace.service.served is not None)
        await pilot.press("ctrl+q")
        await opened(pilot, ConfirmScreen)
        await click_soon(pilot, "#yes")
        await until(pilot, lambda: not app.is_running)
    assert foundry.closed == 1
