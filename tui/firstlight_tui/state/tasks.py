"""Run functions in the background: the application's workers, or plain tasks in a test."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Tasks(Protocol):
    """Runs functions in the background, at most one of a group at a time."""

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str, name: str = "") -> None:
        """Run `work`; an earlier one of the same group is cancelled."""
        ...

    def cancel(self, group: str) -> None:
        """Cancel what runs in this group."""
        ...
