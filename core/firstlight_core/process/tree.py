"""A child and everything it starts, ended together: a process group on POSIX, a Job Object on Windows."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol, TypedDict

TERMINATE = signal.SIGTERM
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""The signal that no process can ignore; Windows knows one kind of end only."""

_CREATE_NEW_PROCESS_GROUP = 0x200
"""Windows sends a Ctrl-C of the console to every process of a group; the parent notifies its child instead."""
_CREATE_NO_WINDOW = 0x08000000
"""A console of its own that nobody sees: the console that is closed is another one, and no window opens."""
_CREATE_BREAKAWAY_FROM_JOB = 0x01000000
_TERMINATE_AND_QUOTA = 0x0001 | 0x0100
_EXTENDED_LIMITS = 9
_KILL_ON_CLOSE = 0x2000
_PROCESS_TIME, _PROCESS_MEMORY = 0x2, 0x100
_EXIT_CODE = 1


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    ]


class JobLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION of winnt.h: 144 bytes on 64-bit Windows."""

    _fields_ = [
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    ]


class StartOptions(TypedDict, total=False):
    """Keyword arguments of `subprocess.Popen`."""

    process_group: int
    start_new_session: bool
    creationflags: int


class ProcessTrees(Protocol):
    """A system's way to end or limit a child together with its children; a child is named by its process id."""

    def options(self, *, same_session: bool = False) -> StartOptions:
        """Return the keyword arguments with which a subprocess is started apart from this one.

        `same_session`: it still counts as part of this session, whose end and share of the processor are its own too.
        """
        ...

    def staying(self) -> Sequence[StartOptions]:
        """Return the keyword arguments that start a process which outlives this one and its terminal, best first.

        The system may refuse the first ones with PermissionError.
        """
        ...

    def adopt(self, pid: int) -> None:
        """Take charge of a child that was just started with `options`."""
        ...

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to the child and what it started; one that is gone is no error."""
        ...

    def release(self, pid: int) -> None:
        """Give the child up: what it started lives on."""
        ...

    def leave(self) -> None:
        """End what this process, itself a child, has started; may end this process as well."""
        ...


if sys.platform != "win32":

    class ProcessGroups:
        """POSIX: a process group, in a session of its own unless it is to share this one."""

        def options(self, *, same_session: bool = False) -> StartOptions:
            """Return the keyword arguments that make a session, or a group only."""
            return {"process_group": 0} if same_session else {"start_new_session": True}

        def staying(self) -> Sequence[StartOptions]:
            """Return the keyword arguments that make a session."""
            return [self.options()]

        def adopt(self, pid: int) -> None:
            """Do nothing: the group exists from the start."""

        def signal(self, pid: int, number: int) -> None:
            """Send a signal to the group that `pid` leads."""
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

        def release(self, pid: int) -> None:
            """Do nothing: the group is empty."""

        def leave(self) -> None:
            """Kill the own group, if this process leads one."""
            if os.getpgrp() == os.getpid():
                os.killpg(0, KILL)


class JobObjects:
    """Windows: a Job Object a child; it ends with its last handle, so also when this process dies."""

    def __init__(self, kernel: Any) -> None:
        """Take kernel32, or what answers like it."""
        self._kernel = kernel
        self._handles: dict[int, Any] = {}

    def options(self, *, same_session: bool = False) -> StartOptions:
        """Return the keyword arguments that keep the console's Ctrl-C from the child."""
        return {"creationflags": _CREATE_NEW_PROCESS_GROUP}

    def staying(self) -> Sequence[StartOptions]:
        """Return flags that leave the terminal's job; without, for a terminal whose job keeps what is in it."""
        hidden = _CREATE_NEW_PROCESS_GROUP | _CREATE_NO_WINDOW
        return [
            {"creationflags": hidden | _CREATE_BREAKAWAY_FROM_JOB},
            {"creationflags": hidden},
        ]

    def adopt(self, pid: int) -> None:
        """Put the child into a job of its own; where the system refuses, its tree is searched at the end."""
        kernel = self._kernel
        job = kernel.CreateJobObjectW(None, None)
        if not job:
            return
        process = kernel.OpenProcess(_TERMINATE_AND_QUOTA, False, pid)
        held = (
            process
            and self._limit(job, _KILL_ON_CLOSE)
            and kernel.AssignProcessToJobObject(job, process)
        )
        if process:
            kernel.CloseHandle(process)
        if held:
            self._handles[pid] = job
        else:
            kernel.CloseHandle(job)

    def signal(self, pid: int, number: int) -> None:
        """End the child and what it started: there are no other signals here."""
        job = self._handles.pop(pid, None)
        if job is None:
            end_descendants(pid)
            return
        self._kernel.TerminateJobObject(job, _EXIT_CODE)
        self._kernel.CloseHandle(job)

    def release(self, pid: int) -> None:
        """Let go of the job without ending what is in it."""
        job = self._handles.pop(pid, None)
        if job is not None:
            self._limit(job, 0)
            self._kernel.CloseHandle(job)

    def leave(self) -> None:
        """Do nothing: the parent's job ends what this process has started."""

    def limit_self(self, *, seconds: int | None, memory: int | None) -> Any:
        """Cap processor seconds and committed bytes of this process, both in total; returns the job or None."""
        kernel = self._kernel
        job = kernel.CreateJobObjectW(None, None)
        if not job:
            return None
        flags = (_PROCESS_TIME if seconds else 0) | (_PROCESS_MEMORY if memory else 0)
        capped = self._limit(job, flags, seconds=seconds or 0, memory=memory or 0)
        if capped and kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess()):
            return job
        kernel.CloseHandle(job)
        return None

    def lift(self, job: Any) -> None:
        """Take the limits of `limit_self` back."""
        if job is not None:
            self._limit(job, 0)
            self._kernel.CloseHandle(job)

    def _limit(self, job: Any, flags: int, *, seconds: int = 0, memory: int = 0) -> bool:
        limits = JobLimits(process_memory=memory)
        limits.basic.flags = flags
        # Units of 100 ns.
        limits.basic.process_time = seconds * 10_000_000
        size = ctypes.sizeof(limits)
        return bool(
            self._kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), size)
        )


