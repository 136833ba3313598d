"""To know when a thread has written what it was given."""

import asyncio
import contextlib
from collections.abc import Callable


class Mark(str):
    """An empty text among those that a thread writes; it is told when everything before it is written."""

    __slots__ = ("reached",)
    reached: Callable[[], object]


class Writes:
    """The texts that a driver's thread has not written yet."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """`write` gives the thread a text."""
        self._write = write
        self._awaited: set[asyncio.Event] = set()

    async def done(self) -> None:
        """Wait until all that was given to the thread is written."""
        loop, written = asyncio.get_running_loop(), asyncio.Event()

        def reached() -> None:
            # A thread that writes its last text may outlive the loop.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(written.set)

        mark = Mark()
        mark.reached = reached
        self._awaited.add(written)
        self._write(mark)
        await written.wait()
        self._awaited.discard(written)

    def close(self) -> None:
        """Let nobody wait any more."""
        for written in self._awaited:
            written.set()
