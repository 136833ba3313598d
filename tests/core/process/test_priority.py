"""A job beside a screen leaves the processor to the process that draws."""

import os
import re
from pathlib import Path

import psutil
import pytest

from firstlight_core.process.priority import BESIDE_A_SCREEN, NICENESS, lower_session
from firstlight_core.process.runner import open_job


def autogroup_nice(pid: int) -> int | None:
    """What the kernel gives the whole session, where it groups processes so."""
    try:
        said = Path(f"/proc/{pid}/autogroup").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"nice (-?\d+)", said)
    return int(found[1]) if found else None


@pytest.mark.parametrize(("screen", "yields"), [("1", NICENESS), ("", 0)])
async def test_a_job_and_its_session_yield_beside_a_screen_only(
    monkeypatch: pytest.MonkeyPatch, screen: str, yields: int
) -> None:
    ours = autogroup_nice(os.getpid())
    monkeypatch.setenv(BESIDE_A_SCREEN, screen)
    async with open_job("selftest", {"act": "serve"}) as job:
        await job.request("echo")
        assert psutil.Process(job.pid).nice() - psutil.Process().nice() == yields
        # One order in 100 ms from all users but root: another test's may have been first.
        if autogroup_nice(job.pid) is not None and os.geteuid() == 0:
            assert autogroup_nice(job.pid) == yields
    assert autogroup_nice(os.getpid()) == ours, "our own session is nobody's to lower"


def test_an_order_that_comes_too_soon_is_to_be_given_again() -> None:
    given: list[str] = []

    def refuse(error: OSError) -> None:
        raise error

    assert lower_session(given.append)
    assert given == [str(NICENESS)]
    assert not lower_session(lambda _: refuse(BlockingIOError()))
    assert lower_session(lambda _: refuse(FileNotFoundError())), "no autogroups, nothing to do"
