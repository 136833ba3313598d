"""What the chat opens and obeys: the token walk, forms, the prompt, the list of commands, early keys, ratings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, TextArea

from firstlight_core.artifact.target import Target
from firstlight_core.process.events import Event, Reply, Token
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ChooseScreen, DetailScreen
from firstlight_tui.state.chat_commands import COMMANDS
from firstlight_tui.steps.chat.sampling_screen import SamplingScreen
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.chat.token_screen import AlternativesScreen
from firstlight_tui.widgets.ask import Ask
from tests.support import faultkit
from tests.support.pilot import Build, opened, until
from tests.support.wizard_services import Called, FakeEngine, fake_services
from tests.tui.chat.test_chat import OWN, idle, say, shown


async def reads(pilot: Pilot[Any], where: str, words: str) -> None:
    """Until a widget says these words."""
    await until(pilot, lambda: words in str(pilot.app.screen.query_one(where).render()))


def answered_by(called: Called, build: Build, engine: FakeEngine) -> WizardApp:
    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        called.calls.append(("open_target", (target,), options))
        yield engine

    return build(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["narrow", "wide"])
async def test_the_arrow_keys_walk_the_tokens_of_an_answer(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=size) as pilot:
        await idle(pilot)
        await say(pilot, "What is int4?")
        await pilot.press("f10")
        await opened(pilot, AlternativesScreen)
        await reads(pilot, "#likely", "Token 1 of 7")
        await reads(pilot, "#likely", "▶  90.00%")
        assert called.engine.requests[-1] == [{"role": "user", "content": "What is int4?"}]
        await pilot.press("right", "right")
        await reads(pilot, "#likely", "Token 3 of 7")
        await reads(pilot, "#likely", "not among them")
        before = len(called.engine.requests)
        await pilot.click("#back")
        await reads(pilot, "#likely", "Token 2 of 7")
        await pilot.press("end")
        await reads(pilot, "#likely", "Token 7 of 7")
        await pilot.press("home", "left")
        await reads(pilot, "#likely", "Token 1 of 7")
        assert len(called.engine.requests) == before + 1, "each place is asked for once"
        for button in app.screen.query(Button):
            assert button.region.bottom <= size[1]
        await pilot.press("escape")
        assert isinstance(app.screen, ChatStep)


@pytest.mark.slow
async def test_a_form_is_checked_before_it_is_used(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        await pilot.press("f5")
        drawer = await opened(pilot, SamplingScreen)
        use = drawer.query_one("#yes", Button)
        assert use.region.bottom <= 24
        for schema, regex, words in (
            ('{"type": "text"}', "", "which JSON does not have"),
            ("{,}", "", "line 1, column 2"),
            ("{}", "a", "not both"),
            ("", "(", "unclosed group"),
        ):
            drawer.query_one("#json_schema", TextArea).text = schema
            drawer.query_one("#regex", Input).value = regex
            drawer._use()
            await reads(pilot, "#wrong", words)
        assert app.workspace.chat.first.settings.form() == {}
        drawer.query_one("#json_schema", TextArea).text = '{"type": "object"}'
        drawer.query_one("#regex", Input).value = ""
        drawer._use()
        await opened(pilot, ChatStep)
        await say(pilot, "go")
        assert called.engine.options[-1]["json_schema"] == {"type": "object"}
        await say(pilot, "/regex yes|no")
        await say(pilot, "go")
        assert called.engine.options[-1]["regex"] == "yes|no"
        assert "json_schema" not in called.engine.options[-1]
        await say(pilot, "/schema")
        await say(pilot, "go")
        assert called.engine.options[-1].keys() & {"json_schema", "regex"} == set()
        await say(pilot, f"/schema {tmp_path / 'none.json'}")
        assert "no schema file" in str(app.screen.query_one("#problem-words").render())


# faultkit leaves the files that it wrote to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_another_context_loads_anew_and_keeps_the_turns(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    faultkit.tiny_genai(str(tmp_path / "int4"))
    app = wizard(session=OWN.decide(artifact=str(tmp_path / "int4")), first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        await say(pilot, "/context 64")
        for wrong in ("many", "1", "100000"):
            await say(pilot, f"/context {wrong}")
        assert "Choose between 2 and 128" in str(app.screen.query_one("#problem-words").render())
        opened = [options for name, _, options in called.calls if name == "open_target"]
        assert [options["max_length"] for options in opened] == [None, 64]
        assert app.workspace.chat.first.turns[0].text == "one"
        await say(pilot, "two")
        assert len(called.engine.requests[-1]) == 3


async def test_letters_go_to_the_question_wherever_the_focus_is(wizard: Build) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        app.screen.query_one("#more", Button).focus()
        await pilot.press("x", "y")
        field = app.screen.query_one(Ask)
        assert field.text == "xy" and app.focused is field


@pytest.mark.slow
async def test_stop_keeps_what_was_said(wizard: Build, called: Called) -> None:
    class Slow(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            yield Token("half ", 1, 0)
            await self.stopped.wait()
            yield Reply({"text": "half ", "finish_reason": "cancelled", "stats": {"new_tokens": 1}})

    app = answered_by(called, wizard, Slow())
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        app.screen.query_one(Ask).text = "go"
        await pilot.press("enter")
        first = app.workspace.chat.first
        await until(pilot, lambda: first.answers and first.answers[-1].pieces)
        await pilot.pause()
        assert app.screen.query_one("#stop").display
        # One answer at a time: the question waits, and comes back when it is stopped.
        app.screen.query_one(Ask).text = "more"
        await pilot.press("enter")
        await pilot.pause()
        assert app.workspace.chat.queued == ["more"] and app.screen.query_one(Ask).text == ""
        assert "1 question waiting" in str(app.screen.query_one("#question-size").render())
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.query_one(Ask).text == "more" and not app.workspace.chat.queued
        await idle(pilot)
        assert app.workspace.chat.first.answers[-1].finish_reason == "cancelled"
        assert app.workspace.chat.first.answers[-1].text == "half "
        assert "stopped" in shown(app)


@pytest.mark.slow
async def test_a_question_that_waits_for_a_loading_model_can_be_stopped(
    wizard: Build, called: Called
) -> None:
    load = asyncio.Event()

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        await load.wait()
        yield called.engine

    app = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        for text in ("one", "two"):
            app.screen.query_one(Ask).text = text
            await pilot.press("enter")
        assert [t.text for t in app.workspace.chat.first.turns if t.role == "user"] == ["one"]
        await pilot.press("escape")
        await pilot.pause()
        load.set()
        await idle(pilot)
        assert called.engine.requests == []
        await say(pilot, "three")
        assert [m["content"] for m in called.engine.requests[-1]] == ["three"]


@pytest.mark.slow
async def test_more_lists_every_command_and_does_it(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        await pilot.click("#more")
        rows = await opened(pilot, ChooseScreen)
        assert rows.query_one(OptionList).option_count == len(COMMANDS)
        rows.query_one(OptionList).highlighted = list(COMMANDS).index("/system")
        await pilot.press("enter")
        await opened(pilot, ChatStep)
        assert app.screen.query_one(Ask).text == "/system "
        await say(pilot, "/hist")
        await opened(pilot, DetailScreen)
        await pilot.press("escape")
        await say(pilot, "/co")
        assert any("/copy or /context" in str(n.message) for n in app._notifications)
        for command in ("/model", "/stats", "/prompt"):
            await say(pilot, command)
            await opened(pilot, DetailScreen)
            await pilot.press("escape")


@pytest.mark.slow
async def test_answers_are_rated_and_copied(wizard: Build) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        await pilot.press("f8", "f8")
        assert app.workspace.session.chat is not None and app.workspace.session.chat["ratings"] == [
            2
        ]
        await say(pilot, "/rate 5")
        assert app.workspace.session.chat["ratings"] == [5]
        await say(pilot, "/rate 6")
        assert app.workspace.session.chat["ratings"] == [5]
        await say(pilot, "/rate")
        await opened(pilot, ChooseScreen)
        await pilot.press("down", "enter")
        await opened(pilot, ChatStep)
        assert app.workspace.session.chat["ratings"] == [4] and "★★★★☆" in shown(app)
        await pilot.press("f9")
        assert app.clipboard == app.workspace.chat.first.answers[-1].text


@pytest.mark.slow
async def test_control_tokens_in_the_users_text_are_told(wizard: Build, called: Called) -> None:
    class Strict(FakeEngine):
        as_text = True

        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            async for event in super().chat(messages, **options):
                if isinstance(event, Reply):
                    line = {"special_in_content": ["<s>"], "special_as_text": self.as_text}
                    event = Reply({**event.result, **line})
                yield event

    engine = Strict()
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "what is <s>?")
        assert "<s> in your text was read as text" in shown(app)
        engine.as_text = False
        await say(pilot, "what is <s>?")
        assert "<s> in your text acts as a control token" in shown(app)
