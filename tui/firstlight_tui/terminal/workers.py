"""Run functions beside the screen as Textual's workers."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from textual.app import App
from textual.dom import DOMNode

from firstlight_core.files import system_problem


def begin(node: DOMNode, work: Callable[[], Awaitable[Any]], *, group: str, name: str = "") -> None:
    """Run `work` as a worker of `node`; an earlier one of the same group is cancelled.

    It takes a function, never a coroutine, so that nothing is left unawaited when it is cancelled before it begins.
    Textual's types do not know that its `run_worker` takes such functions. A drive that vanishes meanwhile is said,
    and ends this work only.
    """

    async def carry_out() -> None:
        try:
            await work()
        except OSError as error:
            node.app.notify(system_problem(error).with_hint, severity="warning", markup=False)

    node.run_worker(cast(Any, carry_out), name=name, group=group, exclusive=True)


class AppTasks:
    """`state.tasks.Tasks` as workers of a Textual application; they live as long as it does."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str, name: str = "") -> None:
        """Run `work`; an earlier one of the same group is cancelled."""
        # Not in the context of the step that asks for it: a loaded model would hold that step to its end.
        with self._app._context():
            begin(self._app, work, name=name, group=group)

    def cancel(self, group: str) -> None:
        """Cancel what runs in this group."""
        self._app.workers.cancel_group(self._app, group)
