"""Tasks between two keys, so that no key waits for them: later styles and imports, cyclic garbage.

A collection of everything that Textual and its widgets made takes 40 to 200 ms, and comes when it likes: without this
module it was the longest that a key had to wait (bench/responsiveness.py). Of itself Python looks at the youngest objects
only, and even they wait for the redraw of a key: to look at them a dozen times while a step is painted takes a seventh of
its time.
"""

import asyncio
import gc
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from textual.app import App
from textual.cache import LRUCache
from textual.screen import Screen

from firstlight_core.workflow.services import FUNCTIONS

LOOK_SECONDS = 0.1
"""How often it looks whether the keys are at rest; one chore a look."""
REST_SECONDS = 0.25
"""So long after the last key a chore of some milliseconds goes unnoticed."""
WHOLE_SECONDS = 1.0
"""So long after the last key everything is looked through, for 20 to 40 ms: a pause between two words is shorter."""
LONGEST_SECONDS = 0.1
"""So long a key holds collections back at most; most keys are painted before."""
PAINTED_SECONDS = 0.01
"""How often it looks whether a key is on the terminal."""
YOUNG, LOOKS = 2_000, 4
"""New objects before the youngest are looked at; looks at them before a whole collection is worth it. One dialog leaves
some thousand objects that refer to each other: 40 of them at once take 200 ms, so every rest is used. A look at all that
outlived its first one, with the step that is shown, took 25 to 70 ms after every second walk, just before the next key."""
NEVER = 1_000_000
SWITCH_SECONDS = 0.001
SHEETS = 1_024
"""Parsed sheets of CSS that are kept; each widget class has one."""


def settle_garbage() -> None:
    """Exclude all objects that exist now from garbage collection, and leave all but the youngest to the idle tasks."""
    gc.freeze()
    gc.set_threshold(YOUNG, NEVER, NEVER)


def begin_collecting() -> None:
    """Collect garbage from now on; the first screen is not looked through: that took 15 to 40 ms of the first key."""
    gc.freeze()
    gc.enable()


def share_time() -> None:
    """Let a thread wait 1 ms for one that computes: Python's 5 ms are much of what a key may take, several times over."""
    sys.setswitchinterval(SWITCH_SECONDS)


def read_styles(app: App[Any], screens: Iterable[type[Screen[Any]]]) -> None:
    """Read the CSS of screens before they are first shown: Textual would parse every sheet anew for each of them."""
    for screen in screens:
        if screen.CSS:
            scope = screen.__name__ if screen.SCOPED_CSS else ""
            app.stylesheet.add_source(screen.CSS, read_from=_source_of(screen), scope=scope)


def styles_read(app: App[Any], screen: type[Screen[Any]]) -> bool:
    """Return whether the CSS of a screen, if it has any, has been read."""
    return not screen.CSS or app.stylesheet.has_source(*_source_of(screen))


def _source_of(screen: type[Screen[Any]]) -> tuple[str, str]:
    return inspect.getfile(screen), f"{screen.__name__}.CSS"


def screens_of(package: str, root: type[Screen[Any]] = Screen) -> Iterator[type[Screen[Any]]]:
    """Yield every screen class that a package has defined so far."""
    for screen in root.__subclasses__():
        if screen.__module__.startswith(package):
            yield screen
        yield from screens_of(package, screen)


def keep_parsed_styles(app: App[Any]) -> None:
    """Keep the parsed CSS of every widget.

    Textual 8 keeps 64 sheets; the wizard has more, and one new widget on the screen would parse all of them again.
    """
    app.stylesheet._parse_cache = LRUCache(SHEETS)


class Repaint:
    """Rule for what comes of itself: painted always at rest, and one time in a few while keys are pressed.

    A monitor, or running work, takes 10 to 20 ms to paint, and often just when a key has come.
    """

    def __init__(self, every: int) -> None:
        """Of `every` times in a row one is painted at least."""
        self._every = every
        self._left_out = 0

    def due(self, since_key: float) -> bool:
        """Return whether it is to be painted this time."""
        self._left_out += 1
        if since_key < REST_SECONDS and self._left_out < self._every:
            return False
        self._left_out = 0
        return True


class IdleTasks:
    """Run the chores one at a time while no key comes."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        chores: Iterator[str] | None = None,
    ) -> None:
        self._clock = clock
        self._touched = clock()
        self._keys = 0
        self._holds = False
        """Whether a key holds collections back."""
        self._chores = chores if chores is not None else _chores()

    @property
    def rested(self) -> float:
        """Seconds since the last key."""
        return self._clock() - self._touched

    @property
    def keys(self) -> int:
        """Number of keys and movements of the mouse so far."""
        return self._keys

    def touch(self) -> None:
        """A key was pressed, or the mouse moved: no collection comes before its redraw."""
        self._touched = self._clock()
        self._keys += 1
        self._holds = True
        gc.disable()

    def painted(self, keys: int) -> None:
        """Collect garbage again unless a key has come since: what so many keys asked for is on the terminal."""
        if keys == self._keys:
            self._collect_again()

    def _collect_again(self) -> None:
        if self._holds:
            self._holds = False
            gc.enable()

    async def redrawn(self) -> None:
        """Wait until what the newest key asked for is on the terminal, but not long."""
        while self._holds and self.rested < LONGEST_SECONDS:
            await asyncio.sleep(PAINTED_SECONDS)

    async def rest(self) -> None:
        """Wait until the keys are at rest."""
        while self.rested < REST_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Do the next chore if the keys are at rest; when all are done, a whole collection if it is worth it."""
        if self.rested >= LONGEST_SECONDS:
            self._collect_again()
        if self.rested < REST_SECONDS:
            return
        done = next(self._chores, None) is None
        if done and self.rested >= WHOLE_SECONDS and gc.get_count()[1] >= LOOKS:
            gc.collect()


def _chores() -> Iterator[str]:
    """Each is done when the next one is asked for its name."""
    # The parsed styles and the widgets of the first step, by far the most of what lives. They are not looked through
    # before: that would take 30 ms of the first second, for little garbage.
    gc.freeze()
    yield "styles"
    for name, service in FUNCTIONS.items():
        modules = len(sys.modules)
        service.load()
        if len(sys.modules) > modules:
            yield name
    gc.freeze()
    yield "rooms"
