"""Keys do what they would do if they came slowly, however fast they come."""

import random
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.keys import REPLACED_KEYS
from textual.pilot import Pilot
from textual.widgets import Input

from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.widgets.ask import Ask
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

EDITS = ("backspace", "left", "right", "home", "end", "delete")


def burst(app: App[Any], names: list[str]) -> None:
    """All keys in one moment, as a terminal that was not read for a while hands them over."""
    for name in names:
        key = REPLACED_KEYS.get(name, name)
        app.post_message(events.Key(key, name if len(name) == 1 else None).set_sender(app))


def expected(text: str, names: list[str]) -> str:
    """What a field holds after these keys, one by one."""
    letters, at = list(text), len(text)
    for name in names:
        if name == "backspace" and at:
            at -= 1
            del letters[at]
        elif name == "delete" and at < len(letters):
            del letters[at]
        elif len(name) == 1:
            letters.insert(at, name)
            at += 1
        elif name in ("left", "right", "home", "end"):
            places = {"left": at - 1, "right": at + 1, "home": 0, "end": len(letters)}
            at = min(max(0, places[name]), len(letters))
    return "".join(letters)


def bursts(seed: int) -> list[str]:
    dice = random.Random(seed)
    return [dice.choice((*EDITS, *"abcdefgh")) for _ in range(30)]


async def rest(pilot: Pilot[Any]) -> None:
    for _ in range(40):
        await pilot.pause()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_editing_keys_and_letters_keep_their_order(wizard: Build, seed: int) -> None:
    names = bursts(seed)
    app = wizard(session=FULL, first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = app.screen.query(Input).first()
        field.value = ""
        field.focus()
        await settle(pilot)
        burst(app, names)
        await rest(pilot)
        assert field.value == expected("", names)


@pytest.mark.slow
async def test_the_question_of_the_chat_too(wizard: Build) -> None:
    names = bursts(7)
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        ask = app.screen.query_one(Ask)
        ask.focus()
        await settle(pilot)
        burst(app, names)
        await rest(pilot)
        assert ask.text == expected("", names)


@pytest.mark.slow
async def test_a_key_that_opens_a_dialog_takes_the_keys_behind_it_there(wizard: Build) -> None:
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        burst(app, ["f1", "escape", "f1", "escape", "x"])
        await rest(pilot)
        assert isinstance(app.screen, ChatStep)
        assert app.screen.query_one(Ask).text == "x"
