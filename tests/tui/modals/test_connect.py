"""Connect: what answers is listed, chosen, asked; and every fault of a server is one sentence with the history kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList

from firstlight_core.inference.endpoint import find_servers
from firstlight_core.inference.open_target import open_target
from firstlight_core.inference.servers import ServerLimits, typed_address
from firstlight_core.measure.quality_verdict import give_verdict
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.connect import ConnectScreen
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets import StepChosen, Words
from firstlight_tui.widgets.ask import Ask
from tests.support import faultkit
from tests.support.measured_documents import qualities_document, quality_document
from tests.support.pilot import SIZES, Build, settle
from tests.support.scripted_server import Script, piece, serving
from tests.support.wizard_documents import FULL, QUALITY, conversion
from tests.support.wizard_services import Called, fake_services

FOUND = [
    {
        "name": "Ollama",
        "base_url": "http://127.0.0.1:11434/v1",
        "ok": True,
        "models": ["tiny:1b", "large:70b"],
        "seconds": 0.01,
    },
    {
        "name": "vLLM",
        "base_url": "http://127.0.0.1:8000/v1",
        "ok": False,
        "models": [],
        "sentence": "127.0.0.1:8000 does not answer: Connection refused.",
        "hint": "Start it.",
    },
]
TINY = {
    "target": "http://127.0.0.1:11434/v1#tiny:1b",
    "server": "Ollama",
    "model": "tiny:1b",
    "network": False,
}


class Finder:
    """What `find_servers` was asked, and what it answers."""

    def __init__(self, servers: Sequence[dict[str, Any]] = FOUND) -> None:
        self.servers = servers
        self.searches: list[tuple[str | None, bool]] = []
        self.known: list[tuple[str, str]] = []

    async def __call__(
        self, address: str | None = None, *, known: Sequence[tuple[str, str]], network: bool
    ) -> Sequence[dict[str, Any]]:
        self.searches.append((address, network))
        self.known = list(known)
        return self.servers


def services(called: Called, finder: Any, **more: Any) -> Services:
    return fake_services(called, find_servers=finder, list_background=list, **more)


def words(app: WizardApp, selector: str) -> str:
    """What stands there; nothing as long as nothing does."""
    return "\n".join(str(widget.render()) for widget in app.screen.query(selector))


async def choose_first(pilot: Pilot[Any]) -> None:
    await pilot.press("ctrl+g")
    await settle(pilot)
    await pilot.press("enter")
    await settle(pilot)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_servers_are_listed_and_one_is_chosen_by_keys(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    finder = Finder()
    app = wizard(session=Session(), first=ModelStep, services=services(called, finder))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot)
        assert isinstance(app.screen, ConnectScreen)
        assert finder.searches == [(None, False)]
        assert ("Ollama", "http://127.0.0.1:11434/v1") in finder.known
        rows = app.screen.query_one("#servers", OptionList)
        assert [str(option.prompt) for option in rows.options] == [
            "○ tiny:1b  Ollama  127.0.0.1:11434",
            "○ large:70b  Ollama  127.0.0.1:11434",
        ]
        assert words(app, "#silent") == "No usable answer from: vLLM (8000)."
        for part in app.screen.query("OptionList, Input, Button"):
            assert part.region.bottom < size[1] and part.region.right < size[0]
        await pilot.press("enter")
        await settle(pilot)
        assert app.workspace.session.endpoint == TINY
        assert "A running server" in words(app, "#facts")
        # What is about a model of one's own is passed by.
        assert str(app.screen.query_one("#primary", Button).label) == "Next: Chat"
        await pilot.press("ctrl+n")
        await settle(pilot)
        assert isinstance(app.screen, ChatStep)
        target = called.calls[-1][1][0]
        assert (called.names()[-1], target.base_url) == ("open_target", "http://127.0.0.1:11434/v1")
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert isinstance(app.screen, ModelStep)


@pytest.mark.slow
async def test_the_mouse_alone_chooses_and_disconnects(wizard: Build, called: Called) -> None:
    app = wizard(session=FULL, first=ModelStep, services=services(called, Finder()))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.action_connect()
        await settle(pilot)
        await pilot.click("#servers", offset=(3, 1))
        await settle(pilot)
        assert app.workspace.session.target == "http://127.0.0.1:11434/v1#large:70b"
        # Figures of the artifact are not the server's; the artifact itself stays.
        assert (app.workspace.session.benchmark, app.workspace.session.quality) == (None, None)
        assert (app.workspace.session.artifact, app.workspace.session.template) == (
            FULL.artifact,
            FULL.template,
        )
        app.action_connect()
        await settle(pilot)
        rows = app.screen.query_one("#servers", OptionList)
        assert str(rows.options[1].prompt).startswith("● large:70b")
        await pilot.click("#disconnect")
        await settle(pilot)
        assert (app.workspace.session.endpoint, app.workspace.session.target) == (
            None,
            FULL.artifact,
        )


@pytest.mark.slow
async def test_a_typed_address_is_asked_and_its_fault_told(wizard: Build, called: Called) -> None:
    finder = Finder()
    app = wizard(session=Session(), first=DeployStep, services=services(called, finder))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot)
        field = app.screen.query_one("#address", Input)
        field.focus()
        field.value = "localhost:8000"
        finder.servers = FOUND[1:]
        await pilot.press("enter")
        await settle(pilot)
        assert finder.searches[-1] == ("http://localhost:8000/v1", False)
        assert words(app, "#state") == "No server answers."
        assert "does not answer: Connection refused. Start it." in words(app, "#fault")
        finder.servers = FOUND[:1]
        field.value = "127.0.0.1:11434/v1#large:70b"
        await pilot.press("enter")
        await settle(pilot)
        rows = app.screen.query_one("#servers", OptionList)
        assert len(rows.options) == 1
        assert words(app, "#fault") == ""
        await pilot.press("enter")
        await settle(pilot)
        assert (
            app.workspace.session.endpoint is not None
            and app.workspace.session.endpoint["model"] == "large:70b"
        )


async def test_who_types_while_it_looks_goes_on_typing(wizard: Build, called: Called) -> None:
    looked = asyncio.Event()

    async def find(address: str | None, **options: Any) -> Sequence[dict[str, Any]]:
        await looked.wait()
        return FOUND

    app = wizard(session=Session(), first=ModelStep, services=services(called, find))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+g", *"lo")
        looked.set()
        await settle(pilot)
        assert len(app.screen.query_one("#servers", OptionList).options) == 2
        await pilot.press("c")
        assert app.screen.query_one("#address", Input).value == "loc"


@pytest.mark.slow
@pytest.mark.parametrize("yes", [False, True])
async def test_another_machine_is_asked_only_after_a_yes(
    wizard: Build, called: Called, yes: bool
) -> None:
    finder = Finder()
    app = wizard(session=Session(), first=ModelStep, services=services(called, finder))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot)
        field = app.screen.query_one("#address", Input)
        field.focus()
        field.value = "http://gpu.example:8000"
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        text = str(app.screen.query_one(Words).render())
        assert "gpu.example:8000 is another machine" in text and "Plain http" in text
        await pilot.click("#yes" if yes else "#no")
        await settle(pilot)
        assert finder.searches[1:] == ([("http://gpu.example:8000/v1", True)] if yes else [])
        if yes:
            await pilot.press("enter")
            await settle(pilot)
            assert app.workspace.session.network is True


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", ["http://", "user:word@host", "http://[::1", "ftp://x/y", "a b"]
)
async def test_what_is_no_address_is_a_sentence(
    wizard: Build, called: Called, address: str
) -> None:
    app = wizard(session=Session(), first=ModelStep, services=services(called, find_servers))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        screen = ConnectScreen(partial(find_servers))
        app.push_screen(screen)
        await settle(pilot)
        field = screen.query_one("#address", Input)
        field.focus()
        field.value = address
        await pilot.press("enter")
        await settle(pilot)
        if isinstance(app.screen, ConfirmScreen):
            await pilot.click("#yes")
            await settle(pilot)
        assert "is no address of a server" in words(app, "#fault")
        assert isinstance(app.screen, ConnectScreen)


def test_an_address_is_completed() -> None:
    assert typed_address(" localhost:1234 ") == "http://localhost:1234/v1"
    assert typed_address("http://a:1/#m") == "http://a:1/v1#m"
    assert typed_address("https://a/api/v3") == "https://a/api/v3"
    assert typed_address("  ") == ""


@pytest.mark.slow
async def test_hostile_names_are_only_text(wizard: Build, called: Called) -> None:
    hostile = {**FOUND[0], "models": [faultkit.PAYLOAD], "name": faultkit.PAYLOAD}
    fault = {**FOUND[1], "sentence": faultkit.PAYLOAD, "hint": faultkit.PAYLOAD}
    finder = Finder([hostile])
    app = wizard(session=Session(), first=ModelStep, services=services(called, finder))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot)
        rows = app.screen.query_one("#servers", OptionList)
        assert faultkit.leaks(str(rows.options[0].prompt).encode()) == []
        finder.servers = [fault]
        app.screen.query_one("#address", Input).value = "localhost:1"
        app.screen.query_one("#address", Input).focus()
        await pilot.press("enter")
        await settle(pilot)
        for selector in ("#fault", "#silent", "#state"):
            assert faultkit.leaks(words(app, selector).encode()) == []
        finder.servers = [hostile]
        await pilot.press("f5")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert app.workspace.session.endpoint is not None
        assert faultkit.leaks(words(app, "#facts").encode()) == []
        assert faultkit.leaks(app.export_screenshot().encode()) == []


async def test_steps_about_a_model_say_why_they_do_not_apply(wizard: Build, called: Called) -> None:
    app = wizard(
        session=Session(endpoint=TINY), first=ModelStep, services=services(called, Finder())
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        ids = [step.STEP_ID for step in app.steps]
        app.screen.post_message(StepChosen(ids.index("convert")))
        await settle(pilot)
        assert isinstance(app.screen, ModelStep)
        (notice,) = app._notifications
        assert notice.message == "Convert needs a model of your own; Ctrl+G disconnects the server."
        app.screen.post_message(StepChosen(ids.index("quality")))
        await settle(pilot)
        assert isinstance(app.screen, QualityStep)


async def test_choosing_a_model_leaves_the_server(wizard: Build, called: Called) -> None:
    session = FULL.decide(endpoint=TINY)
    app = wizard(session=session, first=ModelStep, services=services(called, Finder()))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.query_one("#models").focus()
        await pilot.press("enter")
        await settle(pilot)
        assert app.workspace.session.endpoint is None


# Measuring on a server ---------------------------------------------------------------------------


@pytest.mark.slow
async def test_benchmark_and_quality_ask_the_server(wizard: Build, called: Called) -> None:
    ratings = {"kind": "conversation", "turns": [], "stats": [], "ratings": [5, 3]}
    session = FULL.decide(endpoint={**TINY, "network": True}).decide(chat=ratings)
    app = wizard(session=session, first=BenchmarkStep, services=services(called, Finder()))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        name, arguments, options = called.calls[-1]
        # Beside the artifact that was converted in this run.
        assert (name, arguments) == ("benchmark", ([FULL.artifact, TINY["target"]],))
        assert options["network"] is True
        await pilot.press("c")
        await settle(pilot)
        assert called.calls[-1][1] == ([TINY["target"]],)
        assert called.calls[-1][2]["clients"] == (1, 2, 4, 8)
        await pilot.press("o")
        await settle(pilot)
        assert called.calls[-1][1] == ([FULL.artifact],)
        assert called.calls[-1][2]["through_foundry"] is True
        await pilot.press("ctrl+n")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        name, arguments, options = called.calls[-1]
        assert (name, arguments) == ("check_quality", ([TINY["target"]],))
        assert (options["reference"], options["network"]) == (None, True)
        assert options["ratings"] == [5, 3]


async def test_every_converted_precision_is_checked_and_shown(
    wizard: Build, called: Called
) -> None:
    made = (conversion("int4"), conversion("int8"))
    drift = QUALITY["drift"]
    verdict, _ = give_verdict([], drift)
    both = qualities_document(
        *[
            quality_document(str(converted["artifact"]), drift=drift, verdict=verdict)
            for converted in made
        ]
    )

    async def check(targets: list[str], **options: Any) -> dict[str, Any]:
        called.calls.append(("check_quality", (targets,), options))
        return both

    given = services(called, Finder(), check_quality=check)
    rated = FULL.decide(artifacts=made).decide(
        chat={"kind": "conversation", "turns": [], "stats": [], "ratings": [1]}
    )
    app = wizard(session=rated, first=QualityStep, services=given)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f4")
        await settle(pilot)
        assert called.calls[-1][1] == (["/models/out/int4", "/models/out/int8"],)
        # The rating was given to one of them only.
        assert called.calls[-1][2]["ratings"] == []
        assert called.calls[-1][2]["reference"] is not None
        text_on_screen = " ".join(words(app, "#checks").split())
        assert "int4 " in text_on_screen and "int8 " in text_on_screen
        assert text_on_screen.count("it chooses the original's token in 99.0% of cases") == 2


async def test_without_a_server_several_clients_ask_the_artifact(
    wizard: Build, called: Called
) -> None:
    app = wizard(session=FULL, first=BenchmarkStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("c")
        await settle(pilot)
        name, arguments, options = called.calls[-1]
        assert (name, arguments) == ("benchmark", ([FULL.artifact],))
        assert options["clients"] == (1, 2, 4, 8)


# Real servers ------------------------------------------------------------------------------------


@pytest.fixture
def script() -> Iterator[Script]:
    with serving() as script:
        script.say("All", " is", " well.")
        yield script


def connected(script: Script, called: Called) -> dict[str, Any]:
    """A wizard's arguments: the real way to the server, with short limits."""
    limits = ServerLimits(silence=2.0, answer=20.0, wait=0.2)

    @asynccontextmanager
    async def opened(target: Any, **options: Any) -> AsyncIterator[Any]:
        async with open_target(target, limits=limits, **options) as server:
            yield server

    endpoint = {**TINY, "target": f"{script.url}#one", "model": "one"}
    return {
        "session": Session(endpoint=endpoint),
        "first": ChatStep,
        "services": services(called, find_servers, open_target=opened),
    }


