"""Screens that come and go: painted once when they come, silent from the moment they go."""

from contextlib import ExitStack
from typing import ClassVar, Generic

from textual import events
from textual.await_complete import AwaitComplete
from textual.await_remove import AwaitRemove
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.worker import NoActiveWorker, get_current_worker


class BaseScreen(Screen[ScreenResultType], Generic[ScreenResultType]):
    """Holds every painting back from its mounting until it knows its size, or goes; `leave` ends its workers.

    Textual 8 paints a new screen when it is shown, and again when its size is known: 15 ms of a whole terminal's
    drawing for each (bench/responsiveness.py). And it takes the parts of a screen away before the screen and its workers:
    one that has waited for a thread then looks for a part that is gone.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        # No keyboard has these keys; a keymap gives them others.
        Binding("unset_down", "press('down')", "Down", id="move.down", show=False),
        Binding("unset_up", "press('up')", "Up", id="move.up", show=False),
        Binding("unset_left", "press('left')", "Left", id="move.left", show=False),
        Binding("unset_right", "press('right')", "Right", id="move.right", show=False),
        Binding("unset_first", "press('home')", "First row", id="move.first", show=False),
        Binding("unset_last", "press('end')", "Last row", id="move.last", show=False),
        Binding(
            "unset_page_down", "press('pagedown')", "Page down", id="move.page-down", show=False
        ),
        Binding("unset_page_up", "press('pageup')", "Page up", id="move.page-up", show=False),
    ]
    gone = False
    """Whether it is being removed; what still comes for it is to be ignored."""
    _size_known = False
    _left: tuple[Size, str] | None = None
    """Size of the terminal and theme when another screen came on top."""

    @property
    def is_current(self) -> bool:
        """Whether anything of it can be seen; under a page that takes the whole terminal nothing is, nor painted."""
        if not super().is_current:
            return False
        return self.app.screen is self or not isinstance(self.app.screen, Page)

    def on_compose(self) -> None:
        # Textual does this after the first painting, and styles and paints everything again.
        breakpoints = self.app.HORIZONTAL_BREAKPOINTS or ()
        reached = [name for least, name in sorted(breakpoints) if least <= self.app.size.width]
        self.update_classes({name: name in reached[-1:] for _, name in breakpoints}, animate=False)

    def on_mount(self) -> None:
        self._held = ExitStack()
        self._held.enter_context(self.app.batch_update())

    def on_screen_suspend(self) -> None:
        self._left = (self.app.size, self.app.theme)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        # Before Textual's own handler: what has just been mounted has its styles, and what lay under a dialog has them
        # still; all of them anew take 40 ms.
        event.refresh_styles = self._size_known and self._left != (self.app.size, self.app.theme)

    async def _on_resize(self, event: events.Resize) -> None:
        # Before Textual's own handler, which the first time lays out again what has just been laid out, with all that
        # lies below a dialog.
        if not self._size_known and event.size == self.app.size:
            event.prevent_default()
        self._size_known = True
        self._held.close()

    def on_unmount(self) -> None:
        self._held.close()

    def action_press(self, key: str) -> None:
        """Do what another key does."""
        self.app.simulate_key(key)

    def remove(self) -> AwaitRemove:
        """Go; Textual would then lay out and paint the screen that is shown instead, once more."""
        return self.app._prune(self)

    def leave(self) -> None:
        """Prepare for removal: end all workers except the calling one."""
        self.gone = True
        try:
            asking = get_current_worker()
        except NoActiveWorker:
            asking = None
        for worker in list(self.workers):
            if worker is not asking and self in worker.node.ancestors_with_self:
                worker.cancel()


class Dialog(BaseScreen[ScreenResultType], ModalScreen[ScreenResultType]):
    """A screen on top of a step."""

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Go, with an answer."""
        self.leave()
        return super().dismiss(result)


class Page(Dialog[ScreenResultType]):
    """A dialog that takes the whole terminal: the step behind it need not be drawn."""
