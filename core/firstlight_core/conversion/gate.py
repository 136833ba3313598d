"""The gate's side of the drawing process: one warm, fresh child for each artifact, which is loaded and made to speak."""

import asyncio
import contextlib
from pathlib import Path

from firstlight_core.artifact.manifest import files_in
from firstlight_core.artifact.publishing import sync_tree
from firstlight_core.conversion.verdict import is_rounded
from firstlight_core.documents.jobs_conversion import (
    CHECK,
    COMPARE,
    AnswersReply,
    Checked,
    CheckReply,
)
from firstlight_core.documents.precision import Expected
from firstlight_core.errors import FirstlightError
from firstlight_core.process.operations import Empty, Job
from firstlight_core.process.runner import OpenJob, open_job

_GATE: Job[Empty, Empty] = Job("gate")


class Gate:
    """A process that loads one artifact and nothing before it.

    It is started while Olive still works, so that its libraries are loaded when the artifact is there.
    """

    def __init__(self) -> None:
        self._children = contextlib.AsyncExitStack()
        self._job: OpenJob | None = None
        self._checking: asyncio.Task[CheckReply] | None = None

    async def open(self, cwd: Path) -> None:
        """Start the process."""
        self._job = await self._children.enter_async_context(open_job(_GATE, Empty(), cwd=cwd))

    @property
    def pid(self) -> int:
        """Process id of the child."""
        assert self._job is not None
        return self._job.pid

    def begin(self, artifact: Path, expected: Expected) -> None:
        """Start loading the artifact and generating with it in the background; `result` waits for it."""
        self._checking = asyncio.create_task(self._check(artifact, expected))

    async def _check(self, artifact: Path, expected: Expected) -> CheckReply:
        assert self._job is not None
        # The publish syncs every file again; by then the disk has little left to do.
        flushed = asyncio.create_task(asyncio.to_thread(_flush, artifact))
        try:
            return await self._job.call(CHECK({"artifact": str(artifact), "expected": expected}))
        finally:
            await flushed

    async def result(self, artifact: Path, original: AnswersReply) -> Checked:
        """Return what the artifact is and says, and how that compares with its original where that was asked.

        Raises:
            CheckFailed: it does not load, speak, or hold what was asked for.
            FirstlightError: its process died.
        """
        assert self._checking is not None
        assert self._job is not None
        checked = await self._checking
        if original["reference"] is None or original["proof"] is None:
            return Checked(smoke=checked["smoke"], built=checked["built"])
        compared = await self._job.call(
            COMPARE(
                {
                    "artifact": str(artifact),
                    "rounded": is_rounded(checked["built"]),
                    "reference": original["reference"],
                    "proof": original["proof"],
                }
            )
        )
        return Checked(
            smoke=compared["smoke"], built=checked["built"], agreement=compared["agreement"]
        )

    async def close(self) -> None:
        """End the process, even while it works."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait({self._checking})
            if not self._checking.cancelled():
                self._checking.exception()
        await self._children.aclose()


def _flush(artifact: Path) -> None:
    # What cannot be synced now is refused, with its reason, when it is published.
    with contextlib.suppress(OSError, FirstlightError):
        if files_in(artifact):
            sync_tree(artifact)
