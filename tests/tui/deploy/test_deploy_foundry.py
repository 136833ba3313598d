"""Foundry Local's own tools on the deploy step: the doctor, the foundry command, its cache, and services that stay."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, OptionList, RadioButton, RichLog

from firstlight_core.errors import StateProblem, UsageError
from firstlight_core.foundry.background import BackgroundService
from firstlight_core.foundry.cli import run_foundry
from firstlight_core.foundry.cli_cache import (
    find_cache,
    move_cache,
    put_cache_back,
    read_change,
)
from firstlight_core.foundry.health import Health
from firstlight_core.foundry.visibility import examine, offer_commands
from firstlight_core.paths import find_paths
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen, DetailScreen
from firstlight_tui.state.service import SERVE
from firstlight_tui.steps.deploy import foundry_cli_screen
from firstlight_tui.steps.deploy.foundry_cli_screen import CliScreen
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.widgets import Words
from tests.support.fake_foundry import environment, fake_foundry
from tests.support.fake_service import FakeFoundry
from tests.support.pilot import SIZES, Build, click_soon, set_age, settle, until
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services
from tests.tui.deploy.test_deploy_step import primary, words

OPEN = FULL.decide(deployment=None)


def with_cli(called: Called, environ: dict[str, str]) -> Services:
    """The real functions, with this environment's `foundry` command."""
    return fake_services(
        called,
        offer_commands=partial(offer_commands, environ=environ),
        run_foundry=partial(run_foundry, environ=environ),
        move_cache=partial(move_cache, environ=environ),
        put_cache_back=partial(put_cache_back, environ=environ),
    )


def output(app: WizardApp) -> str:
    return "\n".join(strip.text for strip in app.screen.query_one(RichLog).lines)


async def open_cli(app: WizardApp, pilot: Pilot[Any]) -> OptionList:
    await pilot.press("f4")
    await until(pilot, lambda: isinstance(app.screen, CliScreen))
    await settle(pilot)
    return app.screen.query_one(OptionList)


def mark(listed: OptionList, start: str) -> None:
    rows = [str(listed.get_option_at_index(i).prompt) for i in range(listed.option_count)]
    listed.highlighted = next(i for i, row in enumerate(rows) if row.startswith(start))


# The cache --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_cache_is_chosen_and_means_something_only_where_it_does(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        # Every target and every action fits.
        for selector in ("#target-vllm", "#cache-foundry", "#serve-stays", "#deploy-cli"):
            region = app.screen.query_one(selector).region
            assert region.width > 3 and region.right <= size[0], selector
        assert "Firstlight" in words(app, "#cache-words")
        await pilot.click("#cache-foundry")
        await settle(pilot)
        assert "foundry command" in words(app, "#cache-words")
        await pilot.click("#target-bundle")
        await settle(pilot)
        assert not app.screen.query_one("#caches").display
        await pilot.click("#target-folder")
        await settle(pilot)
        await pilot.press("ctrl+n")
        await settle(pilot)
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert app.screen.query_one("#cache-foundry", RadioButton).value
        await pilot.click("#primary")
        await settle(pilot)
    request = next(options for name, _, options in called.calls if name == "deploy")
    assert (request["target"], request["cache"]) == ("folder", "foundry")


@pytest.mark.slow
async def test_another_cache_is_another_deployment(wizard: Build) -> None:
    app = wizard(session=FULL, first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert primary(app) == "Next: Chat"
        app.workspace.session = FULL.decide(
            deployment={**(FULL.deployment or {}), "cache": "private"}
        )
        await pilot.click("#cache-foundry")
        await settle(pilot)
        assert primary(app) == "Deploy"


# The doctor -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("key", ["d", "mouse"])
async def test_the_doctor_names_every_reason(
    wizard: Build, called: Called, tmp_path: Path, key: str
) -> None:
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=tmp_path))
    custom = find_paths().models / "custom"
    for name, text in (("good", '{"Name": "good"}'), ("bad", '{"Name": "\\u001b]52;c;A\\u0007"')):
        (custom / name).mkdir(parents=True)
        (custom / name / "genai_config.json").write_text("{}")
        (custom / name / "inference_model.json").write_text(text)
    services = fake_services(called, examine=partial(examine, environ=environ))
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        if key == "mouse":
            await pilot.click("#deploy-doctor")
        else:
            await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await settle(pilot)
        text = str(app.screen.query_one(Words).visual)
        assert "good:0" in text and "is not valid JSON" in text and "\x1b" not in text
        assert "foundry CLI up to 0.8 (cores up to 2.0)" in text and "on this machine" in text
        await pilot.press("escape")


