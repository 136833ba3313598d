"""What the bench of the keys waits for is said by the screens, and only while it is so; its keys do what it means."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key
from textual.pilot import Pilot

from bench import responsiveness as bench
from firstlight_core.artifact.target import Target
from firstlight_core.environment.doctor import CheckResult
from firstlight_core.process.events import Event, Progress, Reply, Token
from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.convert.screen import ConvertStep
from tests.support.pilot import Build, settle, until
from tests.support.wizard_documents import ENVIRONMENT, FULL, MODEL, conversion
from tests.support.wizard_services import Called, FakeEngine, fake_services
from tests.tui.chat.test_chat import OWN

SIZE = (120, 40)
"""The bench's terminal."""


def says(pilot: Pilot[Any], words: bytes) -> bool:
    """Whether one line of the terminal holds these words."""
    return any(
        words.decode() in strip.text for strip in pilot.app.screen._compositor.render_strips()
    )


async def press(pilot: Pilot[Any], keys: bytes) -> None:
    """Press what a terminal sends as these bytes."""
    for event in XTermParser().feed(keys.decode()):
        assert isinstance(event, Key)
        await pilot.press(event.key)


@pytest.mark.slow
async def test_help_covers_the_rail_and_the_steps_are_named(wizard: Build) -> None:
    async with wizard(session=FULL).run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert says(pilot, bench.FIRST_STEP) and any(says(pilot, word) for word in bench.CHECKED)
        await press(pilot, bench.F1)
        await settle(pilot)
        assert says(pilot, bench.OPENED) and not says(pilot, bench.CLOSED)
        await press(pilot, bench.CLOSE)
        await settle(pilot)
        assert says(pilot, bench.CLOSED) and not says(pilot, bench.OPENED)
        await press(pilot, bench.PREFERENCES)
        await settle(pilot)
        assert says(pilot, bench.CHANGES)
        await pilot.press("escape")
        await settle(pilot)
        assert not says(pilot, bench.CHANGES)
        await press(pilot, bench.NEXT)
        await settle(pilot)
        assert says(pilot, bench.MODEL_STEP) and not says(pilot, bench.FIRST_STEP)
        await press(pilot, bench.BACK)
        await settle(pilot)
        assert says(pilot, bench.FIRST_STEP) and not says(pilot, bench.MODEL_STEP)


@pytest.mark.slow
async def test_probing_is_said_while_the_machine_is_probed(wizard: Build, called: Called) -> None:
    go_on = asyncio.Event()

    async def run_checks(*, on_result: Any = None, only: Any = None) -> Any:
        await go_on.wait()
        for row in ENVIRONMENT["checks"]:
            on_result(CheckResult(**row))
        return ENVIRONMENT

    app = wizard(services=fake_services(called, run_checks=run_checks))
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: says(pilot, bench.PROBING))
        go_on.set()
        await settle(pilot)
        assert not says(pilot, bench.PROBING)
        go_on.clear()
        await press(pilot, bench.AGAIN)
        await until(pilot, lambda: says(pilot, bench.PROBING))
        go_on.set()
        await settle(pilot)


@pytest.mark.slow
async def test_converting_is_said_while_it_runs(wizard: Build, called: Called) -> None:
    go_on = asyncio.Event()

    async def convert(*arguments: Any, precision: str, **options: Any) -> Any:
        await go_on.wait()
        return conversion(precision)

    app = wizard(
        session=Session(source=FULL.source, model=MODEL, precisions=("int4",)),
        first=ConvertStep,
        services=fake_services(called, convert=convert),
    )
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert not says(pilot, bench.CONVERTING)
        await press(pilot, bench.ENTER)
        await until(pilot, lambda: says(pilot, bench.CONVERTING))
        go_on.set()
        await settle(pilot)
        assert not says(pilot, bench.CONVERTING)


@pytest.mark.slow
async def test_the_chat_says_that_it_loads_reads_and_answers(wizard: Build, called: Called) -> None:
    loaded, read, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            yield Progress(8, 1_600, "tokens")
            await read.wait()
            yield Token("half ", 1, 0)
            await answered.wait()
            yield Reply({"text": "half ", "finish_reason": "stop", "stats": {"new_tokens": 1}})

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        await loaded.wait()
        yield Slow()

    app: WizardApp = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: says(pilot, bench.LOADING))
        assert not says(pilot, bench.LOADED)
        loaded.set()
        await until(pilot, lambda: says(pilot, bench.LOADED))
        assert not says(pilot, bench.LOADING)
        await press(pilot, b"go" + bench.ENTER)
        await until(pilot, lambda: says(pilot, bench.READING))
        assert not says(pilot, bench.ANSWERING)
        read.set()
        await until(pilot, lambda: says(pilot, bench.ANSWERING))
        assert not says(pilot, bench.READING)
        await press(pilot, bench.SETTINGS)
        await until(pilot, lambda: says(pilot, bench.SAMPLING))
        await pilot.press("escape")
        await until(pilot, lambda: not says(pilot, bench.SAMPLING))
        answered.set()
        await until(pilot, lambda: not says(pilot, bench.ANSWERING))
