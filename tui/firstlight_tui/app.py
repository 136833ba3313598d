"""The application: holds the session, walks the steps, owns the running work, samples the machine."""

import asyncio
import math
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.reactive import reactive
from textual.signal import Signal

from firstlight_core.conversion.progress import HELD
from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import Run as LedgerRun
from firstlight_core.monitor import History, Sample, read_sample
from firstlight_core.paths import Paths, find_paths
from firstlight_core.session import Session
from firstlight_core.steps import outdated_steps
from firstlight_core.workflow.services import Services
from firstlight_themes import load_themes
from firstlight_tui.modals import ConfirmScreen, HelpScreen
from firstlight_tui.modals.connect import connect
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.tasks import AppTasks
from firstlight_tui.state.work import Run, Work, begin
from firstlight_tui.steps import STEPS
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.terminal import escape_guard, key_queue
from firstlight_tui.terminal.idle import LOOK_SECONDS, IdleTasks, read_styles, screens_of
from firstlight_tui.widgets.screens import BaseScreen

REPAINT_SECONDS = 0.1
SWEEP_SECONDS = 2.0
"""After the first paint: nobody waits for it."""


class WizardApp(App[int]):
    """The wizard. Everything that cannot be controlled is an argument with a real default."""

    TITLE = "Firstlight"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    BINDINGS: ClassVar[list[BindingType]] = [
        # With priority it works over a dialog too.
        Binding(
            "ctrl+q",
            "quit",
            "Quit",
            id="app.quit",
            tooltip="Leave; asks while a job runs",
            priority=True,
        ),
        Binding("f1", "help", "Help", id="app.help", tooltip="Keys and what this step is for"),
        Binding(
            "ctrl+g,f9",
            "connect",
            "Connect",
            id="app.connect",
            show=False,
            tooltip="Talk to, measure and check a running server instead",
        ),
        Binding("f2", "themes", "Theme", id="app.theme", show=False, tooltip="Choose a theme"),
    ]

    session: reactive[Session] = reactive(Session())

    def __init__(
        self,
        *,
        session: Session | None = None,
        steps: tuple[type[StepScreen], ...] = STEPS,
        first: type[StepScreen] | None = None,
        services: Services | None = None,
        history: History | None = None,
        paths: Paths | None = None,
        demo: bool = False,
        sample_every: float = 1.0,
        quiet: IdleTasks | None = None,
    ) -> None:
        escape_guard.install()
        super().__init__()
        self.steps = steps
        self.services = services or Services()
        self.paths = paths or find_paths()
        self.demo = demo
        self.history = history or History(read=self._read)
        self.sampled: Signal[Sample] = Signal(self, "sampled")
        self.worked: Signal[Work] = Signal(self, "worked")
        self.works: dict[str, Work] = {}
        self.chat = Chat(self.services.open_target, AppTasks(self))
        self.run_record: LedgerRun | None = None
        self.kept: dict[str, Any] = {}
        """What a step keeps between two visits: an unsaved draft, the address of a running service."""
        self._at = first or steps[0]
        """The step on the screen, or the last one that was."""
        self._leave_question: ConfirmScreen | None = None
        self._sample_every = sample_every
        self._typed = key_queue.Queue(self, super().on_event)
        self._quiet = quiet
        """The chores between the keys; the wizard of a test has none."""
        if session is not None:
            self.set_reactive(WizardApp.session, session)
        themes, self.theme_failures = load_themes(self.paths.config / "themes")
        for theme in themes:
            self.register_theme(theme)
        self.theme = "firstlight"

    def get_driver_class(self) -> type[Driver]:
        """The driver for this platform, which the end of the terminal does not stop."""
        found = super().get_driver_class()
        if sys.platform != "win32":
            from textual.drivers.linux_driver import LinuxDriver

            from firstlight_tui.terminal.driver import LastingDriver

            return LastingDriver if found is LinuxDriver else found
        return found

    def _read(self) -> Sample:
        work = next((w for w in self.works.values() if w.running and w.pid), None)
        # A conversion is several processes; the core adds them up.
        if work is not None and (held := work.measured.get(HELD)):
            return replace(read_sample(None, Path.home()), job_rss=int(held))
        return read_sample(work.pid if work else self.chat.first.pid, Path.home())

    @property
    def decode_rate(self) -> float | None:
        """Tokens a second of whatever decodes now: a measurement, or the chat as long as somebody is there to answer."""
        for work in self.busy:
            if rate := work.measured.get("decode_tps"):
                return rate
        return self.chat.first.decode_rate if self.chat.first.available else None

    @property
    def since_key(self) -> float:
        """Seconds since the last key or movement of the mouse."""
        return self._quiet.rested if self._quiet is not None else math.inf

    async def on_event(self, event: events.Event) -> None:
        """Every key and every movement of the mouse passes here."""
        if self._quiet is not None and isinstance(event, events.InputEvent):
            self._quiet.touch()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._typed.take(event)
        else:
            await super().on_event(event)

    async def on_passed(self, message: key_queue.Passed) -> None:
        """A key has been dealt with."""
        await self._typed.passed(message.number)

    def hold_keys(self) -> None:
        """Somebody holds a key back, and will send it `keys_again`: those behind it wait."""
        self._typed.hold()

    def keys_again(self, held: Callable[[], list[key_queue.Typed]]) -> None:
        """Send keys once more, before all that came later; `held` is asked for them when none is on its way."""
        self._typed.again(held)

    def on_mount(self) -> None:
        read_styles(self, screens_of("firstlight_tui"))
        if self._quiet is not None:
            self.set_interval(LOOK_SECONDS, self._quiet.look)
        self.push_screen(self._at())
        self.set_interval(REPAINT_SECONDS, self._publish_works)
        self.set_interval(self._sample_every, self._take_sample)
        self.call_after_refresh(self._take_sample)
        self.set_timer(SWEEP_SECONDS, self._sweep)
        if sys.platform != "win32":
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                loop.add_signal_handler(number, self._leave_on, int(number))

    def on_unmount(self) -> None:
        if sys.platform != "win32":
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                loop.remove_signal_handler(number)

    def _leave_on(self, number: int) -> None:
        self.exit(return_code=128 + number)

    async def _sweep(self) -> None:
        """Remove what a wizard that was killed has left half-done."""
        await asyncio.to_thread(self.services.sweep_staging)

    async def _take_sample(self) -> None:
        await asyncio.to_thread(self.history.take)
        self.sampled.publish(self.history.last)

    def _publish_works(self) -> None:
        for work in list(self.works.values()):
            if work.dirty or work.running:
                work.dirty = False
                self.worked.publish(work)

    def watch_session(self, before: Session, after: Session) -> None:
        """Forget the ended work of another model or choice: what failed for that one need not fail for this one."""
        outdated = outdated_steps(after.changed_since(before))
        for step in self.steps:
            work = self.works.get(step.WORK) if step.STEP_ID in outdated else None
            if work is not None and not work.running:
                del self.works[step.WORK]

    # Work -----------------------------------------------------------------------------------------

    def start(self, name: str, label: str, run: Run, *, only_looks: bool = False) -> Work:
        """Begin long work; while one of that name runs, it is returned instead (idempotent).

        Nothing is lost when work that `only_looks` is ended, so nobody is asked.
        """
        if (found := self.works.get(name)) is not None and found.running:
            return found
        work = self.works[name] = Work(name, label, only_looks)
        begin(self, partial(self._carry_out, work, run), name=name, group=name)
        return work

    async def _carry_out(self, work: Work, run: Run) -> None:
        def started(pid: int) -> None:
            work.pid = pid

        work.entered = True
        try:
            work.result = await run(work.hear, started)
            work.end("done")
            # The step that asked for it may not be on the screen any more; its answer counts all the same.
            for step in self.steps:
                if work.name == step.WORK:
                    step.finished(self, work.result, work.seconds)
        except FirstlightError as error:
            work.error = error
            work.end("failed")
        except asyncio.CancelledError:
            work.end("cancelled")
            raise
        finally:
            self._publish_works()

    def stop_work(self, name: str) -> None:
        """Cancel long work; its process group is ended."""
        if (work := self.works.get(name)) is not None and work.running:
            self.workers.cancel_group(self, name)
            if not work.entered:
                # Cancelled before its first step: nothing of it runs that could say so.
                work.end("cancelled")
                self._publish_works()

    @property
    def busy(self) -> list[Work]:
        """The work that is running now."""
        return [work for work in self.works.values() if work.running]

    def run_folder(self) -> Path:
        """The folder of this run, made when the first step has something to keep.

        Raises:
            StateProblem: it cannot be made.
        """
        if self.run_record is None:
            name = self.session.source or self.session.artifact or "model"
            self.run_record = LedgerRun.create(self.paths.model_name(name), runs=self.paths.runs)
        return self.run_record.folder

    def record(self, step: str, status: str, **values: Any) -> None:
        """Note in the run's ledger what a step did; a full disk is told, never fatal."""
        try:
            self.run_folder()
            assert self.run_record is not None
            seconds = float(values.get("seconds", 0.0))
            self.run_record.record(step, status, seconds=seconds, values=values)
        except FirstlightError as error:
            self.notify(f"{error} {error.hint}", severity="warning", markup=False)

    # Walking --------------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The index of the step on the screen; after the end, of the last one."""
        return self.steps.index(self._at)

    def go(self, offset: int) -> None:
        """Move to the next, or previous, step that has something to ask."""
        index = self.position + offset
        while 0 <= index < len(self.steps) and self.steps[index].passed_by(self.session):
            index += offset
        if 0 <= index < len(self.steps):
            self.open_step(self.steps[index])

    def open_step(self, step: type[StepScreen]) -> None:
        """Show a step; the one on the screen gives way, as soon as it is complete."""
        self._at = step
        self.show_step()

    def show_step(self) -> None:
        """Show where we are, unless it is there; a step calls this when its parts are there, keys may be faster."""
        if self.return_code is not None:
            # It is being left.
            return
        shown = self.screen
        if type(shown) is self._at or (isinstance(shown, StepScreen) and not shown.complete):
            return
        if isinstance(shown, BaseScreen):
            shown.leave()
        self.switch_screen(self._at())

    # Actions --------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave, after a question when work is running."""
        lost = [work.label for work in self.busy if not work.only_looks]
        if not lost:
            self.exit(0)
            return
        if self._leave_question in self.screen_stack:
            return
        question = (
            f"{' and '.join(lost)} {'is' if len(lost) == 1 else 'are'} still running. Stop and quit? "
            "No partial files will be left."
        )
        self._leave_question = ConfirmScreen(question, yes="Stop and quit", no="Stay")
        self.push_screen(self._leave_question, self._leave_if)

    def _leave_if(self, yes: bool | None) -> None:
        if yes:
            self.exit(0)

    def action_help(self) -> None:
        """Show the keys and what the open step is for."""
        if isinstance(self.screen, StepScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_connect(self) -> None:
        """Choose a running server for Chat, Benchmark and Quality."""
        if isinstance(self.screen, StepScreen):
            connect(self)

    def action_themes(self) -> None:
        """Choose a theme from the palette."""
        self.search_themes()
