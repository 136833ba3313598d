"""Lanes of the chat side by side: who may come, the same question, where they part, one that dies, one that stays."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from firstlight_core.artifact.target import Target, artifact_target
from firstlight_core.documents.inference import LoadedModel
from firstlight_core.errors import JobDied
from firstlight_core.inference.transcript import Parting, Turn, parting
from firstlight_core.process.events import Event, Reply, Token
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ChooseScreen
from firstlight_tui.modals.connect import ConnectScreen
from firstlight_tui.state.candidates import candidates
from firstlight_tui.state.history import figures
from firstlight_tui.steps.chat.columns import ConversationColumn
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.widgets.transcript import Transcript
from tests.support import faultkit
from tests.support.pilot import Build, opened, until
from tests.support.wizard_documents import FULL, conversion
from tests.support.wizard_services import Called, FakeEngine, fake_services
from tests.tui.chat.test_chat import idle, say, shown

SERVER = Target(
    kind="endpoint", text="http://127.0.0.1:1/v1#m", base_url="http://127.0.0.1:1/v1", model="m"
)


class FakeServer(FakeEngine):
    """Tells texts only, in pieces of its own, and no memory."""

    loaded: LoadedModel = {"load_s": 0.1, "model": "m", "models": ["m"]}

    async def chat(self, messages: list[dict[str, str]], **options: Any) -> AsyncIterator[Event]:
        self.requests.append(messages)
        for index in range(0, len(self.answer), 5):
            yield Token(self.answer[index : index + 5], -1, index)
        yield Reply({"text": self.answer, "finish_reason": "stop", "stats": {"new_tokens": 3}})


def lanes_of(
    called: Called, build: Build, tmp_path: Path, answers: dict[str, FakeEngine]
) -> WizardApp:
    """A wizard whose lanes are answered by these engines, found by the target's label."""

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        called.calls.append(("open_target", (target,), options))
        yield answers[target.label]

    for name in answers:
        if not name.startswith("http"):
            faultkit.tiny_genai(str(tmp_path / name))
    made = tuple(conversion(name, str(tmp_path)) for name in ("int4", "int8"))
    session = FULL.decide(artifacts=made).decide(artifact=str(tmp_path / "int4"))
    return build(
        session=session, first=ChatStep, services=fake_services(called, open_target=open_target)
    )


def step_of(pilot: Pilot[Any]) -> ChatStep:
    assert isinstance(pilot.app.screen, ChatStep)
    return pilot.app.screen


def standing(app: WizardApp) -> list[str]:
    return [
        str(lane.query_one("#standing").render()) for lane in app.screen.query(ConversationColumn)
    ]


# faultkit leaves the files that it wrote to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.slow
async def test_a_new_lane_answers_the_newest_question_after_the_same_turns(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    engines = {"int4": FakeEngine("one two"), "int8": FakeEngine("one too")}
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        await say(pilot, "first")
        await say(pilot, "second")
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await idle(pilot)
        assert engines["int8"].requests == [engines["int4"].requests[1]]
        assert "differs from token 2" in standing(app)[1]
        assert "INT4" in standing(app)[0] and "tok/s" in standing(app)[0]
        await say(pilot, "third")
        assert len(engines["int8"].requests) == 2


@pytest.mark.slow
@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["wide", "narrow"])
async def test_three_lanes_fit_and_a_server_is_compared_by_its_words(
    wizard: Build, called: Called, tmp_path: Path, size: tuple[int, int]
) -> None:
    engines: dict[str, FakeEngine] = {
        "int4": FakeEngine("it stores each weight"),
        "int8": FakeEngine("it stores each weight"),
        SERVER.label: FakeServer("it stores every weight"),
    }
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=size) as pilot:
        await idle(pilot)
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        app.workspace.chat.add(SERVER, network=True)
        await idle(pilot)
        await say(pilot, "What is int4?")
        regions = [lane.region for lane in app.screen.query(ConversationColumn)]
        assert all(region.height >= 4 and region.width >= 25 for region in regions)
        assert len({r.x for r in regions}) == (3 if size[0] > 100 else 1)
        texts = standing(app)
        assert "same as int4" in texts[1]
        assert "differs" in texts[2]
        server = list(app.screen.query(ConversationColumn))[2]
        content = list(server.query("#said"))[-1].render()
        spans = [s for s in content.spans if "reverse" in str(s.style)]  # type: ignore[union-attr]
        assert str(content)[spans[0].start : spans[0].end] == "every"
        opened = [c for c in called.calls if c[0] == "open_target"]
        assert [options["network"] for _, _, options in opened] == [False, False, True]
        await pilot.press("f6")
        await pilot.pause()
        assert app.screen is step_of(pilot), "three are enough"


