"""What stands around the question: starters, a queue, the count of tokens, and answers that begin side by side."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.target import artifact_target
from firstlight_core.inference.transcript import Turn
from firstlight_core.process.events import Event
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.state.history import figures, repeats_itself
from firstlight_tui.state.key_names import key_name
from firstlight_tui.state.question_size import PromptSize
from firstlight_tui.steps.chat.columns import ConversationColumn
from firstlight_tui.steps.chat.facts import keys_content
from firstlight_tui.steps.chat.keys import KEYS
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.chat.starters import QUESTIONS, Starters
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.transcript import Transcript
from tests.support.pilot import Build, settle, until
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, FakeEngine
from tests.tui.chat.test_chat import OWN, idle, say
from tests.tui.chat.test_chat_lanes import lanes_of
from tests.tui.chat.test_chat_screens import answered_by


@pytest.mark.slow
async def test_a_digit_asks_a_starter_and_later_is_a_letter(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        assert app.screen.query_one(Starters).display
        await pilot.press("2")
        await idle(pilot)
        assert called.engine.requests[-1][-1]["content"] == QUESTIONS[1]
        assert not app.screen.query_one(Starters).display
        await pilot.press("2")
        assert app.screen.query_one(Ask).text == "2"


async def test_an_empty_enter_asks_the_first_starter(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        await pilot.press("enter")
        await idle(pilot)
        assert called.engine.requests[-1][-1]["content"] == QUESTIONS[0]


@pytest.mark.slow
async def test_queued_questions_are_asked_in_turn(wizard: Build, called: Called) -> None:
    class Slow(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            await self.stopped.wait()
            async for event in super().chat(messages, **options):
                yield event

    engine = Slow()
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        for text in ("one", "two", "three"):
            app.screen.query_one(Ask).text = text
            await pilot.press("enter")
            await pilot.pause()
        standing = app.screen.query_one("#standing")
        assert app.workspace.chat.queued == ["two", "three"]
        await until(pilot, lambda: "first token" in str(standing.render()))
        engine.stopped.set()
        await idle(pilot)
        assert [m[-1]["content"] for m in engine.requests] == ["one", "two", "three"]
        assert not app.workspace.chat.queued and not app.workspace.chat.answering


async def test_tokens_are_counted_while_a_question_is_typed(wizard: Build) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        await pilot.press(*"hello")
        line = app.screen.query_one("#question-size")
        await until(pilot, lambda: "left" in str(line.render()))
        assert "prompt 2 tokens · 1,022 left · Enter sends" in str(line.render())


# faultkit leaves the files that it wrote to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_turns_begin_side_by_side(wizard: Build, called: Called, tmp_path: Path) -> None:
    engines = {"int4": FakeEngine("a long answer " * 60), "int8": FakeEngine("short")}
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await idle(pilot)
        for text in ("first", "second"):
            await say(pilot, text)

        def tops() -> list[list[int]]:
            columns = app.screen.query(ConversationColumn)
            return [[m.virtual_region.y for m in c.query_one(Transcript).messages] for c in columns]

        await until(pilot, lambda: tops()[0] == tops()[1] and len(tops()[0]) == 4)


def test_an_answer_that_goes_round_in_a_circle_is_noticed() -> None:
    turn = Turn("assistant", "", pieces=["Well, "] + ["the ", "same ", "words. "] * 9)
    turn.stats = {"prompt_tokens": 3, "new_tokens": 28}
    assert repeats_itself(turn) and "! repeats itself" in figures(turn)
    assert repeats_itself(Turn("assistant", "", pieces=list("abcdefghijklmnopqrstuvwxyz" * 3)))
    for pieces in ([], ["ha "] * 6, [str(n) for n in range(200)], [" "] * 60):
        assert not repeats_itself(Turn("assistant", "", pieces=pieces))


def test_the_size_of_a_prompt_in_words() -> None:
    assert PromptSize(1, 1939, True).words == "prompt 1 token · 1,939 left"
    assert PromptSize(30, None, False).words == "prompt ≈ 30 tokens"
    assert PromptSize(1100, -76, True).words.endswith("! 76 too many for the context")


def test_the_panel_names_the_keys_that_the_chat_has() -> None:
    lines = str(keys_content()).splitlines()
    keys = {str(binding.id): key_name(binding.key) for binding in KEYS}
    assert f"{keys['chat.tokens']:7}the answer, token by token" in lines
    assert {line[:7].strip() for line in lines[1:]} <= {*keys.values(), "/"}


async def test_the_panel_follows_the_keys_of_the_user(wizard: Build) -> None:
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        app.set_keymap({"chat.tokens": "f3", "chat.rate": "unset_1"})
        app.push_screen(DetailScreen("Settings", ""))
        await pilot.pause()
        await pilot.press("escape")
        await settle(pilot)
        words = str(app.screen.query_one("#chat-keys", Words).visual)
        assert "F3     the answer, token by token" in words
        assert "F10" not in words