def end_descendants(pid: int) -> None:
    """Kill a process and its children one by one, where nothing holds them together."""
    import psutil

    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.Error):
                process.kill()


if sys.platform == "win32":

    @cache
    def job_objects() -> JobObjects:
        """Return the Job Objects of this Windows."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle, flag = ctypes.c_void_p, ctypes.c_int
        for name, result, arguments in (
            ("CreateJobObjectW", handle, [handle, ctypes.c_wchar_p]),
            ("OpenProcess", handle, [ctypes.c_uint32, flag, ctypes.c_uint32]),
            ("GetCurrentProcess", handle, []),
            ("AssignProcessToJobObject", flag, [handle, handle]),
            ("SetInformationJobObject", flag, [handle, flag, handle, ctypes.c_uint32]),
            ("TerminateJobObject", flag, [handle, ctypes.c_uint32]),
            ("CloseHandle", flag, [handle]),
        ):
            function = getattr(kernel, name)
            function.restype, function.argtypes = result, arguments
        return JobObjects(kernel)

    def process_trees() -> ProcessTrees:
        """Return how this system holds a child and its children together."""
        return job_objects()

else:

    @cache
    def process_trees() -> ProcessTrees:
        """Return how this system holds a child and its children together."""
        return ProcessGroups()


def detach() -> None:
    """Let the parent of this process have its end; on Windows no process waits for its children."""
    if sys.platform != "win32" and os.fork():
        os._exit(0)


def let_go(process: "subprocess.Popen[bytes]", *, platform: str = sys.platform) -> None:
    """Forget a process that was started with `staying` and calls `detach`.

    POSIX: the one that was started has ended in `detach` and is waited for. Windows: it runs, and is nobody's child.
    """
    if platform == "win32":
        # Else its Popen object warns that it still runs.
        process.returncode = 0
    else:
        process.wait()