@pytest.mark.slow
async def test_a_lane_that_dies_leaves_the_others_and_comes_back(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    class Dying(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            if not self.requests:
                self.requests.append(messages)
                raise JobDied("The engine process was ended by SIGSEGV.", hint="Try again.")
            async for event in super().chat(messages, **options):
                yield event

    engines = {"int4": FakeEngine("fine"), "int8": Dying("fine too")}
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await idle(pilot)
        await say(pilot, "one")
        assert [lane.status for lane in app.workspace.chat.conversations] == ["ready", "failed"]
        assert "SIGSEGV" in str(app.screen.query_one("#problem-words").render())
        await say(pilot, "two")
        assert [t.text for t in app.workspace.chat.first.answers] == ["fine", "fine"]
        assert [t.text for t in app.workspace.chat.beside[0].answers] == ["fine too"]
        # A question without an answer is not said again: templates want question and answer in turn.
        assert [m["content"] for m in engines["int8"].requests[-1]] == ["two"]


@pytest.mark.slow
async def test_all_lanes_scroll_together(wizard: Build, called: Called, tmp_path: Path) -> None:
    engines = {"int4": FakeEngine("a b"), "int8": FakeEngine("a " * 300)}
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await idle(pilot)
        for number in range(12):
            await say(pilot, f"question {number}")
        left, right = app.screen.query(Transcript)

        def top(transcript: Transcript) -> int:
            return next(
                i
                for i, m in enumerate(transcript._messages)
                if m.virtual_region.bottom > transcript.scroll_y
            )

        for index in (8, 3, 0):
            left.scroll_to(y=left._messages[index].virtual_region.y, animate=False, immediate=True)
            await pilot.pause()
            assert top(left) == top(right) == index
        right.scroll_end(animate=False, immediate=True)
        await pilot.pause()
        assert left.scroll_y == left.max_scroll_y


@pytest.mark.slow
async def test_the_kept_lane_is_what_the_next_steps_work_on(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    engines: dict[str, FakeEngine] = {
        "int4": FakeEngine("one"),
        SERVER.label: FakeServer("two"),
    }
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(SERVER)
        await idle(pilot)
        await say(pilot, "who?")
        app.workspace.session = app.workspace.chat.keep(
            app.workspace.chat.beside[0], app.workspace.session
        )
        await pilot.pause()
        assert app.workspace.session.target == SERVER.text and app.workspace.chat.beside == []
        assert app.workspace.chat.first.target == SERVER
        assert [t.text for t in app.workspace.chat.first.answers] == ["two"], "the turns stay"
        await say(pilot, "again?")
        assert shown(app).count("two") == 2


@pytest.mark.slow
async def test_a_connected_server_takes_the_place_of_the_artifact(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    engines: dict[str, FakeEngine] = {"int4": FakeEngine("one"), SERVER.label: FakeServer("two")}
    app = lanes_of(called, wizard, tmp_path, engines)
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        chosen = {"target": SERVER.text, "server": "vLLM", "model": "m", "network": False}
        app.workspace.session = app.workspace.session.decide(endpoint=chosen)
        await idle(pilot)
        await say(pilot, "who?")
        assert app.workspace.chat.first.answers[-1].text == "two"
        assert "the server's own" in standing(app)[0]
        await pilot.press("f10")
        await pilot.pause()
        assert app.screen is step_of(pilot), "a server tells no tokens"
        await say(pilot, "/context 64")
        assert "context of its own" in str(app.screen.query_one("#problem-words").render())
        assert app.workspace.chat.first.settings.context is None
        app.workspace.session = app.workspace.session.decide(endpoint=None)
        await idle(pilot)
        assert app.workspace.chat.first.artifact == str(tmp_path / "int4")


@pytest.mark.slow
async def test_the_list_says_both_numbers_and_reaches_servers(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    app = lanes_of(called, wizard, tmp_path, {"int4": FakeEngine("one"), "int8": FakeEngine("two")})
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        rows = candidates(app.workspace.session, app.workspace.chat.first.artifact)
        assert [row.target.kind for row in rows] == ["artifact", "original"]
        for row in rows:
            assert "needs at least" in row.words and "is available" in row.words
        await pilot.press("f6")
        rows_shown = await opened(pilot, ChooseScreen)
        assert rows_shown.query_one(OptionList).option_count == 3
        await pilot.press("end", "enter")
        await pilot.pause()
        assert isinstance(app.screen, ConnectScreen)


def turn(text: str, ids: list[int], pieces: list[str]) -> Turn:
    return Turn("assistant", text, ids=ids, pieces=pieces)


def test_where_two_answers_part() -> None:
    first = turn("a bad cat", [1, 2, 3], ["a", " bad", " cat"])
    assert parting(first, turn("a bad cat", [1, 2, 3], ["a", " bad", " cat"])) is None
    other = turn("a bed", [1, 4], ["a", " bed"])
    assert parting(first, other) == Parting(start=1, end=5, token=1)
    assert parting(other, first) == Parting(start=1, end=5, token=1)
    shorter = turn("a bad", [1, 2], ["a", " bad"])
    assert parting(shorter, first) == Parting(start=5, end=5, token=2)
    # The ids of another tokenizer mean other texts: the words are compared.
    foreign = turn("a bad dog", [3, 2, 9], ["a", " bad", " dog"])
    assert parting(first, foreign) == Parting(start=6, end=9)
    assert parting(first, turn("a bad cat", [7, 8, 9], ["a", " bad", " cat"])) is None
    # Half a character is held back: the difference is seen with the piece that completes it.
    held = turn("a \U0001f44b", [1, 8, 9], ["a", "", " \U0001f44b"])
    assert parting(held, first) == Parting(start=1, end=3, token=1)
    # A server tells no ids: the word in which they differ.
    server = turn("a band cat", [-1], ["a band cat"])
    assert parting(server, first) == Parting(start=2, end=6)
    assert parting(turn("a bad cat", [-1], ["a bad cat"]), first) is None
    assert parting(turn("", [], []), first) == Parting(start=0, end=0)


async def test_every_lane_says_what_its_own_process_takes_now(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    class Here(FakeEngine):
        pid = os.getpid()  # type: ignore[assignment]

    class Away(FakeServer):
        pid = os.getpid()  # type: ignore[assignment]

    app = lanes_of(called, wizard, tmp_path, {"int4": Here("one"), SERVER.label: Away("two")})
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)
        app.workspace.chat.add(SERVER)
        await idle(pilot)
        await app.workspace.take_sample()
        await pilot.pause()
        assert (
            app.workspace.chat.first.rss_bytes is not None
            and app.workspace.chat.first.rss_bytes > 2**20
        )
        assert app.workspace.chat.beside[0].rss_bytes is None, (
            "a server's memory is its own, not the messenger's"
        )


@pytest.mark.slow
async def test_a_neighbour_is_offered_and_any_artifact_can_be_named(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    engines = {name: FakeEngine(name) for name in ("int4", "int8", "other")}
    app = lanes_of(called, wizard, tmp_path, engines)
    (tmp_path / ".firstlight-other-0badcafe").mkdir()
    (tmp_path / ".firstlight-other-0badcafe" / "genai_config.json").write_text("{}")
    async with app.run_test(size=(80, 24)) as pilot:
        await idle(pilot)
        rows = candidates(app.workspace.session, app.workspace.chat.first.artifact)
        assert [row.target.label for row in rows if row.target.kind == "artifact"] == [
            "int8",
            "other",
        ]
        await say(pilot, "who?")
        await say(pilot, f"/beside {tmp_path / 'nowhere'}")
        assert not app.workspace.chat.beside
        await say(pilot, f"/beside {tmp_path / 'other'}")
        await until(pilot, lambda: app.workspace.chat.beside)
        await idle(pilot)
        assert app.workspace.chat.beside[0].answers[-1].text == "other"


def test_what_a_server_does_not_count_is_not_called_tokens() -> None:
    turn = Turn("assistant", "a", stats={"new_tokens": 3, "decode_tps": 9.0})
    assert figures(turn) == "measured: ? → 3 tokens, 9 tok/s"
    turn.stats["counted_by"] = "chunks"
    assert figures(turn) == "measured: ? → 3 pieces, 9 pieces/s"


@pytest.mark.slow
async def test_a_save_overwrites_no_other_conversation(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    app = lanes_of(called, wizard, tmp_path, {"int4": FakeEngine("one"), "int8": FakeEngine("two")})
    folder = tmp_path / "saved"
    async with app.run_test(size=(120, 40)) as pilot:
        await idle(pilot)

        def names() -> list[str]:
            return sorted(path.stem for path in folder.glob("*.jsonl"))

        await say(pilot, "first")
        await say(pilot, f"/save {folder}")
        await say(pilot, "second")
        await say(pilot, f"/save {folder}")
        assert names() == ["conversation"]
        assert "second" in (folder / "conversation.md").read_text()
        await say(pilot, "/clear")
        await say(pilot, "third")
        await say(pilot, f"/save {folder}")
        assert names() == ["conversation", "conversation-2"]
        assert "second" in (folder / "conversation.md").read_text()
        app.workspace.chat.add(artifact_target(str(tmp_path / "int8")))
        await idle(pilot)
        await say(pilot, f"/save {folder}")
        assert names() == ["conversation", "conversation-2", "conversation-3"]
        assert "two" in (folder / "conversation-3.md").read_text()
