"""Screens that come and go: painted once when they come, silent from the moment they go."""

import asyncio
from contextlib import ExitStack
from typing import ClassVar, Generic, Self

from textual import events, messages
from textual._context import visible_screen_stack
from textual.await_complete import AwaitComplete
from textual.await_remove import AwaitRemove
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import NoActiveWorker, get_current_worker

from firstlight_tui.terminal.app import TerminalApp
from firstlight_tui.terminal.compositor import SeenCompositor
from firstlight_tui.terminal.tint import tinted
from firstlight_tui.widgets.key_bar import KeyBar
from firstlight_tui.widgets.layout_requests import answer_requests, drop_echoes, shown_bars

LAYOUTS = 3
"""Layouts at most before a screen is painted for the first time: of a part that never comes to rest it shows what is."""


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
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """The widget with the focus; it and the one before paint themselves, Textual would paint all."""
    gone = False
    """Whether it is being removed; what still comes for it is to be ignored."""
    _size_known = False
    _left: tuple[Size, str] | None = None
    """Size of the terminal and theme when another screen came on top."""
    _sought: Widget | None = None
    """The part to scroll to as soon as it has a place."""
    _all_follows = False
    """Whether the layout under way paints nothing, as a painting of everything follows it."""
    _laid_out = 0.0
    """When it was laid out last, by the clock of messages."""

    def __init__(
        self, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name, id, classes)
        self._compositor = SeenCompositor()

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
        if not self._size_known:
            self._size_known = True
            self.call_later(self._settle, LAYOUTS)

    def on_unmount(self) -> None:
        self._held.close()

    async def _settle(self, layouts: int) -> None:
        """Lay out what the parts ask for now that they know their sizes, then paint the screen for the first time."""
        # Every part has its turn.
        await asyncio.sleep(0)
        self.call_later(self._paint_first, layouts)

    async def _paint_first(self, layouts: int) -> None:
        if self._layout_required and layouts:
            self._layout_required = False
            self._refresh_layout()
            await self._settle(layouts - 1)
        else:
            self._held.close()
            self._update()

    def _on_timer_update(self) -> None:
        if isinstance(self.app, TerminalApp) and self.app.key_pending:
            self.app.after_key(self._update)
        else:
            self._update()

    def _update(self) -> None:
        """Lay out and paint what has asked for it; where everything is painted, what a layout moves is not before."""
        shown = self.is_current and not self.app._batch_count
        self._all_follows = shown and self._layout_required and self._repaint_required
        super()._on_timer_update()
        self._all_follows = False

    def _compositor_refresh(self) -> None:
        if not (self.app._batch_count or self._all_follows):
            super()._compositor_refresh()

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Ask for a painting or a layout; a layout paints what moves, and nothing else need be."""
        return super().refresh(
            *regions, repaint=repaint and not layout, layout=layout, recompose=recompose
        )

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        if scroll and not self._layout_widgets:
            # Only the places of what is scrolled change; requests for a layout stand.
            super()._refresh_layout(size, scroll)
            self._all_follows = False
            return
        bars = shown_bars(self)
        answer_requests(bars)
        self._laid_out = events.Idle().time
        super()._refresh_layout(size, scroll)
        self._all_follows = False
        drop_echoes(bars)
        if self._sought is not None:
            self.bring_into_view(self._sought)

    def bring_into_view(self, part: Widget) -> None:
        """Scroll to a part: at once where it has a place, else after the layout that gives it one.

        Textual's `scroll_visible` scrolls after the next refresh, which may come before that layout.
        """
        placed = part in self._compositor.full_map
        self._sought = None if placed else part
        if placed:
            self.call_next(self.scroll_to_widget, part, animate=False, immediate=True)

    async def _on_layout(self, message: messages.Layout) -> None:
        # Before Textual's own handler: what was asked before the newest layout is part of it.
        if message.time < self._laid_out:
            message.stop()
            message.prevent_default()

    def action_press(self, key: str) -> None:
        """Do what another key does."""
        self.app.simulate_key(key)

    def remove(self) -> AwaitRemove:
        """Go, with all drawn lines; Textual would lay out and paint the screen that is shown instead once more.

        Textual 8 holds the lines of the last thousand widgets that it has drawn, in all more objects than everything else:
        each collection of garbage would look at them.
        """
        for part in self.walk_children(Widget, with_self=True):
            for drawn in (part, *part._get_virtual_dom()):
                drawn._styles_cache.clear()
        # Textual would give the focus to a part that goes, too, and style both.
        self.set_reactive(BaseScreen.focused, None)
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
    """A screen on top of a step; the last line has its own keys, in the place of those of the step, which it holds back."""

    HAS_KEY_BAR: ClassVar[bool] = True
    DEFAULT_CSS = """
    Dialog { layers: default keys; }
    Dialog > KeyBar { layer: keys; dock: bottom; }
    """

    def _extend_compose(self, widgets: list[Widget]) -> None:
        super()._extend_compose(widgets)
        if self.HAS_KEY_BAR:
            widgets.append(KeyBar())

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return what is seen of the screen below, in the tint of this one."""
        below, tint = visible_screen_stack.get(None), self.styles.background
        if not below or below[-1] is self or tint.a == 1:
            return super().render_lines(crop)
        strips = below.pop()._compositor.render_strips()[crop.y : crop.bottom]
        under = self.visual_style.rich_style
        return [tinted(strip.crop(crop.x, crop.right), tint, under) for strip in strips]

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Go, with an answer."""
        self.leave()
        return super().dismiss(result)


class Page(Dialog[ScreenResultType]):
    """A dialog that takes the whole terminal: the step behind it need not be drawn."""

    HAS_KEY_BAR = False
