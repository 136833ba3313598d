"""The faults that `bench.planted_faults` puts back: each can be planted, and its tests are there."""

import ast
from pathlib import Path

import pytest

from bench.planted_faults import REPOSITORY, Fault, failed_tests, judge, plant, read_faults

FAULTS = read_faults()


def test_all_places_of_the_page_are_there() -> None:
    assert {fault.row for fault in FAULTS} == {*range(1, 23)}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.row} {fault.what}")
def test_a_fault_can_be_planted(fault: Fault) -> None:
    """The seam still holds the line, what stood there is Python too, and the tests that must fail have these names."""
    text = (REPOSITORY / fault.file).read_text("utf-8")
    assert text.count(fault.now) == 1
    ast.parse(text.replace(fault.now, fault.before))
    for test in fault.tests:
        file, _, function = test.partition("::")
        assert f"def {function}(" in (REPOSITORY / file).read_text("utf-8"), test


@pytest.mark.slow
def test_a_fault_that_no_test_notices_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seam.py").write_text("peak = 200\n")
    (tmp_path / "test_seam.py").write_text(
        "from seam import peak\n"
        "def test_peak():\n    assert peak == 200\n"
        "def test_nothing():\n    assert True\n"
    )
    tests = ("test_seam.py::test_peak", "test_seam.py::test_nothing")
    fault = Fault(4, "what is resident now", "seam.py", "peak = 200", "peak = 70", tests)
    assert not any(failed_tests(tmp_path, tests).values())
    assert judge(tmp_path, [fault]) == 1
    assert "NOT NOTICED by test_seam.py::test_nothing" in capsys.readouterr().out
    assert (tmp_path / "seam.py").read_text() == "peak = 200\n"


def test_a_line_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "seam.py").write_text("peak = 70\n")
    with pytest.raises(ValueError, match=r"seam\.py does not hold once"):
        plant(tmp_path, Fault(4, "x", "seam.py", "peak = 200", "peak = 70", ()))
