"""An application whose keys come in the order in which they were typed, and that a signal ends."""

import asyncio
import contextlib
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
from firstlight_tui.terminal import escape_guard, key_queue
from firstlight_tui.terminal.ascii_filter import AsciiApp
from firstlight_tui.terminal.idle import LOOK_SECONDS, IdleTasks, keep_parsed_styles
from firstlight_tui.terminal.known_styles import KnownStyles

PAINTING_SECONDS = 0.25
"""Seconds that a screen that goes waits at most for the painting of the next one, which yet another may follow unpainted."""
WRITING_SECONDS = 0.005


class TerminalApp(AsciiApp):
    """The part of the wizard that deals with the terminal."""

    workspace: Workspace

    def __init__(self, *, idle: IdleTasks | None = None, ascii: bool = False) -> None:
        """`idle` are the tasks between the keys; the wizard of a test has none. `ascii` paints in ASCII only."""
        escape_guard.install()
        super().__init__(ascii=ascii)
        self.stylesheet = KnownStyles(variables=self.get_css_variables())
        keep_parsed_styles(self)
        self._idle = idle
        self._painted = asyncio.Event()
        self._key_queue = key_queue.Queue(self, super().on_event)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver for this platform, which the end of the terminal does not stop."""
        driver = super().get_driver_class()
        if sys.platform != "win32":
            from textual.drivers.linux_driver import LinuxDriver

            from firstlight_tui.terminal.driver import LastingDriver

            return LastingDriver if driver is LinuxDriver else driver
        return driver

    @property
    def since_key(self) -> float:
        """Seconds since the last key or movement of the mouse."""
        return self._idle.rested if self._idle is not None else math.inf

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

    def update_styles(self, node: DOMNode, animate: bool = True) -> None:
        """Style a node anew; one that has no place yet gets its styles with its place, and needs none before."""
        if node.is_attached:
            super().update_styles(node, animate)

    async def _replace_screen(self, screen: Screen[Any]) -> Screen[Any]:
        """Take a screen away once the one that is shown instead has painted itself; Textual would paint it once more.

        To end all its parts takes as long as a painting, which somebody waits for.
        """
        screen.post_message(events.ScreenSuspend())
        stacks = self._screen_stacks.values()
        if not self.is_screen_installed(screen) and all(screen not in stack for stack in stacks):
            self.capture_mouse(None)
            self._painted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAINTING_SECONDS):
                    await self._painted.wait()
            # Another thread writes it to the terminal, and has its turn while this one rests.
            await asyncio.sleep(WRITING_SECONDS)
            await screen.remove()
        return screen

    def post_display_hook(self) -> None:
        """Something was painted."""
        self._painted.set()

    def hold_keys(self) -> None:
        """Make later keys wait: a screen holds one back, and will send it with `keys_again`."""
        self._key_queue.hold()

    def keys_again(self, held: Callable[[], list[key_queue.Typed]]) -> None:
        """Send keys once more, before all that came later; `held` is called when no key is on its way."""
        self._key_queue.again(held)

    def on_mount(self) -> None:
        if self._idle is not None:
            self.set_interval(LOOK_SECONDS, self._idle.look)
            self.call_after_refresh(gc.enable)
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
