"""Run coroutines beside the screen: the application's workers, or plain tasks in a test."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from textual.app import App

from firstlight_tui.state.work import begin


class Tasks(Protocol):
    """Runs functions beside the screen, at most one of a group at a time."""

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str, name: str = "") -> None:
        """Run `work`; an earlier one of the same group is cancelled."""
        ...

    def cancel(self, group: str) -> None:
        """Cancel what runs in this group."""
        ...


class AppTasks:
    """The workers of a Textual application; they live as long as it does."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str, name: str = "") -> None:
        """Run `work`; an earlier one of the same group is cancelled."""
        begin(self._app, work, name=name, group=group)

    def cancel(self, group: str) -> None:
        """Cancel what runs in this group."""
        self._app.workers.cancel_group(self._app, group)
