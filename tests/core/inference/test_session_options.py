"""Threads follow the machine and what this process may use of it; spinning is bounded."""

import pytest

from firstlight_core.artifact.genai_config import SESSION_OPTIONS
from firstlight_core.inference.session_options import session_options, usable_threads


@pytest.mark.parametrize(
    ("physical", "usable", "threads"),
    [
        (2, 2, 2),
        (4, 8, 4),
        (64, 2, 2),
        (None, 6, 6),
        (None, 1, 1),
        (0, 3, 3),
    ],
    ids=["a-laptop", "hyperthreads", "a-quota", "unknown", "one-core", "nothing-told"],
)
def test_one_thread_a_core_that_may_be_used(
    physical: int | None, usable: int, threads: int
) -> None:
    assert usable_threads(physical, usable) == threads


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_tuned_artifact_keeps_its_threads(count: int) -> None:
    assert session_options({"intra_op_num_threads": count}, cores=2) == {}


@pytest.mark.parametrize("count", [3, -1, True, "2", None])
def test_threads_that_this_machine_does_not_have_are_replaced(count: object) -> None:
    assert (
        1 <= session_options({"intra_op_num_threads": count}, cores=2)["intra_op_num_threads"] <= 2
    )
    assert session_options({})["intra_op_num_threads"] >= 1


def test_a_waiting_engine_does_not_spin_for_long() -> None:
    assert 0 < int(session_options({})["session.intra_op.spin_duration_us"]) <= 1_000


def test_an_artifact_may_carry_the_same_options() -> None:
    assert session_options({}).keys() <= SESSION_OPTIONS
