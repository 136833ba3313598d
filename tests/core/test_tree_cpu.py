"""What a job gets of the processor, and when other programs crowd it."""

import pytest

from firstlight_core.monitor import Crowding, Sample, TreeCpu, crowding


def sample(cpu: float, job: float | None) -> Sample:
    return Sample(cpu=cpu, memory_used=0, memory_total=1, job_cpu=job)


def test_the_descendants_are_added_up_and_a_new_one_counts_from_its_start() -> None:
    spent: dict[int, float] = {2: 10.0}
    now = [0.0]
    tree = TreeCpu(children=lambda pid: list(spent), read=spent.get, clock=lambda: now[0], cores=2)
    assert tree.take(1) is None, "one look says nothing"
    now[0] = 2.0
    spent.update({2: 11.0, 3: 0.5})
    assert tree.take(1) == pytest.approx(37.5)
    now[0] = 3.0
    del spent[2]
    assert tree.take(1) == 0.0


def test_a_job_is_crowded_where_others_take_what_it_would_use() -> None:
    assert crowding([sample(95.0, 12.0)]) == Crowding(12.0, 83.0)
    assert crowding([sample(100.0, 95.0)]) is None, "the job has nearly all"
    assert crowding([sample(50.0, 10.0)]) is None, "half of the machine is free"
    assert crowding([sample(95.0, None)]) is None and crowding([]) is None
    assert crowding([sample(99.0, 1.0)] * 9 + [sample(99.0, 90.0)] * 5) is None, (
        "the last ones count"
    )
