"""A screen whose first painting is its only one, and the dialogs, which are such screens."""

from contextlib import ExitStack
from typing import Generic

from textual import events
from textual.screen import ModalScreen, Screen, ScreenResultType


class PaintedOnce(Screen[ScreenResultType], Generic[ScreenResultType]):
    """Holds every painting back from its mounting until it knows its size, or goes.

    Textual 8 paints a new screen when it is shown, and again when its size is known: 15 ms of a whole terminal's
    drawing for each, and the first has no texts in it yet. Seen in bench/responsiveness.py.
    """

    _size_known = False

    def on_compose(self) -> None:
        # Textual sets these after the first painting, and styles and paints everything again.
        breakpoints = self.app.HORIZONTAL_BREAKPOINTS or ()
        reached = [name for least, name in sorted(breakpoints) if least <= self.app.size.width]
        for _, name in breakpoints:
            self.set_class(name in reached[-1:], name)

    def on_mount(self) -> None:
        self._held = ExitStack()
        self._held.enter_context(self.app.batch_update())

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        # Before Textual's own handler: what has just been mounted has its styles.
        event.refresh_styles = self._size_known

    def on_resize(self) -> None:
        # Before Textual's own handler, which paints.
        self._size_known = True
        self._held.close()

    def on_unmount(self) -> None:
        self._held.close()


class Dialog(PaintedOnce[ScreenResultType], ModalScreen[ScreenResultType]):
    """A screen on top of a step."""


class Page(Dialog[ScreenResultType]):
    """A dialog that takes the whole terminal: the step behind it need not be drawn."""
