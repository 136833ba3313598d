"""The workspace without a screen: long work, the session, and a ledger that no key waits for."""

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.target import artifact_target
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.ledger import TurnValues
from firstlight_core.errors import FirstlightError, StateProblem, UsageError
from firstlight_core.ledger import ANSWERS, Entry, Run
from firstlight_core.process.events import LogLine
from firstlight_core.report.facts import collect_facts
from firstlight_core.session import Session
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.template_draft import TemplateDraft
from firstlight_tui.state.work import OnEvent, Started, WorkKey
from firstlight_tui.state.workspace import Workspace
from tests.support import documents, faultkit
from tests.support.background import LoopTasks
from tests.support.waiting import until
from tests.support.wizard_documents import INFERENCE_MODEL
from tests.support.wizard_services import Called, fake_services

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


TURN: TurnValues = {"kind": "turn", "prompt": "a", "text": "b", "stats": {}}
CONVERT: WorkKey[Any] = WorkKey("convert")
DEPLOY: WorkKey[Any] = WorkKey("deploy")
QUALITY: WorkKey[Any] = WorkKey("quality")


class ConvertStep:
    """A step whose work is called `convert`."""

    STEP_ID = "convert"
    STEP_TITLE = "Convert"
    WORK = "convert"
    ABOUT_A_MODEL = True

    def __init__(self) -> None:
        self.results: list[Any] = []

    def passed_by(self, session: Session) -> bool:
        return False

    def missing(self, session: Session) -> str | None:
        return None

    def done(self, session: Session) -> bool:
        return False

    def finished(self, workspace: Workspace, result: ConversionDocument, seconds: float) -> None:
        self.results.append(result)
        workspace.record("convert", "done", result)


class Desk:
    """A workspace, its step, and what it warned of."""

    def __init__(self, folder: Path) -> None:
        faultkit.tiny_genai(str(folder / "int4"))
        self.tasks, self.step, self.warnings = LoopTasks(), ConvertStep(), list[str]()
        steps: Any = (self.step,)
        self.workspace = Workspace(
            self.tasks,
            navigation=Navigation(steps),
            session=Session(artifact=str(folder / "int4")),
            services=fake_services(Called()),
            warn=self.warnings.append,
        )

    async def ask(self, question: str) -> None:
        chat = self.workspace.chat
        chat.ask(question)
        await until(lambda: not self.tasks.running("asking") and not chat.busy)
        await until(lambda: not self.tasks.running("ledger"))

    def entries(self) -> list[Entry]:
        run = self.workspace.run_record
        return list(run.entries()) if run is not None else []


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.tasks.end()


# Long work --------------------------------------------------------------------------------------------


async def test_work_ends_in_the_session_whichever_step_is_open(desk: Desk) -> None:
    heard: list[str] = []
    release, converted = asyncio.Event(), documents.converted("int4", "/x")

    async def run(on_event: OnEvent, started: Started) -> ConversionDocument:
        started(4711)
        on_event(LogLine("half"))
        await release.wait()
        return converted

    workspace = desk.workspace
    workspace.worked.listen(lambda work: heard.append(work.status))
    work = workspace.start(CONVERT, "The conversion", run, done=desk.step.finished)
    assert workspace.start(CONVERT, "The conversion", run) is work, "it runs already"
    await until(lambda: work.pid == 4711)
    assert workspace.busy == [work]
    assert workspace.leave_question().startswith("The conversion is still running.")
    release.set()
    await until(lambda: not work.running)
    assert desk.step.results == [converted] and workspace.works.result(CONVERT) == converted
    assert heard[-1] == "done"
    assert work.pid is None and list(work.lines) == ["half"]
    await until(lambda: not desk.tasks.running("ledger"))
    assert [entry.step for entry in desk.entries()] == ["convert"]
    assert workspace.leave_question() == ""


async def test_work_that_fails_or_is_cancelled_says_so(desk: Desk) -> None:
    async def fail(on_event: OnEvent, started: Started) -> None:
        raise UsageError("No.")

    async def wait(on_event: OnEvent, started: Started) -> None:
        await asyncio.Event().wait()

    failed = desk.workspace.start(CONVERT, "The conversion", fail)
    await until(lambda: failed.status == "failed")
    assert isinstance(failed.error, FirstlightError) and not desk.step.results
    at_once = desk.workspace.start(DEPLOY, "The deployment", wait)
    desk.workspace.stop_work("deploy")
    assert at_once.status == "cancelled", "nothing of it has run that could say so"
    later = desk.workspace.start(QUALITY, "The check", wait)
    await until(lambda: later.entered)
    desk.workspace.stop_work("quality")
    await until(lambda: later.status == "cancelled")


async def test_another_model_takes_no_name_of_the_one_before(desk: Desk) -> None:
    workspace = desk.workspace
    workspace.session = Session(source="/models/first")
    workspace.drafts.template = TemplateDraft(INFERENCE_MODEL, "/run/artifacts/int4")
    workspace.drafts.chat_template = ("/run/artifacts/int4", "{{ messages }}")
    workspace.session = workspace.session.decide(precisions=("int4",))
    assert workspace.drafts.template is not None, "it is the same model"
    workspace.session = Session(source="/models/second")
    assert workspace.drafts.template is None and workspace.drafts.chat_template is None


async def test_a_new_choice_forgets_the_work_of_the_old_one(desk: Desk) -> None:
    async def fail(on_event: OnEvent, started: Started) -> None:
        raise UsageError("No.")

    workspace, changes = desk.workspace, list[Session]()
    workspace.session_changed.listen(changes.append)
    failed = workspace.start(CONVERT, "The conversion", fail)
    await until(lambda: not failed.running)
    workspace.session = workspace.session
    assert "convert" in workspace.works and not changes, "the same session is no news"
    workspace.session = workspace.session.decide(source="/other")
    assert "convert" not in workspace.works and changes == [workspace.session]


