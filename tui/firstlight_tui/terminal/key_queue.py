"""Keys in the order in which they were typed.

In Textual a letter is taken by the field that has the focus, and an editing key by a binding, to which it rises through
every widget above: letters that come in the same moment arrive first. So the next key waits until the one before has
risen to the application, behind which a message follows that nobody takes.
"""

from collections import deque
from collections.abc import Awaitable, Callable

from textual import events
from textual.app import App
from textual.message import Message

KEY_SECONDS = 0.25
"""Seconds that a key waits at most: a widget that is busy, or gone, holds nothing up for longer."""
Typed = events.Key | events.Paste


class Passed(Message, bubble=True):
    """Follows a key on its way up."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Queue:
    """The keys of an application, one on its way at a time."""

    def __init__(self, app: App[int], send: Callable[[Typed], Awaitable[None]]) -> None:
        self._app = app
        self._send = send
        self._waiting: deque[Typed] = deque()
        self._held: list[Callable[[], list[Typed]]] = []
        self._on_hold = False
        self._number = 0
        self._under_way = 0
        """The number of the key that is on its way; 0 when there is none."""

    @property
    def under_way(self) -> bool:
        """Whether a key is on its way."""
        return self._under_way > 0

    async def take(self, event: Typed) -> None:
        """A key has come: send it on its way, or let it wait for its turn."""
        if not self._under_way and not self._on_hold:
            await self._go(event)
            return
        if not self._waiting:
            self._wait()
        self._waiting.append(event)

    def hold(self) -> None:
        """A widget holds a key back: later keys wait until it comes `again`."""
        self._on_hold = True

    def again(self, held: Callable[[], list[Typed]]) -> None:
        """Send held-back keys again, before all waiting ones; `held` is called when none is on its way."""
        self._held.append(held)
        self._app.call_next(self._resume)

    async def passed(self, number: int) -> None:
        """The key of this number has been dealt with."""
        if number == self._under_way:
            self._under_way = 0
            await self._resume()

    async def _resume(self) -> None:
        if self._under_way or (self._on_hold and not self._held):
            return
        if not self._app.screen_stack:  # The application is being left.
            return
        self._on_hold = False
        for held in self._held:
            self._waiting.extendleft(reversed(held()))
        self._held.clear()
        while self._waiting and not self._under_way and not self._on_hold:
            await self._go(self._waiting.popleft())
        if self._waiting:
            self._wait()

    def _wait(self) -> None:
        number = self._under_way
        self._app.set_timer(KEY_SECONDS, lambda: self.passed(number))

    async def _go(self, event: Typed) -> None:
        target = self._app.focused or self._app.screen
        await self._send(event)
        # A priority binding has taken what was not forwarded, and nothing follows it.
        if event.is_forwarded and target.post_message(Passed(self._number + 1)):
            self._number += 1
            self._under_way = self._number
