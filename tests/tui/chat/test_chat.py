"""The chat by keys: turns, edits, lanes side by side, saving and replaying, an engine that dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from firstlight_core.artifact.target import Target
from firstlight_core.documents.inference import RenderedPrompt
from firstlight_core.errors import JobDied
from firstlight_core.inference.transcript import load_conversation
from firstlight_core.process.events import Event, Token
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ChooseScreen
from firstlight_tui.steps.chat.columns import ConversationColumn
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.widgets.ask import PASTE_LIMIT, Ask
from firstlight_tui.widgets.transcript import Message
from tests.support import faultkit
from tests.support.pilot import Build, opened
from tests.support.wizard_documents import FULL, conversion
from tests.support.wizard_services import Called, FakeEngine, fake_services, rendered_prompt

OWN = FULL.decide(source="/models/mine").decide(
    model=FULL.model,
    precisions=("int4", "int8"),
    artifacts=(conversion("int4"), conversion("int8")),
    artifact="/models/out/int4",
)


async def idle(pilot: Pilot[Any]) -> None:
    """Until every lane has answered."""
    app = pilot.app
    assert isinstance(app, WizardApp)
    async with asyncio.timeout(60):
        while True:
            await pilot.pause()
            asking = [w for w in app.workers if w.group == "asking" and not w.is_finished]
            lanes = app.workspace.chat.conversations
            if not asking and all(lane.status in ("ready", "failed") for lane in lanes):
                break
            await asyncio.sleep(0)
    await pilot.pause()


async def say(pilot: Pilot[Any], text: str) -> None:
    pilot.app.screen.query_one(Ask).text = text
    await pilot.press("enter")
    await idle(pilot)


def shown(app: WizardApp) -> str:
    """All that the transcripts say."""
    words = []
    for message in app.screen.query(Message):
        words += [str(part.render()) for part in message.query("Words")]
    return "\n".join(words)


@pytest.mark.slow
async def test_a_conversation_has_turns_figures_and_memory(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "What is int4?")
        await say(pilot, "And int8?")
        assert [turn.role for turn in app.workspace.chat.first.turns] == ["user", "assistant"] * 2
        assert [m["content"] for m in called.engine.requests[1]] == [
            "What is int4?",
            called.engine.answer,
            "And int8?",
        ]
        assert "TTFT 12 ms" in shown(app) and "410 tok/s" in shown(app)
        assert (
            app.workspace.session.chat is not None and len(app.workspace.session.chat["stats"]) == 2
        )


@pytest.mark.slow
async def test_retry_and_edit_ask_again(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "Frist question")
        await pilot.press("ctrl+r")
        await idle(pilot)
        assert (
            len(called.engine.requests) == 2
            and called.engine.requests[0] == called.engine.requests[1]
        )
        await pilot.press("ctrl+t")
        field = app.screen.query_one(Ask)
        assert field.text == "Frist question" and app.workspace.chat.first.turns == []
        await say(pilot, "First question")
        assert called.engine.requests[-1][-1]["content"] == "First question"


@pytest.mark.slow
async def test_up_recalls_the_question_before(wizard: Build) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        await say(pilot, "two")
        await pilot.press("up")
        assert app.screen.query_one(Ask).text == "two"
        await pilot.press("up")
        assert app.screen.query_one(Ask).text == "one"
        await pilot.press("down", "down")
        assert app.screen.query_one(Ask).text == ""


@pytest.mark.slow
async def test_a_system_prompt_and_settings_reach_the_engine(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "/system Be brief.")
        await say(pilot, "/temperature 0.5")
        await say(pilot, "Hello")
        assert called.engine.requests[0][0] == {"role": "system", "content": "Be brief."}
        assert called.engine.options[0]["temperature"] == 0.5
        await say(pilot, "/temperature 9")
        assert app.workspace.chat.first.settings.temperature == 0.5


# faultkit leaves the files that it wrote to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_two_precisions_side_by_side(wizard: Build, called: Called, tmp_path: Path) -> None:
    for name in ("int4", "int8"):
        faultkit.tiny_genai(str(tmp_path / name))
    engines = {
        "int4": FakeEngine("it stores each weight"),
        "int8": FakeEngine("it stores every weight"),
    }

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        yield engines[target.label]

    made = tuple(conversion(name, str(tmp_path)) for name in ("int4", "int8"))
    session = OWN.decide(artifacts=made, artifact=str(tmp_path / "int4"))
    app = wizard(
        session=session, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        await pilot.press("f6")
        await opened(pilot, ChooseScreen)
        await pilot.press("enter")
        await idle(pilot)
        assert len(app.screen.query(ConversationColumn)) == 2
        await say(pilot, "What is int4?")
        second = list(app.screen.query(ConversationColumn))[1]
        newest = list(second.query(Message))[-1].query_one("#said")
        content = newest.render()
        assert "it stores every weight" in str(content)
        spans = [span for span in content.spans if "reverse" in str(span.style)]  # type: ignore[union-attr]
        assert str(content)[spans[0].start : spans[0].end].strip() == "every"
        await pilot.press("f7")
        await opened(pilot, ChooseScreen)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.workspace.session.artifact == str(tmp_path / "int8")
        assert (
            len(app.screen.query(ConversationColumn)) == 1
            and app.workspace.chat.first.turns[-1].text == "it stores every weight"
        )


@pytest.mark.slow
async def test_saved_conversations_replay(wizard: Build, called: Called, tmp_path: Path) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "/system Be brief.")
        await say(pilot, "one")
        await say(pilot, "two")
        await say(pilot, f"/save {tmp_path}")
        system, turns = load_conversation(tmp_path / "conversation.jsonl")
        assert system == "Be brief." and [t.text for t in turns if t.role == "user"] == [
            "one",
            "two",
        ]
        assert "tok" in (tmp_path / "conversation.md").read_text()
        before = list(called.engine.requests)
        await say(pilot, f"/replay {tmp_path / 'conversation.jsonl'}")
        assert called.engine.requests[len(before) :] == before


async def test_the_decode_rate_is_told_while_an_answer_is_made(
    wizard: Build, called: Called
) -> None:
    notified, go_on = asyncio.Event(), asyncio.Event()

    class Waiting(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            for index in range(6):
                yield Token("word ", 1, index, index * 0.02)
            notified.set()
            await go_on.wait()
            async for event in super().chat(messages, **options):
                yield event

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        yield Waiting()

    app = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await pilot.press(*"one", "enter")
        await notified.wait()
        standing = app.screen.query_one("#standing")
        while "tok/s so far" not in (status := str(standing.render())):
            await pilot.pause()
        assert status.startswith("INT4: 6 tokens, Esc stops · 50 tok/s so far")
        go_on.set()
        await idle(pilot)
        assert "so far" not in str(standing.render())


@pytest.mark.slow
async def test_an_engine_that_dies_keeps_the_history_and_comes_back(
    wizard: Build, called: Called
) -> None:
    class Dying(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            yield Token("half ", 1, 0)
            raise JobDied("The engine process was ended by SIGSEGV.", hint="Try again.")

    opened: list[Target] = []

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        opened.append(target)
        yield Dying() if len(opened) < 2 else called.engine

    app = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        assert app.workspace.chat.first.status == "failed"
        assert "SIGSEGV" in str(app.screen.query_one("#problem-words").render())
        assert [turn.text for turn in app.workspace.chat.first.turns] == ["one", "half "]
        await say(pilot, "two")
        assert len(opened) == 2 and app.workspace.chat.first.turns[-1].text == called.engine.answer


@pytest.mark.slow
async def test_three_deaths_in_a_minute_are_enough(wizard: Build, called: Called) -> None:
    opened: list[Target] = []

    class Dead(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            raise JobDied("gone")
            yield

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        opened.append(target)
        yield Dead()

    app = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        for number in range(5):
            await say(pilot, f"question {number}")
        assert len(opened) == 3
        assert "three times" in str(app.screen.query_one("#problem-words").render())


@pytest.mark.parametrize(
    ("text", "remaining"),
    [("a" * (PASTE_LIMIT + 5), PASTE_LIMIT), ("a\x00b", 2), ("a\x1b[31mb", 7)],
    ids=["long", "nul", "escape"],
)
async def test_a_paste_is_cut_and_cleaned(wizard: Build, text: str, remaining: int) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        field = app.screen.query_one(Ask)
        await field._on_paste(events.Paste(text))
        await pilot.pause()
        assert (
            len(field.text) == remaining and "\x1b" not in field.text and "\x00" not in field.text
        )


@pytest.mark.slow
async def test_the_oldest_turns_give_way_when_the_context_is_full(
    wizard: Build, called: Called
) -> None:
    class Small(FakeEngine):
        loaded = {**FakeEngine.loaded, "max_length": 40}

        async def render(self, messages: Any) -> RenderedPrompt:
            return rendered_prompt("", sum(len(m["content"]) for m in messages))

    engine = Small(answer="0123456789")

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        yield engine

    app = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        app.workspace.chat.first.system = "SYS"
        for number in range(4):
            await say(pilot, f"question {number}")
        assert app.workspace.chat.first.dropped > 0
        assert engine.requests[-1][0] == {"role": "system", "content": "SYS"}
        assert engine.requests[-1][-1]["content"] == "question 3"
        assert len(app.workspace.chat.first.turns) == 8, (
            "the screen keeps what the prompt leaves out"
        )
        assert f"without the {app.workspace.chat.first.dropped} oldest turns" in shown(app)
