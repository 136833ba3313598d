"""What a job gets of the processor, and when other programs crowd it."""

import os
import sys

import pytest

from firstlight_core.counters import thread_demands
from firstlight_core.crowding import Crowding, TreeDemand, crowding
from firstlight_core.monitor import Sample, TreeCpu


def sample(cpu: float, job: float | None, wanted: float | None = None) -> Sample:
    return Sample(cpu=cpu, memory_used=0, memory_total=1, job_cpu=job, job_wanted=wanted)


def test_the_descendants_are_added_up_and_a_new_one_counts_from_its_start() -> None:
    spent: dict[int, float] = {2: 10.0}
    now = [0.0]
    tree = TreeCpu(read=spent.get, clock=lambda: now[0], cores=2)
    assert tree.take(list(spent)) is None, "one look says nothing"
    now[0] = 2.0
    spent.update({2: 11.0, 3: 0.5})
    assert tree.take(list(spent)) == pytest.approx(37.5)
    now[0] = 3.0
    del spent[2]
    assert tree.take(list(spent)) == 0.0


def test_a_job_is_crowded_where_others_take_what_it_would_use() -> None:
    assert crowding([sample(95.0, 12.0)]) == Crowding(12.0, 83.0, 12.0)
    assert crowding([sample(100.0, 95.0)]) is None, "the job has nearly all"
    assert crowding([sample(50.0, 10.0)]) is None, "half of the machine is free"
    assert crowding([sample(95.0, None)]) is None and crowding([]) is None
    assert crowding([sample(99.0, 1.0)] * 9 + [sample(99.0, 90.0)] * 5) is None, (
        "the last ones count"
    )


def test_what_a_job_gets_is_held_against_what_its_threads_ask_for() -> None:
    one_thread_of_two_cores = sample(95.0, 12.0, 50.0)
    assert crowding([one_thread_of_two_cores]) == Crowding(12.0, 83.0, 24.0)
    assert crowding([sample(90.0, 47.0, 50.0)]) is None, "it gets nearly all that it asks for"


def test_the_demand_is_what_ran_and_what_waited_and_never_more_than_the_machine() -> None:
    demands = {2: {20: 1.0, 21: 5.0}}
    now = [0.0]
    tree = TreeDemand(
        read=lambda pid: demands[pid],
        clock=lambda: now[0],
        cores=2,
    )
    assert tree.take(list(demands)) is None, "one look says nothing"
    now[0] = 2.0
    demands[2] = {20: 2.0, 21: 5.5, 22: 9.0}
    assert tree.take(list(demands)) == pytest.approx(37.5), (
        "a new thread counts from its second look on"
    )
    now[0] = 3.0
    demands[2] = {20: 4.0, 21: 7.5}
    assert tree.take(list(demands)) == 100.0, (
        "three threads wait for two cores on an idle machine too"
    )
    demands.clear()
    now[0] = 4.0
    assert tree.take(list(demands)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's sched-stats")
def test_the_kernel_tells_what_this_process_has_asked_for() -> None:
    demands = thread_demands(os.getpid())
    assert not demands or sum(demands.values()) > 0
    assert thread_demands(2**22 + 1) == {}
