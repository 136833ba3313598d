"""What the check of an artifact takes: all that it wants, or what there is."""

from pathlib import Path

from firstlight_core.estimate.check_memory import check_bytes, original_fits, original_is_exact
from firstlight_core.estimate.estimates import Room, estimate
from firstlight_core.estimate.run_memory import loading_bytes
from firstlight_core.model.inspection import inspect_model
from firstlight_core.precision.table import find_precision

GIB = 2**30


def test_the_original_is_asked_where_there_is_room() -> None:
    assert original_fits(GIB, 5 * GIB) and not original_fits(GIB, 4 * GIB)
    assert original_is_exact(GIB, room=0, available=13 * GIB)
    assert not original_is_exact(GIB, room=0, available=12 * GIB)
    assert original_is_exact(GIB, room=4 * GIB, available=GIB), "the build needed it anyway"


def test_a_small_machine_checks_with_less(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("fp32")
    stored = inspection.weight_bytes
    whole = check_bytes(inspection, row, build=0, available=20 * stored)
    as_stored = check_bytes(inspection, row, build=0, available=8 * stored)
    without = check_bytes(inspection, row, build=0, available=2 * stored)
    assert check_bytes(inspection, row, build=0) == whole > as_stored > without
    assert without == loading_bytes(inspection, row)


def test_the_check_alone_makes_no_conversion_impossible(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("int4")
    plenty = estimate(inspection, row, room=Room(memory=2**45, disk=2**45))
    narrow = estimate(inspection, row, room=Room(memory=10, disk=2**45))
    assert narrow["peak_ram_bytes"] < plenty["peak_ram_bytes"]
    assert narrow["blocked_by"] == "memory"
