"""An application whose keys come in the order in which they were typed, and that a signal ends."""

import asyncio
import gc
import math
import signal
import sys
from collections.abc import Callable
from typing import Any, cast

from textual import events
from textual.dom import DOMNode
from textual.driver import Driver
from textual.screen import Screen

from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal import (
    escape_guard,
    key_queue,
    light_strips,
    quick_messages,
    scroll_gap,
)
from firstlight_tui.terminal.ascii_filter import AsciiApp
from firstlight_tui.terminal.idle import (
    LOOK_SECONDS,
    IdleTasks,
    begin_collecting,
    keep_parsed_styles,
    read_styles,
)
from firstlight_tui.terminal.known_styles import KnownStyles
from firstlight_tui.terminal.writes import Writes

WRITING_SECONDS = 0.005
"""So long after a painting garbage may be collected: another thread writes it to the terminal meanwhile."""
PENDING_SECONDS = 0.05
"""Seconds for which a key holds back the paintings of what came before it, at most."""


class TerminalApp(AsciiApp):
    """The part of the wizard that deals with the terminal."""

    workspace: Workspace

    def __init__(self, *, idle: IdleTasks | None = None, ascii: bool = False) -> None:
        """`idle` are the tasks between the keys; the wizard of a test has none. `ascii` paints in ASCII only."""
        escape_guard.install()
        light_strips.install()
        quick_messages.install()
        scroll_gap.install()
        super().__init__(ascii=ascii)
        self.stylesheet = KnownStyles(variables=self.get_css_variables())
        keep_parsed_styles(self)
        self._idle = idle
        self._painted = asyncio.Event()
        self._after_key: list[Callable[[], None]] = []
        """Updates that wait for the end of the key that is pending."""
        self._leaving: set[asyncio.Task[None]] = set()
        """Screens that are ending."""
        self._key_queue = key_queue.Queue(self, super().on_event)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver for this platform, which the end of the terminal does not stop."""
        driver = super().get_driver_class()
        if sys.platform != "win32":
            from textual.drivers.linux_driver import LinuxDriver

            from firstlight_tui.terminal.driver import LastingDriver

            return LastingDriver if driver is LinuxDriver else driver
        return driver

    def _load_screen_css(self, screen: Screen[Any]) -> None:
        # Before Textual's own, which parses the styles of all screens anew for one that it has not seen.
        read_styles(self, [type(screen)])
        super()._load_screen_css(screen)

    @property
    def since_key(self) -> float:
        """Seconds since the last key or movement of the mouse."""
        return self._idle.rested if self._idle is not None else math.inf

    async def redrawn(self) -> None:
        """Wait until the newest key is on the terminal, but not long.

        The monitor's thread reads some twenty files, and after each waits for the interpreter that paints the key.
        """
        if self._idle is not None:
            await self._idle.redrawn()

    async def on_event(self, event: events.Event) -> None:
        """Every key and every movement of the mouse passes here."""
        if self._idle is not None and isinstance(event, events.InputEvent):
            self._idle.touch()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._key_queue.take(event)
        else:
            await super().on_event(event)

    async def on_passed(self, message: key_queue.Passed) -> None:
        """A key has been dealt with."""
        await self._key_queue.passed(message.number)
        later, self._after_key = self._after_key, []
        for update in later:
            update()

    def update_styles(self, node: DOMNode, animate: bool = True) -> None:
        """Style a node anew; one that has no place yet gets its styles with its place, and needs none before."""
        if node.is_attached:
            super().update_styles(node, animate)

    async def _replace_screen(self, screen: Screen[Any]) -> Screen[Any]:
        """Take a screen away in a task of its own, once the one that is shown instead is on the terminal.

        Textual would paint that one once more, and let the next key wait until the last part has ended.
        """
        screen.post_message(events.ScreenSuspend())
        stacks = self._screen_stacks.values()
        if not self.is_screen_installed(screen) and all(screen not in stack for stack in stacks):
            self.capture_mouse(None)
            self._painted.clear()
            task = asyncio.create_task(self._end(screen))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        return screen

    @property
    def _writes(self) -> Writes | None:
        """The writes that the driver's thread has before it; None where another driver writes."""
        writes = getattr(self._driver, "writes", None)
        return writes if isinstance(writes, Writes) else None

    async def _end(self, screen: Screen[Any]) -> None:
        """End a screen that is not shown any more; to end all its parts takes as long as a painting."""
        await self._painted.wait()
        if self._writes is not None:
            await self._writes.done()
        await screen.remove()

    async def _shutdown(self) -> None:
        # Nothing is painted any more.
        self._painted.set()
        if self._writes is not None:
            self._writes.close()
        # Whatever happens to them, the terminal is given back.
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await super()._shutdown()

    def _end_batch(self) -> None:
        super()._end_batch()
        if not self._batch_count and self._screen_stack:
            # Textual asks only itself whether anything waits, and a screen that came meanwhile would stay unpainted.
            self.screen.check_idle()

    def post_display_hook(self) -> None:
        """Something was painted."""
        self._painted.set()
        if self._idle is not None and not gc.isenabled():
            loop = asyncio.get_running_loop()
            loop.call_later(WRITING_SECONDS, self._idle.painted, self._idle.keys)

    @property
    def key_pending(self) -> bool:
        """Whether a key has come that no part has dealt with yet: what it changes is painted with all that waits."""
        return self._key_queue.under_way and self.since_key < PENDING_SECONDS

    def after_key(self, update: Callable[[], None]) -> None:
        """Call `update` when the key that is pending has been dealt with."""
        if update not in self._after_key:
            self._after_key.append(update)

    def hold_keys(self) -> None:
        """Make later keys wait: a screen holds one back, and will send it with `keys_again`."""
        self._key_queue.hold()

    def keys_again(self, held: Callable[[], list[key_queue.Typed]]) -> None:
        """Send keys once more, before all that came later; `held` is called when no key is on its way."""
        self._key_queue.again(held)

    def on_mount(self) -> None:
        if self._idle is not None:
            self.set_interval(LOOK_SECONDS, self._idle.look)
            self.call_after_refresh(begin_collecting)
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


def workspace_of(node: DOMNode) -> Workspace:
    """Return the workspace of the application that `node` belongs to."""
    return cast(TerminalApp, node.app).workspace
