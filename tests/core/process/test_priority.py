"""A job beside a screen leaves the processor to the process that draws, and has the share of any other program."""

import os
from pathlib import Path

import psutil
import pytest

from firstlight_core.documents.jobs_selftest import SELFTEST
from firstlight_core.process.priority import BESIDE_A_SCREEN, NICENESS
from firstlight_core.process.runner import open_job


def autogroup(pid: int) -> str | None:
    """Return the scheduling group of a process and its niceness, where the kernel groups sessions so.

    The file is there but empty where a control group shares out the processor, as in most containers.
    """
    try:
        return Path(f"/proc/{pid}/autogroup").read_text(encoding="ascii") or None
    except OSError:
        return None


@pytest.mark.parametrize("screen", ["1", ""])
async def test_a_job_is_lowered_against_the_screen_only(
    monkeypatch: pytest.MonkeyPatch, screen: str
) -> None:
    before = autogroup(os.getpid())
    own = psutil.Process().nice()
    # Tests that somebody runs with `nice` are there already.
    expected = max(own, NICENESS) if screen else own
    monkeypatch.setenv(BESIDE_A_SCREEN, screen)
    async with open_job(SELFTEST, {"act": "serve"}) as job:
        await job.request("echo")
        assert psutil.Process(job.pid).nice() == expected
        group = autogroup(job.pid)
        if screen:
            assert os.getsid(job.pid) == os.getsid(0), "niceness counts within one session only"
            assert group == before, "the session keeps its share among other programs"
        else:
            assert os.getsid(job.pid) == job.pid
            assert group is None or group.endswith("nice 0\n"), (
                "a session of its own has the share of any other"
            )
        assert os.getpgid(job.pid) == job.pid, "it is ended with all that it starts"