@pytest.mark.slow
async def test_a_doctor_that_fails_is_a_sentence(wizard: Build, called: Called) -> None:
    async def refuse(*arguments: Any, **options: Any) -> Any:
        raise StateProblem("The folder cannot be read.", hint="Look at it.")

    services = fake_services(called, examine=refuse)
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert "cannot be read" in words(app, "#problem-words")


# The foundry command ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.8", "0.10", "0.12"])
async def test_a_command_is_run_and_its_output_shown(
    wizard: Build, called: Called, tmp_path: Path, version: str
) -> None:
    environ = environment(fake_foundry(tmp_path / "bin", version, cache=tmp_path / "cache"))
    app = wizard(session=OPEN, first=DeployStep, services=with_cli(called, environ))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        listed = await open_cli(app, pilot)
        assert f"version {version}" in words(app, "#cli-words")
        assert str(tmp_path / "cache")[:20] in words(app, "#cli-words").replace("\n", "")
        mark(listed, "foundry cache ls" if version == "0.8" else "foundry cache list")
        await pilot.press("enter")
        await until(pilot, lambda: "Done in" in output(app))
        assert "Models cached on device" in output(app)
        # A conversation wants a terminal of its own: it is copied, never run.
        mark(listed, "foundry model run" if version == "0.8" else "foundry run")
        await pilot.press("enter")
        await until(pilot, lambda: "copied" in output(app))
        assert app.clipboard.endswith("run sample-int4")
        await pilot.press("escape")
        await until(pilot, lambda: type(app.screen) is DeployStep)