# The ledger -------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_every_turn_of_the_chat_appends_one_line_beside_the_loop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    record, ticks = Run.record, 0

    def slow(run: Run, *arguments: Any, **options: Any) -> Entry:
        threads.add(threading.get_ident())
        time.sleep(0.2)
        return record(run, *arguments, **options)

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    monkeypatch.setattr(Run, "record", slow)
    desk.tasks.begin(tick, group="tick")
    workspace = desk.workspace
    workspace.chat.follow(workspace.session)
    for number, question in enumerate(("What is int4?", "What is int4?", "And int8?"), 1):
        await desk.ask(question)
        assert len(desk.entries()) == number
    answer = workspace.chat.newest_answer
    assert answer is not None
    workspace.chat.rate(answer, 4)
    await until(lambda: not desk.tasks.running("ledger"))
    entries = desk.entries()
    assert [(entry.step, entry.values["prompt"]) for entry in entries] == [
        ("chat", "What is int4?"),
        ("chat", "What is int4?"),
        ("chat", "And int8?"),
    ], "one line a turn, none for a rating"
    assert all(set(entry.values) == {"kind", "prompt", "text", "stats"} for entry in entries)
    assert threading.get_ident() not in threads
    assert ticks > 20, "the loop went on while the disk was slow"
    assert workspace.session.chat is not None and workspace.session.chat["ratings"] == [4]
    # A wizard that is killed now leaves a run that knows the whole conversation.
    assert workspace.run_record is not None
    chat = collect_facts(workspace.run_record).chat
    assert chat is not None and chat["kind"] == "turns"
    assert [turn["prompt"] for turn in chat["turns"]] == [
        "What is int4?",
        "What is int4?",
        "And int8?",
    ]


async def test_answers_of_a_compared_model_are_kept_under_its_name(
    desk: Desk, tmp_path: Path
) -> None:
    workspace = desk.workspace
    workspace.chat.follow(workspace.session)
    faultkit.tiny_genai(str(tmp_path / "int8"))
    workspace.chat.add(artifact_target(tmp_path / "int8"))
    await desk.ask("What is int4?")
    named = [(entry.values["prompt"], entry.values.get("by")) for entry in desk.entries()]
    assert named == [("What is int4?", None), ("What is int4?", "int8")]
    assert workspace.run_record is not None
    chat = collect_facts(workspace.run_record).chat
    assert chat is not None and chat["kind"] == "turns" and len(chat["turns"]) == 1


async def test_a_line_that_waits_is_written_before_a_later_one_and_at_the_end(desk: Desk) -> None:
    ledger = desk.workspace.ledger
    ledger.append("chat", "done", TURN)
    ledger.append("wizard", "done", {"how": "finished"})
    ledger.append("chat", "done", TURN)
    desk.tasks.cancel("ledger")
    ledger.flush()
    assert [entry.step for entry in desk.entries()] == ["chat", "wizard", "chat"]


async def test_no_line_is_written_on_the_loop_and_the_order_holds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    record, disk = Run.record, threading.RLock()

    def slow(run: Run, *arguments: Any, **options: Any) -> Entry:
        with disk:
            threads.append(threading.get_ident())
        time.sleep(0.01)
        return record(run, *arguments, **options)

    monkeypatch.setattr(Run, "record", slow)
    workspace, steps = desk.workspace, list[str]()
    for number in range(12):
        step = ("environment", "model", "convert", "wizard")[number % 4]
        steps.append(step)
        # No other thread writes while the loop has the disk.
        with disk:
            before = len(threads)
            workspace.record(step, "done", {"how": "finished"}, seconds=float(number))
            assert len(threads) == before, "the call returned before its line was written"
        if number % 5 == 4:
            await asyncio.sleep(0.015)
        if number == 7:
            # A reader in between gets every line that was appended before it asked.
            run = await workspace.ledger.written()
            assert run is not None and [entry.step for entry in run.entries()] == steps
    await workspace.ledger.written()
    entries = desk.entries()
    assert [entry.step for entry in entries] == steps
    assert [entry.seconds for entry in entries] == [float(number) for number in range(12)]
    assert threading.get_ident() not in threads


async def test_a_dropped_run_goes_beside_the_loop_and_the_next_line_begins_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, removed = desk.workspace.ledger, list[int]()
    remove = shutil.rmtree

    def noted(folder: Path, **options: Any) -> None:
        removed.append(threading.get_ident())
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", noted)
    ledger.append(ANSWERS, "done", {"at_step": "model", "answers": {}})
    first = await ledger.written()
    assert first is not None
    ledger.drop()
    ledger.append(ANSWERS, "done", {"at_step": "precision", "answers": {}})
    second = await ledger.written()
    assert second is not None
    assert [entry.values["at_step"] for entry in desk.entries()] == ["precision"]
    assert removed and threading.get_ident() not in removed


async def test_a_full_disk_is_a_warning_and_the_next_line_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run: Run, *arguments: Any, **options: Any) -> Entry:
        raise StateProblem("The disk is full.", hint="Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", full)
        desk.workspace.record("wizard", "done", {"how": "finished"})
        desk.workspace.ledger.append("chat", "done", TURN)
        await until(lambda: len(desk.warnings) == 2)
    assert desk.warnings == ["The disk is full. Make room."] * 2
    desk.workspace.ledger.append("chat", "done", TURN)
    await until(lambda: len(desk.entries()) == 1)
