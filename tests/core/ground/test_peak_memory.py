"""The peak of several process trees: what sums up, what a sample misses, and a real child that holds memory."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from firstlight_core.monitor import PeakMemory, Resident, child_pids, read_resident

MIB = 2**20


class Machine:
    """Processes whose memory the test sets: `{pid: (now, highest)}` and `{pid: children}`."""

    def __init__(self) -> None:
        self.held: dict[int, tuple[int, int]] = {}
        self.children: dict[int, list[int]] = {}

    def memory(self, *roots: int) -> PeakMemory:
        memory = PeakMemory(
            read=lambda pid: Resident(*self.held[pid]) if pid in self.held else None,
            children=lambda pid: self.children.get(pid, []),
        )
        memory.begin("build")
        for root in roots:
            memory.add(root)
        return memory


def test_the_processes_of_a_tree_add_up() -> None:
    machine = Machine()
    machine.held = {1: (100, 100), 2: (30, 30), 3: (7, 7)}
    machine.children = {1: [3]}
    memory = machine.memory(1, 2)
    assert memory.take() == 137
    machine.held = {1: (10, 100), 2: (40, 40)}
    assert memory.take() == 50
    assert memory.peak == 137


def test_a_peak_between_two_samples_counts_beside_what_the_others_held() -> None:
    machine = Machine()
    machine.held = {1: (100, 100), 2: (30, 30)}
    memory = machine.memory(1, 2)
    memory.take()
    # Process 1 was at 900 and is back; process 2 grew, maybe only after that.
    machine.held = {1: (100, 900), 2: (50, 50)}
    memory.take()
    assert memory.peak == 930


def test_what_a_process_held_before_it_is_watched_does_not_count() -> None:
    machine = Machine()
    machine.held = {1: (100, 5_000)}
    memory = machine.memory(1)
    memory.take()
    assert memory.peak == 100


def test_stages_have_peaks_of_their_own_and_a_process_can_be_fixed() -> None:
    machine = Machine()
    machine.held = {1: (500, 500), 2: (10, 10)}
    memory = machine.memory(1, 2)
    memory.take()
    machine.held = {1: (200, 500), 2: (10, 10)}
    memory.begin("check")
    memory.fix(1)
    # It builds the next artifact; that is not this one's.
    machine.held = {1: (4_000, 4_000), 2: (70, 70)}
    assert memory.take() == 270 and memory.live == 70
    assert memory.peaks == {"build": 510, "check": 270}
    assert memory.peak == 510


@pytest.fixture
def holder() -> Iterator["subprocess.Popen[str]"]:
    """A process whose child holds 200 MiB, gives them back, and waits for the end of stdin."""
    grandchild = (
        f"import sys; held = bytearray(200 * {MIB}); held[::4096] = bytes([1]) * len(held[::4096]);"
        "del held; print('held', flush=True); sys.stdin.read()"
    )
    program = (
        f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {grandchild!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's mark of each process")
def test_memory_that_a_child_gave_back_before_the_first_sample_is_seen(
    holder: "subprocess.Popen[str]",
) -> None:
    assert holder.stdout is not None
    memory = PeakMemory()
    memory.begin("whole")
    memory.add(holder.pid)
    assert holder.stdout.readline() == "held\n"
    assert memory.take() < 150 * MIB
    assert 200 * MIB < memory.peak < 300 * MIB
    (child,) = child_pids(holder.pid)
    resident = read_resident(child)
    assert resident is not None and resident.highest > 200 * MIB > resident.now


async def test_it_samples_beside_the_event_loop_until_it_is_stopped() -> None:
    machine = Machine()
    machine.held = {1: (100, 100)}
    memory = machine.memory(1)
    notified = asyncio.Event()

    def tell(sampled: PeakMemory) -> None:
        assert sampled.now == 100
        notified.set()

    memory.start(tell)
    await notified.wait()
    await memory.stop()
    machine.held = {1: (300, 300)}
    assert memory.peak == 100


def test_a_process_that_is_gone_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert read_resident(process.pid) is None
    assert child_pids(process.pid) == []