@pytest.mark.slow
async def test_without_the_command_its_lines_can_be_copied(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    services = with_cli(called, {"PATH": str(tmp_path)})
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await open_cli(app, pilot)
        assert "none on this machine" in words(app, "#cli-words")
        await pilot.press("c")
        assert app.clipboard.startswith("foundry cache cd ")
        await pilot.press("down", "enter")
        await until(pilot, lambda: "no such command here" in output(app))


@pytest.mark.slow
async def test_a_command_that_hangs_is_stopped_by_escape(
    wizard: Build, called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first second takes no Esc, lest the key that began the command is pressed too long.
    monkeypatch.setattr(foundry_cli_screen, "DEAF_SECONDS", 0.0)
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=tmp_path))
    services = with_cli(called, environ)

    async def hang(arguments: Any, **options: Any) -> Any:
        return await run_foundry(("cache", "hang"), environ=environ, **options)

    services = services.replaced(run_foundry=hang)
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        mark(await open_cli(app, pilot), "foundry cache ls")
        await pilot.press("enter")
        await until(pilot, lambda: "waiting" in output(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped" in output(app))
        assert isinstance(app.screen, CliScreen)


@pytest.mark.slow
async def test_the_cache_is_moved_after_a_question_and_put_back_after_a_restart(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=mine))
    services = with_cli(called, environ)
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert not app.screen.query_one("#moved").display
        mark(await open_cli(app, pilot), "foundry cache cd")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await settle(pilot)
        text = str(app.screen.query_one(Words).visual).replace("\n", "")
        assert "cache of every model" in text and str(mine)[-20:] in text
        await pilot.press("escape")
        await pilot.pause()
        assert await find_cache(environ) == mine
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await settle(pilot)
        await pilot.click("#yes")
        await until(pilot, lambda: "Done in" in output(app))
        assert await find_cache(environ) == find_paths().models
        await settle(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "F5 puts it back" in words(app, "#moved"))
    app = wizard(session=OPEN, first=DeployStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one("#moved").display
        await pilot.press("f5")
        await until(pilot, lambda: not app.screen.query_one("#moved").display)
        assert await find_cache(environ) == mine and read_change() is None
        await pilot.press("f5")
        await settle(pilot)
        assert "has not moved" in words(app, "#problem-words")


# Services ---------------------------------------------------------------------------------------------


@dataclass
class Staying:
    """Services that outlive the wizard."""

    running: list[BackgroundService] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    async def start(self, target: str, *, port: int = 0, **options: Any) -> BackgroundService:
        if port == 80:
            raise UsageError("Port 80 is kept for the system's own services.", hint="Another one.")
        self.ports.append(port)
        service = BackgroundService(
            pid=4711,
            born=1.0,
            target=target,
            base_url=f"http://127.0.0.1:{port or 5999}/catalogs/local/v1",
            model="sample-int4:1",
        )
        self.running = [service]
        return service

    def stop(self, service: BackgroundService) -> None:
        self.running.remove(service)

    async def probe(self, base_url: str) -> Health:
        return Health(ok=True, models=("sample-int4:1",), seconds=0.003)

    def services(self, called: Called) -> Services:
        return fake_services(
            called,
            start_background=self.start,
            list_background=lambda: list(self.running),
            stop_background=self.stop,
            probe_service=self.probe,
        )


@pytest.mark.slow
async def test_a_service_that_outlives_the_wizard_is_found_by_the_next_one(
    wizard: Build, called: Called
) -> None:
    staying = Staying()
    app = wizard(session=FULL, first=DeployStep, services=staying.services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("#serve-stays")
        await pilot.pause()
        assert app.screen.query_one("#serve-stays", Checkbox).value
        await pilot.press("f7")
        await until(pilot, lambda: "/models answers" in words(app, "#service"))
        assert "firstlight serve --stop sample-int4:1" in words(app, "#service").replace("\n", " ")
        # It is no work of the wizard's: nothing is asked on leaving.
        await settle(pilot)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)
    assert len(staying.running) == 1
    app = wizard(session=FULL, first=DeployStep, services=staying.services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "5999" in words(app, "#service"))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: staying.ports == [0, 5999])
        await until(pilot, lambda: "5999" in words(app, "#service"))
        await pilot.press("f6")
        await settle(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert app.clipboard.startswith("curl http://127.0.0.1:5999/")
        await pilot.press("f7")
        await until(pilot, lambda: not staying.running)
        await until(pilot, lambda: not app.screen.query_one("#service").display)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_port_is_chosen_kept_and_taken_again_on_restart(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    foundry, ports = FakeFoundry(), []

    def open_service(target: str, *, port: int = 0, **options: Any) -> Any:
        ports.append(port)
        return foundry.open_service(target, **options)

    services = fake_services(called, open_service=open_service, probe_service=foundry.probe)
    app = wizard(session=FULL, first=DeployStep, services=services)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        field = app.screen.query_one("#serve-port", Input)
        field.focus()
        await pilot.press(*"5x27y3")
        assert field.value == "5273"
        await pilot.press("f7")
        await until(pilot, lambda: "5273" in words(app, "#service"))
        await click_soon(pilot, "#serve-restart")
        await until(pilot, lambda: len(ports) == 2 and app.workspace.service.served is not None)
        assert ports == [5273, 5273] and foundry.closed == 1
        await pilot.press("ctrl+n")
        await settle_but_serving(app, pilot)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: type(app.screen) is DeployStep)
        assert app.screen.query_one("#serve-port", Input).value == "5273"
        set_age(app, SERVE, 0)
        await pilot.press("f7")
        await pilot.pause()
        assert foundry.closed == 1, "a key of its first second was meant for what was there before"
        set_age(app, SERVE, 5)
        await pilot.press("f7")
        await until(pilot, lambda: foundry.closed == 2)


async def settle_but_serving(app: WizardApp, pilot: Pilot[Any]) -> None:
    async with asyncio.timeout(60):
        while type(app.screen) is DeployStep:
            await pilot.pause(0.02)


@pytest.mark.slow
async def test_a_port_that_cannot_be_used_is_a_sentence(wizard: Build, called: Called) -> None:
    staying = Staying()
    app = wizard(session=FULL, first=DeployStep, services=staying.services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.query_one("#serve-port", Input).value = "80"
        app.screen.query_one("#serve-stays", Checkbox).value = True
        await pilot.pause()
        await pilot.press("f7")
        await settle(pilot)
        assert "Port 80 is kept" in words(app, "#problem-words")
        assert not staying.running
