"""One table over all steps: no stray key ends work, whichever step it belongs to."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot

from firstlight_core.process.events import Stage
from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.modals.cancel_work import CancelQuestion
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.state.work import Work
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.environment.install import Installation
from tests.support.pilot import Build, age, click_soon, painted, set_age, settle, until
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services

STEP = {step.STEP_ID: step for step in list_screens()}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A step whose work is running."""

    step: str
    service: str
    """The service that does the work."""
    open_again: dict[str, Any] = field(default_factory=dict)
    """What of the session is not answered yet."""
    keys: tuple[str, ...] = ("enter",)
    """What begins the work."""
    work: str = ""
    """Name of the work, where it is not the step's own."""
    only_looks: bool = False
    """Whether ending it loses nothing: no question then."""

    @property
    def name(self) -> str:
        """Name of the work."""
        return self.work or STEP[self.step].WORK


ROWS = (
    Row(
        step="environment",
        service="run_checks",
        open_again={"environment": None},
        keys=(),
        only_looks=True,
    ),
    Row(step="environment", service="install", keys=("install",), work="install"),
    Row(step="model", service="download", open_again={"model": None}, keys=("owner/name",)),
    Row(step="convert", service="convert", open_again={"artifacts": (), "artifact": None}),
    Row(
        step="template",
        service="check_template",
        open_again={"template": None},
        keys=(),
        only_looks=True,
    ),
    Row(step="template", service="settle_template", open_again={"template": None}),
    Row(step="deploy", service="deploy", open_again={"deployment": None}),
    Row(step="deploy", service="undo", keys=("f8",)),
    Row(step="benchmark", service="benchmark", open_again={"benchmark": None}),
    Row(step="benchmark", service="benchmark", keys=("r",)),
    Row(step="quality", service="check_quality", open_again={"quality": None}),
    Row(step="quality", service="check_quality", keys=("f5",)),
)


class Slow:
    """A service that works until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.begun.set()
        if (hear := options.get("on_event")) is not None:
            hear(Stage("work", "Working"))
        await self.go_on.wait()


def name_of(row: Row) -> str:
    return f"{row.step}-{row.service}-{'-'.join(row.keys) or 'by-itself'}".replace("/", "-")


async def begin(app: WizardApp, pilot: Pilot[Any], row: Row, slow: Slow) -> Work:
    """Begin the work as a user does."""
    if row.service in ("check_template", "run_checks"):
        await pilot.pause()
    else:
        await settle(pilot)
    match row.keys:
        case ("install",):
            app.screen.query_one("#install").display = True
            app.screen.query_one(Installation).ask_or_stop()
            await click_soon(pilot, "#yes")
        case ("owner/name",):
            await pilot.press("/")
            field = app.screen.query_one("#path")
            field.value = "owner/name"  # type: ignore[attr-defined]
            field.focus()
            await pilot.press("enter")
            await click_soon(pilot, "#yes")
        case _:
            await pilot.press(*row.keys)
    async with asyncio.timeout(60):
        await slow.begun.wait()
    await painted(pilot)
    return app.workspace.works[row.name]


def session_of(row: Row) -> Session:
    session = FULL.decide(**row.open_again)
    return Session() if row.step == "model" else session


async def show(app: WizardApp, pilot: Pilot[Any], step: type[StepScreen]) -> None:
    app.workspace.navigation.open(step)
    await until(pilot, lambda: type(app.screen) is step and app.screen.complete)
    await pilot.pause()


async def answer_again(app: WizardApp, pilot: Pilot[Any]) -> None:
    """Wait until what Enter asked in a field is answered, from a thread, and leave the question that it brought."""
    await until(
        pilot, lambda: all(w.is_finished for w in app.workers if w.group in ("resolve", "look"))
    )
    while isinstance(app.screen, ConfirmScreen):
        await pilot.press("escape")


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=name_of)
async def test_no_stray_key_ends_work(wizard: Build, called: Called, row: Row) -> None:
    slow = Slow()
    services = fake_services(
        called,
        **{
            "resolve_hub_id": lambda text: None,
            "plan_install": lambda: SimpleNamespace(missing=["olive-ai"], line="pip install"),
            row.service: slow,
        },
    )
    step: type[StepScreen] = STEP[row.step]
    app = wizard(session=session_of(row), first=step, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        work = await begin(app, pilot, row, slow)
        assert work.running and work.only_looks is row.only_looks

        # In its first second whatever is pressed was meant for what was there before.
        set_age(app, row.name, 0)
        await pilot.press("enter", "space", "escape", "enter")
        await answer_again(app, pilot)
        set_age(app, row.name, 0)
        await pilot.press("escape")
        assert work.running, "in its first second"
        assert (
            app.screen.focused is not app.screen.query_one("#primary")
            or not app.screen.primary_cancels
        )  # type: ignore[attr-defined]

        # Other keys, a walk to another step and back.
        await show(app, pilot, step)
        await pilot.press("ctrl+c", "q", "enter", "enter")
        await answer_again(app, pilot)
        for other in (STEP["chat" if row.only_looks else "summary"], step):
            await show(app, pilot, other)
            age(app, row.name, 60)
            await pilot.press("enter", "enter")
            assert work.running, other.STEP_ID
            while isinstance(app.screen, ConfirmScreen):
                await pilot.press("escape")
        await show(app, pilot, step)

        # Leaving asks, unless nothing is lost.
        if not row.only_looks:
            await pilot.press("ctrl+q", "ctrl+q", "enter")
            assert app.return_code is None and work.running
            await pilot.press("ctrl+q", "escape")
            assert app.return_code is None and work.running

        # Escape stops the work of every step: with a question where something is lost.
        await pilot.press("escape")
        if not row.only_looks:
            assert isinstance(app.screen, CancelQuestion), type(app.screen)
            await pilot.press("enter")
            assert work.running and not isinstance(app.screen, CancelQuestion)
            await pilot.press("escape", "escape")
            assert work.running and not isinstance(app.screen, CancelQuestion)
            await pilot.press("escape")
            await pilot.click("#yes")
        await until(pilot, lambda: not work.pending)
        assert work.status == "cancelled"
        slow.go_on.set()
        await settle(pilot)
        # Nothing is spinning any more, and Escape has nothing to do.
        await pilot.press("escape")
        assert type(app.screen) is step
