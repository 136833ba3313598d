"""How a job leaves the processor to the process that draws."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

BESIDE_A_SCREEN = "FIRSTLIGHT_SCREEN"
"""Set to 1 by the wizard: its jobs leave the processor to it when a key comes. Those of the verbs do not."""
NICENESS = 10
"""A tenth of the weight of the process that draws; without other programs a job computes as fast as ever."""
AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> bool:
    """Lower this process below the wizard if there is one; False if that is to be tried again later.

    On Linux with autogroups niceness counts only within one session (sched(7)), and a job has one of its own: there the
    session is lowered as well.
    """
    if os.environ.get(BESIDE_A_SCREEN) != "1":
        return True
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        return True
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    # A session that this process does not lead is someone else's too.
    return os.getsid(0) != os.getpid() or lower_session(AUTOGROUP.write_text)


def lower_session(order: Callable[[str], object]) -> bool:
    """Give the kernel the order for a whole session; False when it takes none yet.

    It takes one in 100 ms from all users but root; a system without autogroups has nothing to be told.
    """
    try:
        order(str(NICENESS))
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
