"""The base class of the steps' screens."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Button

from firstlight_core.errors import FirstlightError
from firstlight_core.session import Session
from firstlight_core.steps import find_step
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.job_list import jobs_badge
from firstlight_tui.state.machine_view import MODES, Mode
from firstlight_tui.state.work import Work
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.key_buffer import KeyBufferScreen
from firstlight_tui.steps.rail import in_use_words, rail_entries
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets import KeyBar, MonitorPane, ProblemPanel, StepChosen, StepRail, Words
from firstlight_tui.widgets.charts.tile import LEAST_HEIGHT
from firstlight_tui.widgets.words import part

TALL = 45
"""Rows of a terminal from which the monitor takes twice its room."""
BROAD = 150
"""Columns of a terminal from which steps show a panel at the right."""
FOLDED = 70
"""Columns of a terminal up to which the rail is one line."""


class StepScreen(KeyBufferScreen):
    """One step: reads the session, asks one question, writes the answer back.

    A step owns no rule and no number; it calls the core and shows what came back.
    """

    STEP_ID: ClassVar[str] = ""
    """Row of the step table that this screen shows."""
    STEP_TITLE: ClassVar[str] = ""
    """Title of the row."""
    PURPOSE: ClassVar[str] = ""
    """One sentence under the title."""
    HELP: ClassVar[str] = ""
    WORK: ClassVar[str] = ""
    """Name of the long work that this step starts and shows, if any."""
    ABOUT_A_MODEL: ClassVar[bool] = False
    """Whether the row says that the step works on a model of the user's own; a connected server has no use for it."""
    AUTO_FOCUS = ""
    _was_cancel = False
    """Whether the primary button cancelled work when it was last painted."""
    _stop_shown = False
    complete = False
    """Whether its parts exist and are up to date; `is_mounted` becomes true a moment earlier."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "next", "Next", id="step.next", tooltip="Go to the next step"),
        Binding("ctrl+o", "back", "Back", id="step.back", tooltip="Go back one step"),
        Binding(
            "escape",
            "stop_work",
            "Stop",
            id="step.stop",
            tooltip="Stop what this step does; asks when it has run for ten seconds",
        ),
        Binding("pagedown", "scroll(1)", id="step.down", show=False, tooltip="Page down"),
        Binding("pageup", "scroll(-1)", id="step.up", show=False, tooltip="Page up"),
    ]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if (row := find_step(cls.STEP_ID)) is not None:
            cls.STEP_TITLE, cls.ABOUT_A_MODEL = row.title, row.about_a_model

    @classmethod
    def load(cls) -> type[Self]:
        """Return the screen class; a `LateStep` imports it then."""
        return cls

    @classmethod
    def passed_by(cls, session: Session) -> bool:
        """Return whether walking leads past this step."""
        row = find_step(cls.STEP_ID)
        return row is not None and session.passes_by(row)

    @classmethod
    def missing(cls, session: Session) -> str | None:
        """Return why the user cannot go past this step yet, or None."""
        return None

    @classmethod
    def done(cls, session: Session) -> bool:
        """Return whether this step has its answer."""
        return False

    @classmethod
    def passed_over(cls, workspace: Workspace) -> None:
        """The wizard has opened on a later step; override to start what that step relies on."""

    @property
    def workspace(self) -> Workspace:
        """Session, work, services and drafts."""
        return workspace_of(self)

    @property
    def session(self) -> Session:
        """The session: decisions and results so far."""
        return self.workspace.session

    @property
    def work(self) -> Work | None:
        """This step's long work, running or ended."""
        return self.workspace.works.get(self.WORK)

    def compose_step(self) -> ComposeResult:
        """Compose the widgets of this step; override me."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        self._size_classes(self.app.size)
        self.add_class(f"-monitor-{self.workspace.monitor.mode}")
        yield StepRail(rail_entries(self.workspace, type(self)), jobs_badge(self.workspace.jobs))
        with Vertical(id="body"):
            yield Words(self._title(), id="step-title")
            yield Words(self.PURPOSE, id="purpose")
            with VerticalScroll(id="content", can_focus=False):
                yield from self.compose_step()
                yield ProblemPanel()
            with Horizontal(id="actions"):
                yield Button("Back", id="back", compact=True)
                yield Button("", id="primary", variant="primary", compact=True)
                yield from self.compose_actions()
        yield MonitorPane(self.workspace.history)
        yield KeyBar()

    def _show_monitor(self, mode: Mode) -> None:
        """Give the monitor the rows of its form."""
        for name in MODES:
            self.set_class(name == mode, f"-monitor-{name}")
        pane = self.query_one(MonitorPane)
        pane.call_after_refresh(pane.repaint)

    def _title(self) -> Content:
        """Return the step, and what the steps work on now."""
        words = in_use_words(self.session)
        return Content.assemble(
            part(self.STEP_TITLE), part(f"   {words}" if words else "", "$foreground-muted")
        )

    def compose_actions(self) -> ComposeResult:
        """Further buttons beside the primary one."""
        yield from ()

    def on_mount(self) -> None:
        # A wizard that is left while this step is made takes parts away that it has not made yet.
        if not (self.app.is_running and self.is_attached):
            return
        self.query_one("#back").disabled = self.workspace.navigation.position == 0
        self.workspace.worked.subscribe(self, self._while_here(self._on_work))
        changed = self._while_here(lambda _: self._session_changed())
        self.workspace.session_changed.subscribe(self, changed)
        if (work := self.work) is not None and (work.status != "done" or self.done(self.session)):
            self._on_work(work)
        self.workspace.monitor.changed.subscribe(self, self._show_monitor)
        self.refresh_actions()
        self.opened()
        self.settle_focus()
        self.complete = True
        self.call_after_refresh(self.workspace.navigation.show)

    def _while_here(self, hear: Callable[[Any], None]) -> Callable[[Any], None]:
        def heard(news: Any) -> None:
            if not self.gone:
                hear(news)

        return heard

    def on_resize(self) -> None:
        """Lay out for the new size; Textual calls the handler of the base class, too."""
        self._size_classes(self.size)

    def _size_classes(self, size: Size) -> None:
        self.set_class(size.height >= TALL, "-tall")
        self.set_class(size.height >= LEAST_HEIGHT, "-roomy")
        self.set_class(size.width <= FOLDED, "-folded")

    def opened(self) -> None:
        """The step has come on the screen; override to start what it needs."""

    def first_focus(self) -> None:
        """Where Enter goes when the step opens; never to a button that stops work."""
        if not self.primary_cancels:
            self.set_focus(self.query_one("#primary", Button), scroll_visible=False)

    def _session_changed(self) -> None:
        self.refresh_actions()

    def _show_rail(self) -> None:
        entries = rail_entries(self.workspace, type(self))
        self.query_one(StepRail).show(entries, jobs_badge(self.workspace.jobs))

    def refresh_actions(self) -> None:
        """Paint rail and primary button again."""
        self._show_rail()
        self.query_one("#step-title", Words).update(self._title())
        button = self.query_one("#primary", Button)
        if str(button.label) != (label := self.primary_label()):
            button.label = label
            button.refresh(layout=True)
        button.disabled = not label
        pending = self.work is not None and self.work.pending
        button.variant = "warning" if pending else "primary"
        self._keep_focus_off_cancel(button)
        self.show_stop()
        self.query_one(KeyBar).refresh_keys()

    @property
    def primary_cancels(self) -> bool:
        """Whether the primary button cancels work now; override where it does."""
        return False

    def _keep_focus_off_cancel(self, button: Button) -> None:
        """Take the focus from a button that has become Cancel; give it back when the work has ended."""
        before, self._was_cancel = self._was_cancel, self.primary_cancels
        if self._was_cancel and not before and self.focused is button:
            self.set_focus(None)
        elif before and not self._was_cancel and self.focused is None and not button.disabled:
            button.focus()

    def _on_work(self, work: Work) -> None:
        if work.name != self.WORK:
            self._show_rail()
            return
        if work.error is not None:
            self.show_problem(work.error)
        elif work.status in ("running", "done"):
            # A quick retry may be done before anyone saw it run.
            self.clear_problem()
        self.show_work(work)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        """Paint this step's work; called on every change, and when the step comes back."""

    def show_problem(self, error: FirstlightError) -> None:
        """Show what happened and what to do next, where the user is looking."""
        panel = self.query_one(ProblemPanel)
        panel.show(error)
        self.bring_into_view(panel)

    def clear_problem(self) -> None:
        """Take the problem panel away."""
        self.query_one(ProblemPanel).clear()

    def next_label(self) -> str:
        """Return the label of the primary button once the step has its answer."""
        following = self.workspace.navigation.following(type(self), self.session)
        return f"Next: {following.STEP_TITLE}" if following is not None else "Finish"

    def primary_label(self) -> str:
        """Return the label of the primary button; empty disables it."""
        return self.next_label()

    def primary(self) -> None:
        """Do the action of the primary button."""
        self.action_next()

    @property
    def stoppable(self) -> str:
        """Name of the work that Escape stops; empty when none is pending."""
        return self.WORK if self.work is not None and self.work.pending else ""

    def show_stop(self) -> None:
        """Let the key bar offer to stop, or not any more."""
        if self._stop_shown != bool(self.stoppable):
            self._stop_shown = not self._stop_shown
            self.refresh_bindings()

    def action_stop_work(self) -> None:
        """Stop the work of this step; nothing in its first second, and after ten seconds only with a yes."""
        if name := self.stoppable:
            cancel_work(self, name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to stop only where something can be stopped."""
        if action == "stop_work" and not self.stoppable:
            return False
        return super().check_action(action, parameters)

    @on(Button.Pressed, "#primary")
    def _primary_pressed(self) -> None:
        self.primary()

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """One step back."""
        if self.workspace.navigation.position == 0:
            self.say_why_not("This is the first step.")
        self.workspace.navigation.go(-1, self.session)

    def say_why_not(self, sentence: str) -> None:
        """Answer a key that can do nothing now."""
        self.notify(sentence, severity="warning", markup=False)

    def action_scroll(self, pages: int) -> None:
        """Scroll what does not fit; nothing of it need take the focus."""
        content = self.query_one("#content")
        content.scroll_relative(y=pages * (content.size.height - 1), animate=False)

    def action_next(self) -> None:
        """One step on, unless an answer is missing."""
        if reason := self.missing(self.session):
            self.say_why_not(reason)
        else:
            self.workspace.navigation.go(+1, self.session)

    @on(StepChosen)
    def _jump(self, message: StepChosen) -> None:
        if why := self.workspace.navigation.jump(message.index, self.session):
            self.say_why_not(why)
