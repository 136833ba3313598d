"""The chat without a screen: asking, comparing, keeping, commands, settings, the death of an engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.artifact.target import Target, artifact_target
from firstlight_core.errors import JobDied, UsageError
from firstlight_core.inference.transcript import load_conversation
from firstlight_core.process.events import Event
from firstlight_core.session import Session
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.chat_commands import ALIASES, COMMANDS, ChatCommands, is_command
from firstlight_tui.state.sampling_settings import NUMBERS, SamplingSettings, read_setting
from tests.support import faultkit
from tests.support.background import LoopTasks
from tests.support.chat_view import ChatDesk, RecordingView
from tests.support.waiting import until
from tests.support.wizard_services import FakeEngine

# faultkit leaves the files that it wrote to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SERVER = Target(
    kind="endpoint", text="http://127.0.0.1:1/v1#m", base_url="http://127.0.0.1:1/v1", model="m"
)


class Desk:
    """A chat whose models are doubles, found by the target's label."""

    def __init__(self, folder: Path, engines: dict[str, FakeEngine]) -> None:
        self.tasks = LoopTasks()
        self.now = 0.0
        self.opened: list[str] = []

        @asynccontextmanager
        async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
            self.opened.append(target.label)
            yield engines[target.label]

        self.chat = Chat(open_target, self.tasks, clock=lambda: self.now)
        session = Session(artifact=str(folder / "int4"))
        self.workspace = ChatDesk(self.chat, session, folder)
        self.view = RecordingView(self.tasks)
        self.commands = ChatCommands(self.workspace, self.view)

    async def rest(self) -> None:
        """Until nothing is loaded or answered any more, and no command works in the background."""
        groups = ("asking", "beside", "form", "prompt", "stop")
        await until(
            lambda: not self.chat.busy and not any(self.tasks.running(name) for name in groups)
        )

    async def run(self, line: str) -> None:
        self.commands.run(line)
        await self.rest()

    async def ask(self, question: str) -> None:
        self.chat.ask(question)
        await self.rest()


@pytest.fixture
def engines() -> dict[str, FakeEngine]:
    return {
        "int4": FakeEngine("it stores each weight"),
        "int8": FakeEngine("it stores every weight"),
        SERVER.label: FakeEngine("hello"),
    }


@pytest.fixture
async def desk(tmp_path: Path, engines: dict[str, FakeEngine]) -> AsyncIterator[Desk]:
    """A chat on `int4`, beside which `int8` stands in the same folder."""
    for name in ("int4", "int8"):
        faultkit.tiny_genai(str(tmp_path / name))
    desk = Desk(tmp_path, engines)
    desk.chat.follow(desk.workspace.session)
    await desk.rest()
    yield desk
    await desk.tasks.end()


async def test_models_side_by_side_are_compared_and_one_is_kept(
    desk: Desk, engines: dict[str, FakeEngine], tmp_path: Path
) -> None:
    chat = desk.chat
    await desk.ask("What is int4?")
    assert chat.compare(chat.first).words == ""
    chat.add(artifact_target(str(tmp_path / "int8")))
    await desk.rest()
    second = chat.beside[0]
    assert [turn.text for turn in second.turns] == ["What is int4?", "it stores every weight"]
    assert chat.compare(second).words == "differs from token 3"
    assert chat.compare(chat.first).parting is not None
    chat.apply(SamplingSettings(temperature=0.8))
    await desk.ask("And int8?")
    seeds = [engine.options[-1]["seed"] for engine in (engines["int4"], engines["int8"])]
    assert seeds[0] == seeds[1], "both sample with one seed"
    desk.workspace.session = chat.keep(second, desk.workspace.session)
    await desk.rest()
    assert desk.workspace.session.artifact == str(tmp_path / "int8")
    assert chat.conversations == [second]
    chat.follow(desk.workspace.session)
    assert desk.opened == ["int4", "int8"], "the kept conversation is not opened anew"
    assert chat.document() == {
        "kind": "conversation",
        "turns": [{"role": turn.role, "text": turn.text} for turn in second.turns],
        "stats": [turn.stats for turn in second.answers],
        "ratings": [],
    }


async def test_a_kept_server_becomes_the_endpoint_of_the_session(desk: Desk) -> None:
    desk.chat.add(SERVER, network=True)
    await desk.rest()
    session = desk.chat.keep(desk.chat.beside[0], desk.workspace.session)
    assert session.target == SERVER.text and session.network
    with pytest.raises(UsageError, match="context of its own"):
        desk.chat.apply(SamplingSettings(context=64))
    assert desk.chat.first.settings.context is None


