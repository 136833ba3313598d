"""What the fakes of Windows claim, asked of a real one (or of Wine): skipped on every other system."""

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from firstlight_core.counters import children_peak, clocks, peak_memory, reset_peak
from firstlight_core.documents.jobs_selftest import SELFTEST
from firstlight_core.errors import JobDied, StateProblem
from firstlight_core.files import delete_tree, long_path, write_whole
from firstlight_core.locks import try_lock
from firstlight_core.process.events import Measured
from firstlight_core.process.exit_codes import explain_exit
from firstlight_core.process.runner import job_result, run_job
from firstlight_core.process.tree import KILL, process_trees

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="asks Windows itself")


def is_wine() -> bool:
    """Whether this Windows is Wine, which accepts limits of a Job Object and applies none (10.0)."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


PARENT = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1); print(p.pid, flush=True); p.wait()"


def family() -> tuple["subprocess.Popen[bytes]", psutil.Process]:
    """A child in our care, and what it has started."""
    trees = process_trees()
    child = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, **trees.options()
    )
    trees.adopt(child.pid)
    assert child.stdout is not None
    return child, psutil.Process(int(child.stdout.readline()))


def test_a_child_and_what_it_started_end_together() -> None:
    child, grandchild = family()
    with child:
        process_trees().signal(child.pid, KILL)
        assert child.wait(10) != 0
    grandchild.wait(10)


def test_a_program_that_succeeded_may_leave_a_service_behind() -> None:
    child, grandchild = family()
    with child:
        process_trees().release(child.pid)
        child.kill()
    time.sleep(0.5)
    assert grandchild.is_running()
    grandchild.kill()


def test_children_end_when_their_owner_is_killed() -> None:
    owner = (
        "import subprocess, sys; from firstlight_core.process.tree import process_trees; t = process_trees();"
        "p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1, **t.options()); t.adopt(p.pid);"
        "print(p.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    child.wait(10)


@pytest.mark.parametrize("options", range(2))
def test_a_process_that_stays_outlives_its_starter(options: int, tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys; from firstlight_core.process.tree import process_trees;"
        f"o = process_trees().staying()[{options}];"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdin=-3, stdout=-3, stderr=-3, **o);"
        "print(p.pid, flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter], capture_output=True, text=True, timeout=60
    )
    process = psutil.Process(int(done.stdout))
    assert process.is_running()
    process.kill()
    process.wait(10)


@pytest.mark.skipif(is_wine(), reason="Wine applies no limits")
@pytest.mark.parametrize(("kind", "words"), [("memory", "MemoryError"), ("time", "TIME")])
def test_a_template_runs_under_limits(kind: str, words: str) -> None:
    grab = {"memory": "x = bytearray(3 * 2**30)", "time": "while True: pass"}[kind]
    script = (
        "import sys; sys.path[:0] = []\n"
        "from firstlight_core.process.limits import limit_self\n"
        "limit_self(1, 2**29)\n"
        f"{grab}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    if kind == "memory":
        assert words in done.stderr
    else:
        assert explain_exit(done.returncode).signal == "SIGXCPU"


def test_an_open_file_is_named_and_left(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    write_whole(path, "old")
    with path.open("rb"), pytest.raises(StateProblem) as caught:
        write_whole(path, "new")
    assert "Another program has a file of it open" in caught.value.hint
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == [path.name]
    write_whole(path, "new")
    assert path.read_text() == "new"


def test_read_only_and_deep_trees_go(tmp_path: Path) -> None:
    deep = tmp_path / "tree"
    for _ in range(6):
        deep /= "n" * 60
    os.makedirs(long_path(deep))  # noqa: PTH103
    file = long_path(deep / "file")
    Path(file).write_text("x")
    Path(file).chmod(0o444)
    delete_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_lock_is_one_and_is_free_after_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = try_lock(path, note="pid 7")
    assert lock is not None and try_lock(path) is None
    assert path.read_text() == "pid 7"
    lock.release(unlink=True)
    assert not path.exists()


def test_counters_count() -> None:
    reset_peak()
    before = peak_memory()
    block = bytearray(64 * 2**20)
    assert peak_memory() >= before + 32 * 2**20 and len(block)
    assert children_peak() == 0
    awake, whole = clocks()
    started = awake(), whole()
    time.sleep(0.2)
    assert 0.1 < awake() - started[0] < 5 and 0.1 < whole() - started[1] < 5


async def test_a_job_starts_answers_and_ends() -> None:
    async with asyncio.timeout(60):
        assert await job_result(SELFTEST, {"act": "count", "total": 2}) == {"counted": 2}


async def test_a_cancelled_job_takes_its_children_with_it() -> None:
    pids: list[int] = []
    child: psutil.Process | None = None
    async for event in run_job(SELFTEST, {"act": "spawn"}, started=pids.append):
        if isinstance(event, Measured):
            child = psutil.Process(int(event.value))
            break
    assert child is not None
    child.wait(10)


async def test_a_dead_job_is_told_in_words() -> None:
    with pytest.raises(JobDied, match=r"0xC|exit code|memory"):
        await job_result(SELFTEST, {"act": "crash"})
