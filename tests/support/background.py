"""Background tasks without a screen: plain asyncio tasks, one of a group at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class LoopTasks:
    """`state.tasks.Tasks` on the running event loop."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str, name: str = "") -> None:
        self.cancel(group)

        async def run() -> None:
            await work()

        self._tasks[group] = asyncio.get_running_loop().create_task(run())

    def cancel(self, group: str) -> None:
        if (task := self._tasks.pop(group, None)) is not None:
            task.cancel()

    def running(self, group: str) -> bool:
        return group in self._tasks and not self._tasks[group].done()

    async def end(self) -> None:
        """Cancel everything that still runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
