"""What goes wrong in the middle: another context at once, a stop between lanes, an engine that dies unasked, odd text."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Markdown

from firstlight_core.artifact.target import Target, artifact_target
from firstlight_core.documents.inference import RenderedPrompt
from firstlight_core.documents.messages import Message
from firstlight_core.inference.transcript import load_conversation
from firstlight_core.process.events import Event, Reply, Token
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.problem import ProblemPanel
from tests.support import faultkit
from tests.support.pilot import Build, until
from tests.support.wizard_services import Called, FakeEngine, fake_services, rendered_prompt
from tests.tui.chat.test_chat import OWN, idle, say, shown
from tests.tui.chat.test_chat_lanes import lanes_of, standing
from tests.tui.chat.test_chat_screens import answered_by

# faultkit leaves the files that it wrote to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Halting(FakeEngine):
    """Says one word and waits to be stopped."""

    async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
        self.requests.append(messages)
        yield Token("half ", 1, 0)
        await self.stopped.wait()
        self.stopped.clear()
        yield Reply({"text": "half ", "finish_reason": "cancelled", "stats": {"new_tokens": 1}})


async def begin(pilot: Pilot[Any], text: str, engine: FakeEngine) -> None:
    """Ask, and go on as soon as the engine has the question."""
    before = len(engine.requests)
    pilot.app.screen.query_one(Ask).text = text
    await pilot.press("enter")
    await until(pilot, lambda: len(engine.requests) > before)


def texts(app: WizardApp) -> list[list[str]]:
    return [[turn.text for turn in lane.turns] for lane in app.workspace.chat.conversations]


@pytest.mark.slow
async def test_a_question_right_after_another_context_is_answered(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    faultkit.tiny_genai(str(tmp_path / "int4"))
    opened: list[Any] = []

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        opened.append(options["max_length"])
        try:
            yield called.engine
        finally:
            # An engine's process ends some time after the next one was begun.
            for _ in range(50):
                await asyncio.sleep(0)

    app = wizard(
        session=OWN.decide(artifact=str(tmp_path / "int4")),
        first=ChatStep,
        services=fake_services(called, open_target=open_target),
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        for length in (64, 65):
            app.screen.query_one(Ask).text = f"/context {length}"
            await pilot.press("enter")
            await say(pilot, f"with {length}")
        assert texts(app) == [["with 64", called.engine.answer, "with 65", called.engine.answer]]
        assert opened == [None, 64, 65]


@pytest.mark.slow
async def test_a_stop_leaves_every_lane_with_the_same_questions(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    first, second = Halting(), FakeEngine("one two")
    app = lanes_of(called, wizard, tmp_path, {"int4": first, "int8": second})
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await begin(pilot, "first", first)
        first.stopped.set()
        await idle(pilot)
        await begin(pilot, "second", first)
        await pilot.press("escape")
        await idle(pilot)
        assert texts(app) == [["first", "half ", "second", "half "], ["first", "one two", "second"]]
        assert "differs" not in "".join(standing(app)), "there is nothing to compare"
        await pilot.press("ctrl+t")
        assert app.screen.query_one(Ask).text == "second"
        assert texts(app) == [["first", "half "], ["first", "one two"]]


@pytest.mark.slow
async def test_a_lane_closed_while_another_answers_stays_closed(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    first = Halting()
    app = lanes_of(called, wizard, tmp_path, {"int4": first, "int8": FakeEngine()})
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await begin(pilot, "go", first)
        closed = app.workspace.chat.beside[0]
        app.workspace.session = app.workspace.chat.keep(
            app.workspace.chat.first, app.workspace.session
        )
        first.stopped.set()
        await idle(pilot)
        assert closed.status == "closed"
        assert called.names().count("open_target") == 2


async def test_what_there_is_of_an_answer_is_saved(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    engine = Halting()
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await begin(pilot, "go", engine)
        app.screen.query_one(Ask).text = f"/save {tmp_path}"
        await pilot.press("enter", "escape")
        await idle(pilot)
    _, turns = load_conversation(tmp_path / "conversation.jsonl")
    assert [turn.text for turn in turns] == ["go", "half "]
    assert "**assistant:** half" in (tmp_path / "conversation.md").read_text()


@pytest.mark.slow
async def test_lanes_that_sample_draw_with_one_seed(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    engines = {"int4": FakeEngine(), "int8": FakeEngine()}
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        await say(pilot, "/temperature 0.8")
        await say(pilot, "alone")
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await idle(pilot)
        await say(pilot, "both")
        first, second = engines["int4"].options, engines["int8"].options
        assert "seed" not in first[0], "one lane keeps its KV cache"
        assert first[1]["seed"] == second[1]["seed"]
        await say(pilot, "again")
        assert first[2]["seed"] != first[1]["seed"]


@pytest.mark.slow
async def test_ratings_outlive_their_answers(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        for stars in (5, 3):
            await say(pilot, "a question")
            await say(pilot, f"/rate {stars}")
            await say(pilot, "/clear")
        await say(pilot, "a question")
        await say(pilot, "/rate 4")
        await pilot.press("ctrl+r")
        await idle(pilot)
        assert app.workspace.session.chat is not None and app.workspace.session.chat["ratings"] == [
            5,
            3,
            4,
        ]


async def test_a_command_takes_the_problem_of_the_one_before_away(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, f"/save {tmp_path / 'file'}")
        assert "Cannot write" in str(app.screen.query_one("#problem-words").render())
        await say(pilot, f"/save {tmp_path}")
        assert not app.screen.query_one(ProblemPanel).display


async def test_clear_stops_the_answer_that_is_being_made(wizard: Build, called: Called) -> None:
    engine = Halting()
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await begin(pilot, "go", engine)
        await say(pilot, "/clear")
        assert app.workspace.chat.first.turns == [] and app.workspace.chat.first.status == "ready"


@pytest.mark.slow
async def test_an_engine_that_dies_unasked_is_told_and_comes_back_with_the_next_question(
    wizard: Build, called: Called
) -> None:
    engine = FakeEngine()
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        engine.alive = False
        app.workspace.chat.first.sample()
        await pilot.pause()
        assert "the engine is gone" in "".join(standing(app))
        engine.alive = True
        await say(pilot, "two")
        assert texts(app) == [["one", engine.answer, "two", engine.answer]]


@pytest.mark.slow
async def test_text_of_many_tokens_a_character_is_counted_before_it_is_sent(
    wizard: Build, called: Called
) -> None:
    class Dense(FakeEngine):
        loaded = {**FakeEngine.loaded, "max_length": 100}

        async def render(self, messages: Sequence[Message]) -> RenderedPrompt:
            return rendered_prompt("", sum(len(m["content"].encode()) for m in messages))

    engine = Dense(answer="答案")
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        for _ in range(3):
            await say(pilot, "你好世界你好世界你好")
        assert app.workspace.chat.first.dropped == 2


async def test_html_and_line_breaks_of_an_answer_are_not_hidden(
    wizard: Build, called: Called
) -> None:
    engine = FakeEngine("<unused1>\nuse `x` and <b>y</b>\n\n[a]: b")
    app = answered_by(called, wizard, engine)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "go")
        await pilot.pause()
        blocks = app.screen.query(".-assistant Markdown MarkdownParagraph")
        drawn = "\n".join(str(block.render()) for block in blocks)
        assert drawn == "<unused1>\nuse x and <b>y</b>\n[a]: b"
        assert app.screen.query(Markdown).last().display


@pytest.mark.slow
async def test_only_a_command_is_taken_for_one_and_none_is_lost(
    wizard: Build, called: Called
) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        await say(pilot, "/etc/hosts holds what?")
        assert called.engine.requests[-1][-1]["content"] == "/etc/hosts holds what?"
        await say(pilot, "/system-prompt\nTwo\nlines")
        assert app.workspace.chat.first.system == "Two\nlines"
        await say(pilot, "/nosuch with many words")
        await pilot.press("up")
        assert app.screen.query_one(Ask).text == "/nosuch with many words"
        assert "/nosuch" not in shown(app)


@pytest.mark.slow
async def test_lines_that_come_in_one_burst_are_told_apart(wizard: Build, called: Called) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        field = app.screen.query_one(Ask)
        for key in [*"/rate", "enter", *"one", "enter", *"more"]:
            field.post_message(events.Key(key, key if len(key) == 1 else None))
        await idle(pilot)
        assert called.engine.requests[0][-1]["content"] == "one"
        assert field.text == "more"


@pytest.mark.slow
async def test_a_draft_outlives_a_look_at_the_history(wizard: Build) -> None:
    app = wizard(session=OWN, first=ChatStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        await say(pilot, "one")
        field = app.screen.query_one(Ask)
        draft = "a long draft " * 12
        field.text = draft
        field.move_cursor(field.document.end)
        await pilot.pause()
        await pilot.press("up")
        assert field.text == draft, "the cursor has rows to go"
        await pilot.press("up", "up", "up")
        assert field.text == "one"
        await pilot.press("down")
        assert field.text == draft
        await pilot.press("ctrl+t")
        assert field.text == "one"
        await pilot.press("up")
        assert field.text == draft
