"""The steps of the wizard, which of them is open, and where one can go from there."""

from collections.abc import Callable, Sequence
from typing import Protocol

from firstlight_core.session import Session


class Step(Protocol):
    """The part of a step that needs no screen; the classes of `firstlight_tui.steps` have it."""

    @property
    def STEP_ID(self) -> str: ...
    @property
    def STEP_TITLE(self) -> str: ...
    @property
    def WORK(self) -> str:
        """Name of the step's long work; empty when it has none."""
        ...

    @property
    def ABOUT_A_MODEL(self) -> bool: ...

    def passed_by(self, session: Session) -> bool:
        """Return whether walking leads past this step."""
        ...

    def missing(self, session: Session) -> str | None:
        """Return why nobody can go past this step yet, or None."""
        ...

    def done(self, session: Session) -> bool:
        """Return whether the step has its answer."""
        ...


class Navigation:
    """The position in the row of steps; `show` is called whenever another step is to be shown."""

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        first: Step | None = None,
        show: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps = steps
        self.show = show
        self.position = 0 if first is None else self._index_of(first)
        """Index of the step on the screen, or of the last one that was."""

    def go(self, offset: int, session: Session) -> None:
        """Move to the next step, or the one before, that has something to ask."""
        index = self.position + offset
        while 0 <= index < len(self.steps) and self.steps[index].passed_by(session):
            index += offset
        if 0 <= index < len(self.steps):
            self.open(self.steps[index])

    def _index_of(self, step: Step) -> int:
        # By its id: the screen class and the row that stands for it before it is imported are the same step.
        return [known.STEP_ID for known in self.steps].index(step.STEP_ID)

    def open(self, step: Step) -> None:
        """Open a step; the one on the screen gives way as soon as it is complete."""
        self.position = self._index_of(step)
        self.show()

    def following(self, step: Step, session: Session) -> Step | None:
        """Return the step that comes after `step`, or None at the end."""
        later = self.steps[self._index_of(step) + 1 :]
        return next((step for step in later if not step.passed_by(session)), None)

    def is_after(self, step_id: str) -> bool:
        """Return whether a later step than the one with this id is open."""
        ids = [step.STEP_ID for step in self.steps]
        return step_id in ids and self.position > ids.index(step_id)

    def jump(self, index: int, session: Session) -> str:
        """Open the step at `index` unless something hinders; return what does, empty when it is open."""
        why = self.hindrance(index, session)
        if not why:
            self.open(self.steps[index])
        return why

    def hindrance(self, index: int, session: Session) -> str:
        """Return why the step at `index` cannot be opened now; empty when it can."""
        step = self.steps[index]
        if step.ABOUT_A_MODEL and session.endpoint is not None:
            return f"{step.STEP_TITLE} needs a model of your own; Ctrl+G disconnects the server."
        if index <= self.position:
            return ""
        for before in self.steps[:index]:
            if not before.passed_by(session) and (why := before.missing(session)):
                return f"{before.STEP_TITLE}: {why}"
        return ""
