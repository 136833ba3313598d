"""Waiting without a wizard: `tests/support/pilot.py` has the same for one."""

import asyncio
from collections.abc import Callable


async def until(reached: Callable[[], bool], *, seconds: float = 60) -> None:
    """Let the loop run until something is so; no state between two turns of the loop is missed."""
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0)
