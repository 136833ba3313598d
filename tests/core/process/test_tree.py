"""How a child ends with everything it started: the Job Objects of Windows against a kernel32 that records."""

import ctypes
import os
import subprocess
import sys
from typing import Any

import psutil
import pytest

from firstlight_core.documents.jobs_selftest import SELFTEST
from firstlight_core.errors import JobDied, OutOfMemory
from firstlight_core.process import exit_codes
from firstlight_core.process.exit_codes import explain_exit
from firstlight_core.process.tree import KILL, JobLimits, JobObjects, end_descendants, process_trees


class Kernel:
    """kernel32 as far as Job Objects go: handles are numbers, members of a job die with it."""

    def __init__(self, *, refuses: str = "") -> None:
        self.refuses = refuses
        self.jobs: dict[int, dict[str, Any]] = {}
        self.opened: set[int] = set()
        self.ended: list[int] = []
        self._next = 100

    def _handle(self) -> int:
        self._next += 4
        self.opened.add(self._next)
        return self._next

    def CreateJobObjectW(self, attributes: None, name: None) -> int:
        if self.refuses == "CreateJobObjectW":
            return 0
        handle = self._handle()
        self.jobs[handle] = {"flags": 0, "pids": []}
        return handle

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int:
        self._pid = pid
        # Assigning wants PROCESS_SET_QUOTA and PROCESS_TERMINATE.
        assert access & 0x101 == 0x101
        return 0 if self.refuses == "OpenProcess" else self._handle()

    def GetCurrentProcess(self) -> int:
        self._pid = os.getpid()
        return -1

    def SetInformationJobObject(self, job: int, kind: int, limits: Any, size: int) -> int:
        assert (kind, size) == (9, ctypes.sizeof(JobLimits))
        job_limits = limits._obj
        self.jobs[job].update(
            flags=job_limits.basic.flags,
            time=job_limits.basic.process_time,
            memory=job_limits.process_memory,
        )
        return 1

    def AssignProcessToJobObject(self, job: int, process: int) -> int:
        if self.refuses == "AssignProcessToJobObject":
            return 0
        self.jobs[job]["pids"].append(self._pid)
        return 1

    def TerminateJobObject(self, job: int, code: int) -> int:
        self.ended += self.jobs[job]["pids"]
        return 1

    def CloseHandle(self, handle: int) -> int:
        self.opened.remove(handle)
        job = self.jobs.get(handle)
        if job is not None and job["flags"] & 0x2000:
            self.ended += job["pids"]
        return 1


def test_a_child_and_what_it_started_end_with_its_job() -> None:
    kernel = Kernel()
    jobs = JobObjects(kernel)
    jobs.adopt(41)
    # Dying closes the handle: the job ends what it holds, whether or not anybody ordered it.
    assert [job["flags"] for job in kernel.jobs.values()] == [0x2000]
    jobs.signal(41, KILL)
    assert 41 in kernel.ended
    assert not kernel.opened


def test_what_a_program_that_succeeded_has_started_lives_on() -> None:
    kernel = Kernel()
    jobs = JobObjects(kernel)
    jobs.adopt(41)
    jobs.release(41)
    assert (kernel.ended, kernel.opened) == ([], set())


@pytest.mark.parametrize("call", ["CreateJobObjectW", "OpenProcess", "AssignProcessToJobObject"])
def test_without_a_job_the_tree_is_searched_and_no_handle_leaks(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(refuses=call)
    jobs = JobObjects(kernel)
    searched: list[int] = []
    monkeypatch.setattr("firstlight_core.process.tree.end_descendants", searched.append)
    jobs.adopt(41)
    jobs.signal(41, KILL)
    assert (searched, kernel.opened) == ([41], set())


def test_limits_of_the_own_process_are_set_and_lifted() -> None:
    kernel = Kernel()
    jobs = JobObjects(kernel)
    job = jobs.limit_self(seconds=4, memory=2**29)
    assert kernel.jobs[job] == {
        "flags": 0x102,
        "pids": [os.getpid()],
        "time": 40_000_000,
        "memory": 2**29,
    }
    jobs.lift(job)
    assert (kernel.jobs[job]["flags"], kernel.ended, kernel.opened) == (0, [], set())


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the layout of 64-bit Windows")
def test_the_layout_is_that_of_windows() -> None:
    assert ctypes.sizeof(JobLimits) == 144


def test_children_are_found_and_ended_without_a_group() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], stdin=0)"
    command = [sys.executable, "-c", "print(flush=True);" + nested]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()
        root = psutil.Process(child.pid)
        while not (children := root.children()):
            root.status()
        end_descendants(child.pid)
        psutil.wait_procs(children, timeout=60)
        assert child.wait(10) != 0
        assert not any(process.is_running() for process in children)


def test_a_child_is_started_apart() -> None:
    assert process_trees().options() == {"start_new_session": True}
    assert process_trees().options(same_session=True) == {"process_group": 0}
    assert JobObjects(Kernel()).options() == {"creationflags": 0x200}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0xC0000005, "touched memory that is not its own"),
        (0xC0000374, "damaged its own memory"),
        (0xC000001D, "instruction that this processor does not have"),
        (0xC0000135, "was not found"),
        (0xC0000409 - 2**32, "because its memory was damaged"),
        (0xC0001234, "exit code 0xC0001234"),
        (3, "exit code 3"),
    ],
)
def test_native_crashes_of_windows_have_words(code: int, words: str) -> None:
    ending = explain_exit(code, platform="win32")
    assert words in ending.words
    assert not ending.out_of_memory


@pytest.mark.parametrize("code", [0xC0000017, 0xC000012D])
def test_windows_says_that_memory_ran_out(code: int) -> None:
    assert explain_exit(code, platform="win32").out_of_memory


def test_a_limit_of_a_job_object_reads_as_the_signal_of_posix() -> None:
    assert explain_exit(0x718, platform="win32").signal == "SIGXCPU"


def test_signals_have_their_names() -> None:
    assert explain_exit(-11, platform="linux").words == "was ended by SIGSEGV"
    assert explain_exit(-9, platform="darwin").signal == "SIGKILL"
    assert explain_exit(-300, platform="linux").words == "was ended by signal 300"
    assert explain_exit(7, platform="linux").words == "ended without a result (exit code 7)"


async def test_a_child_without_memory_on_windows_is_an_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, clean_children: None
) -> None:
    from firstlight_core.process import child, runner

    def windows(code: int) -> exit_codes.Ending:
        return explain_exit(0xC0000017, platform="win32")

    monkeypatch.setattr(child, "explain_exit", windows)
    with pytest.raises(OutOfMemory, match="memory ran out"):
        await runner.job_result(SELFTEST, {"act": "leave", "code": 3})


async def test_the_signal_of_a_dead_child_is_no_prose(clean_children: None) -> None:
    from firstlight_core.process import runner

    with pytest.raises(JobDied) as died:
        await runner.job_result(SELFTEST, {"act": "crash"})
    assert died.value.signal
