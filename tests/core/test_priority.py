"""A job beside a screen leaves the processor to the process that draws."""

import os
import re
from pathlib import Path

import psutil
import pytest

from firstlight_core import priority
from firstlight_core.priority import BESIDE_A_SCREEN, NICENESS, give_way
from firstlight_core.runner import open_job


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
    monkeypatch.setenv(BESIDE_A_SCREEN, screen)
    async with open_job("selftest", {"act": "serve"}) as job:
        await job.request("echo")
        assert psutil.Process(job.pid).nice() - psutil.Process().nice() == yields
        # One order in 100 ms from all users but root: another test's may have been first.
        if autogroup_nice(job.pid) is not None and os.geteuid() == 0:
            assert autogroup_nice(job.pid) == yields


@pytest.fixture
def beside_a_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The wizard's variable is set, and orders to the kernel land in a file."""
    group = tmp_path / "autogroup"
    monkeypatch.setenv(BESIDE_A_SCREEN, "1")
    monkeypatch.setattr(priority, "AUTOGROUP", group)
    monkeypatch.setattr(os, "setpriority", lambda *_: None)
    return group


@pytest.mark.skipif(not hasattr(os, "getsid"), reason="sessions are Unix")
def test_a_session_that_others_share_is_left_alone(
    beside_a_screen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid() + 1)
    assert give_way()
    assert not beside_a_screen.exists()
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    assert give_way()
    assert beside_a_screen.read_text() == str(NICENESS)


@pytest.mark.skipif(not hasattr(os, "getsid"), reason="sessions are Unix")
def test_an_order_that_comes_too_soon_is_given_again(
    beside_a_screen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_soon(*_: object, **__: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    monkeypatch.setattr(Path, "write_text", too_soon)
    assert not give_way()
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    assert give_way(), "a kernel without autogroups has nothing to be told"