async def until(pilot: Pilot[Any], true: Callable[[], bool]) -> None:
    """Until it is true; the time limit is for a test that hangs."""
    for _ in range(3000):
        if true():
            return
        await pilot.pause(0.02)
    talk = pilot.app.workspace.chat.first  # type: ignore[attr-defined]
    rows_shown = [str(w.render()) for w in pilot.app.screen.query("#problem-words")]
    lines = [turn.text for turn in talk.turns]
    raise AssertionError(f"it did not become true: {talk.status} {lines} {talk.error} {rows_shown}")


async def say(pilot: Pilot[Any], text: str) -> None:
    await pilot.press(*("space" if c == " " else c for c in text), "enter")
    await pilot.pause()


def refuse(status: int) -> Callable[[Script], None]:
    return lambda script: setattr(script, "status", status)


def speak(*lines: bytes, **settings: Any) -> Callable[[Script], None]:
    def set_up(script: Script) -> None:
        script.lines = list(lines)
        for name, value in settings.items():
            setattr(script, name, value)

    return set_up


FAULTS: dict[str, tuple[Callable[[Script], None], str, str]] = {
    "stalls": (speak(piece("half "), stall=True), "was silent for", "half "),
    "dies": (speak(piece("half ")), "broke off in the middle", "half "),
    "garbage": (speak(piece("half "), b"data: {{{\n\n"), "cannot be used", "half "),
    "no stream": (speak(b"<html>hello</html>"), "not with a stream", ""),
    "401": (refuse(401), "wants an API key", ""),
    "404": (refuse(404), "does not know", ""),
    "429": (refuse(429), "too busy", ""),
    "500": (refuse(500), "answers 500", ""),
    "redirect": (refuse(307), "follows no redirect", ""),
    "hostile": (speak(b'data: {"error": {"message": "\\u001b]52;c;x\\u0007"}}\n\n'), "reports", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_in_the_chat_is_one_sentence_and_the_history_stays(
    wizard: Build, called: Called, script: Script, name: str
) -> None:
    set_up, sentence, half = FAULTS[name]
    app = wizard(**connected(script, called))
    async with app.run_test(size=(100, 30)) as pilot:
        talk = app.workspace.chat.first
        await until(pilot, lambda: talk.status == "ready")
        await say(pilot, "one")
        await until(pilot, lambda: bool(talk.turns and talk.turns[-1].finish_reason))
        assert talk.turns[-1].text == "All is well."
        good = list(script.lines)
        set_up(script)
        await say(pilot, "two")
        await until(pilot, lambda: sentence in words(app, "#problem-words"))
        text_on_screen = words(app, "#problem-words")
        assert faultkit.leaks(text_on_screen.encode()) == [] and "Traceback" not in text_on_screen
        remaining = [(turn.role, turn.text) for turn in talk.turns]
        assert remaining[:3] == [("user", "one"), ("assistant", "All is well."), ("user", "two")]
        assert [text for _, text in remaining[3:]] == ([half] if half else [])
        # The server is well again: the conversation goes on.
        script.lines, script.stall, script.status = good, False, 200
        await until(pilot, lambda: talk.status == "ready")
        await say(pilot, "three")
        await until(pilot, lambda: bool(talk.turns[-1].finish_reason))
        assert (talk.turns[-2].text, talk.turns[-1].text) == ("three", "All is well.")
        contents = [message["content"] for message in script.requests[-1]["messages"]]
        assert contents[:2] == ["one", "All is well."] and contents[-1] == "three"


@pytest.mark.slow
async def test_an_answer_without_end_is_cut_and_kept(
    wizard: Build, called: Called, script: Script
) -> None:
    app = wizard(**connected(script, called))
    async with app.run_test(size=(100, 30)) as pilot:
        talk = app.workspace.chat.first
        await until(pilot, lambda: talk.status == "ready")
        script.lines, script.repeat = [], piece("on ")
        await say(pilot, "go")
        await until(pilot, lambda: bool(talk.turns and talk.turns[-1].finish_reason))
        assert talk.turns[-1].finish_reason == "length"
        assert talk.turns[-1].text.startswith("on on on ")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["/regex yes|no", '/schema {"type": "object"}'])
async def test_a_form_that_a_server_takes_none_of_is_one_sentence(
    wizard: Build, called: Called, script: Script, form: str
) -> None:
    app = wizard(**connected(script, called))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.workspace.chat.first.status == "ready")
        app.screen.query_one("#ask", Ask).text = form
        await pilot.press("enter")
        await until(pilot, lambda: "cannot be held to" in words(app, "#problem-words"))
        assert app.workspace.chat.first.settings.form() == {}