async def test_an_engine_that_dies_three_times_in_a_minute_is_not_opened_again(
    desk: Desk, engines: dict[str, FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*arguments: Any, **options: Any) -> AsyncIterator[Event]:
        raise JobDied("gone")
        yield

    monkeypatch.setattr(engines["int4"], "chat", die)
    for number in range(3):
        await desk.ask(f"question {number}")
        assert desk.chat.first.status == "failed"
    assert len(desk.opened) == 3
    await desk.ask("one more")
    assert len(desk.opened) == 3 and "three times" in str(desk.chat.first.error)
    desk.now = 61.0
    await desk.ask("after a minute")
    assert len(desk.opened) == 4


async def test_commands_need_no_screen(desk: Desk, tmp_path: Path) -> None:
    view, chat = desk.view, desk.chat
    await desk.run("/retry")
    await desk.run("/copy")
    await desk.run("/prompt")
    assert view.messages == [
        "There is no question yet.",
        "There is no answer yet.",
        "Nothing has been asked yet.",
    ]
    await desk.run("/system Be brief.")
    await desk.ask("first")
    await desk.run("/copy")
    assert view.clipboard == "it stores each weight"
    for line in ("/rate 5", "/rate +", "/rate +"):
        await desk.run(line)
    assert chat.first.ratings == [2]
    await desk.run("/edit")
    assert view.question == "first" and chat.first.turns == []
    assert chat.first.ratings == [2], "a rating outlives its answer"
    await desk.ask("second")
    await desk.run("/save")
    system, turns = load_conversation(tmp_path / "conversation.jsonl")
    assert system == "Be brief." and [turn.text for turn in turns] == [
        "second",
        "it stores each weight",
    ]
    await desk.run("/clear")
    assert chat.first.turns == []
    await desk.run(f"/replay {tmp_path / 'conversation.jsonl'}")
    assert [turn.text for turn in chat.first.turns] == ["second", "it stores each weight"]
    for name in ("/history", "/stats", "/model", "/tokens", "/prompt"):
        await desk.run(name)
    assert view.pages.keys() == {"History", "Measured", "Who answers", "tokens", "prompt"}
    await desk.run("/exit")
    assert view.left


async def test_models_are_offered_added_and_kept_by_commands(desk: Desk, tmp_path: Path) -> None:
    view = desk.view
    await desk.run("/keep")
    assert view.messages[-1] == "There is only one column: F6 adds another."
    view.answers = ["0"]
    await desk.run("/beside")
    assert len(view.lists[-1]) == 2 and view.lists[-1][-1] == "a running server …"
    assert [conversation.name for conversation in desk.chat.conversations] == ["int4", "int8"]
    await desk.run(f"/beside {tmp_path / 'nowhere'}")
    assert "nowhere" in view.messages[-1] and len(desk.chat.conversations) == 2
    view.answers = ["1"]
    await desk.run("/keep")
    assert desk.workspace.session.artifact == str(tmp_path / "int8")


async def test_settings_and_forms_are_changed_by_commands(
    desk: Desk, engines: dict[str, FakeEngine]
) -> None:
    view, first = desk.view, desk.chat.first
    for line, words in (
        ("/temperature 9", "temperature goes from 0 to 2."),
        ("/temperature 0.5", "temperature: 0.5"),
        ("/temperature 0", "temperature: greedy"),
        ("/max-tokens", "max_tokens needs a number."),
        ("/regex yes|no", "Answers follow this form now."),
    ):
        await desk.run(line)
        assert view.messages[-1] == words
    await desk.run("/regex (")
    assert "unclosed group" in view.problems[-1] and first.settings.regex == "yes|no"
    await desk.run("/schema")
    assert view.messages[-1] == "Answers are free." and first.settings.form() == {}
    await desk.run("/context 100000")
    assert view.problems and first.settings.context is None
    await desk.run("/settings")
    assert first.settings.max_tokens == 7


def test_a_command_is_told_from_a_question() -> None:
    assert all(map(is_command, ("/", "/?", "/rate 4", "/nosuch words")))
    assert not any(map(is_command, ("/etc/hosts holds what?", "a /rate", "")))
    assert set(ALIASES.values()) <= COMMANDS.keys()


async def test_an_unknown_command_gets_a_suggestion(desk: Desk) -> None:
    for line, words in (
        ("/nosuch", "There is no /nosuch. /help lists them."),
        ("/co", "There is no /co. Did you mean /copy or /context?"),
    ):
        await desk.run(line)
        assert desk.view.messages[-1] == words
    desk.view.answers = ["/system"]
    await desk.run("/")
    assert len(desk.view.lists[-1]) == len(COMMANDS) and desk.view.question == "/system "


def test_greedy_settings_send_no_sampling_and_a_chosen_seed_wins() -> None:
    chosen = SamplingSettings(top_p=0.9, top_k=5, seed=1, repetition_penalty=1.1)
    assert chosen.options(shared_seed=2) == {
        "max_tokens": 256,
        "greedy": True,
        "repetition_penalty": 1.1,
    }
    sampled = SamplingSettings(temperature=0.5, top_k=5).options(shared_seed=2)
    assert sampled == {"max_tokens": 256, "temperature": 0.5, "top_k": 5, "seed": 2}
    assert SamplingSettings(temperature=0.5, seed=1).options(shared_seed=2)["seed"] == 1


@pytest.mark.parametrize("name", NUMBERS)
def test_a_setting_is_read_within_its_range(name: str) -> None:
    span = SAMPLING_RANGES[name]
    least = span.least + 0.001 if span.open else span.least
    assert (
        read_setting(name, str(least)) == least and read_setting(name, str(span.most)) == span.most
    )
    for text in (str(span.least - 1), str(span.most + 1), "many"):
        with pytest.raises(ValueError, match=name):
            read_setting(name, text)
