"""Explains an exit code in words."""

import signal
import sys
from dataclasses import dataclass

_NO_MEMORY = (0xC0000017, 0xC000012D, 0xC000009A, 0xC00000A1)
_QUOTA = 0x718
"""ERROR_NOT_ENOUGH_QUOTA: a limit of its Job Object ended it."""
_WINDOWS = {
    0xC0000005: "crashed: it touched memory that is not its own",
    0xC000001D: "crashed: its code uses an instruction that this processor does not have",
    0xC000007B: "could not start: one of its libraries is built for another kind of processor",
    0xC0000094: "crashed: it divided by zero",
    0xC00000FD: "crashed: its stack overflowed",
    0xC0000135: "could not start: one of its libraries (DLL) was not found",
    0xC0000139: "could not start: one of its libraries (DLL) is of another version",
    0xC000013A: "was ended by Ctrl-C",
    0xC0000142: "could not start: one of its libraries (DLL) failed to begin",
    0xC0000374: "crashed: it damaged its own memory (heap)",
    0xC0000409: "crashed: it ended itself because its memory was damaged (stack)",
    0xC0000602: "crashed: it ended itself after a fault",
    0x40010004: "was ended by the system",
}
"""NTSTATUS and system error codes that a Windows process ends with (ntstatus.h, winerror.h)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: words for after "The process", and what the code proves."""

    words: str
    out_of_memory: bool = False
    signal: str = ""
    """Name of the POSIX signal that ended it, SIGXCPU also for the time limit of a Windows job."""


def explain_exit(code: int, *, platform: str = sys.platform) -> Ending:
    """Return what an exit code of a child says; a negative one is a signal, except on Windows."""
    if platform == "win32":
        return _explain_windows(code & 0xFFFFFFFF)
    if code < 0:
        name = _signal_name(-code)
        return Ending(f"was ended by {name}", signal=name)
    return Ending(f"ended without a result (exit code {code})")


def _explain_windows(code: int) -> Ending:
    if code in _NO_MEMORY:
        return Ending(
            f"was ended by the system because memory ran out (0x{code:08X})", out_of_memory=True
        )
    if code == _QUOTA:
        return Ending("used up the processor time that it was allowed", signal="SIGXCPU")
    if code in _WINDOWS:
        return Ending(f"{_WINDOWS[code]} (0x{code:08X})")
    code_text = f"0x{code:08X}" if code >= 0x80000000 else str(code)
    return Ending(f"ended without a result (exit code {code_text})")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