@pytest.mark.slow
async def test_a_dead_server_is_one_sentence_and_the_question_stays(
    wizard: Build, called: Called
) -> None:
    endpoint = {**TINY, "target": "http://127.0.0.1:1/v1#gone"}
    given = services(called, find_servers, open_target=open_target)
    app = wizard(session=Session(endpoint=endpoint), first=ChatStep, services=given)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "does not answer" in words(app, "#problem-words"))
        await say(pilot, "hello")
        await until(pilot, lambda: app.workspace.chat.first.status == "failed")
        assert [turn.text for turn in app.workspace.chat.first.turns] == ["hello"]
        assert "127.0.0.1:1 does not answer: Connection refused" in words(app, "#problem-words")


@pytest.mark.slow
async def test_a_whole_walk_on_a_server(wizard: Build, script: Script) -> None:
    """Found by its address, talked to, measured, checked, reported: with the real core, and no artifact at all."""
    script.counts = True
    app = wizard(session=Session(), first=ModelStep, services=Services())
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        app.action_connect()
        await settle(pilot)
        field = app.screen.query_one("#address", Input)
        field.focus()
        field.value = script.url.removeprefix("http://").removesuffix("/v1")
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query_one("#servers", OptionList).options))
        await pilot.press("enter", "ctrl+n")
        await until(pilot, lambda: app.workspace.chat.first.status == "ready")
        await say(pilot, "hi")
        await until(pilot, lambda: app.workspace.session.chat is not None)
        for step, name in ((BenchmarkStep, "benchmark"), (QualityStep, "quality")):
            await pilot.press("ctrl+n")
            await until(pilot, lambda step=step: isinstance(app.screen, step))  # type: ignore[misc]
            await pilot.press("enter")
            await until(pilot, lambda name=name: getattr(app.workspace.session, name) is not None)  # type: ignore[misc]
        assert (
            app.workspace.session.benchmark is not None
            and app.workspace.session.quality is not None
        )
        (result,) = app.workspace.session.benchmark["results"]
        assert "rss_bytes" not in result and result["model"] == "one"
        status = {check["id"]: check["status"] for check in app.workspace.session.quality["checks"]}
        assert (status["memory-leak"], status["answer-format"]) == ("not-run", "pass")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: isinstance(app.screen, SummaryStep))
        await until(
            pilot,
            lambda: "report" in app.workspace.works and not app.workspace.works["report"].running,
        )
        assert "Connected to a running server" in words(app, "#closing")
        assert app.workspace.works["report"].result is not None
        assert "run_toml" not in app.workspace.works["report"].result
        report = app.workspace.run_folder() / "report.md"
        assert "asked a running server on this machine" in report.read_text()
