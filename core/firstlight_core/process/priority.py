"""How a job leaves the processor to the process that draws, and to no other program."""

import os
import sys
from contextlib import suppress

BESIDE_A_SCREEN = "FIRSTLIGHT_SCREEN"
"""Set to 1 by the wizard: its jobs leave the processor to it when a key comes. Those of the verbs do not."""
NICENESS = 10
"""A tenth of the weight of the process that draws; without other programs a job computes as fast as ever."""


def beside_a_screen() -> bool:
    """Return whether the wizard draws in the process that started this one, or in this one."""
    return os.environ.get(BESIDE_A_SCREEN) == "1"


def give_way() -> None:
    """Lower this process below the wizard, if there is one.

    A job beside a screen stays in the wizard's session (`process.child`). On Linux with autogroups niceness counts only
    within one session (sched(7)): the job is lowered against the wizard, and both together have the share of any other
    program. A session of its own would have to be lowered as a whole, against every program of the machine.
    """
    if not beside_a_screen():
        return
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        lowest = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, lowest)
