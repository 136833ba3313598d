"""The two forms of a row: rounded on a text where model and machine allow it, to the nearest elsewhere; one function decides."""

from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.conversion.calibration_choice import CalibrationWord, text_for
from firstlight_core.conversion.calibration_text import read_calibration
from firstlight_core.conversion.plan import plan_conversion
from firstlight_core.errors import UsageError
from firstlight_core.estimate.estimates import Room, estimate, form_of
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.precision.table import PRECISIONS, find_precision

NEAREST = replace(find_precision("int4-calibrated"), calibrated=False, nearest=None)
ROW = replace(NEAREST, calibrated=True, nearest=NEAREST)
PLENTY = Room(memory=2**45, disk=2**45)


@pytest.fixture
def inspection(sample: Path) -> Inspection:
    return inspect_model(sample)


def test_a_model_that_can_be_calibrated_is(inspection: Inspection) -> None:
    assert form_of(ROW, inspection, room=PLENTY) is ROW
    assert ROW.forms == (ROW, NEAREST) and NEAREST.forms == (NEAREST,)


def test_a_model_that_cannot_be_calibrated_is_rounded_to_the_nearest(
    inspection: Inspection,
) -> None:
    unread = replace(inspection, shape=replace(inspection.shape, architecture="Phi3ForCausalLM"))
    odd = replace(inspection, structure=replace(inspection.structure, matrices=((47, 10),)))
    for other in (unread, odd):
        assert form_of(ROW, other, room=PLENTY) is NEAREST
        # A row of one form says why it cannot be made.
        single = replace(ROW, nearest=None)
        assert form_of(single, other, room=PLENTY) is single


def test_memory_decides_where_only_one_form_fits(inspection: Inspection) -> None:
    peaks = [estimate(inspection, form, room=PLENTY)["peak_ram_bytes"] for form in ROW.forms]
    between = Room(memory=sum(peaks) // 2, disk=2**45)
    wide = replace(inspection, structure=replace(inspection.structure, matrices=((40_000, 2),)))
    large = estimate(wide, ROW, room=PLENTY)["peak_ram_bytes"]
    assert form_of(ROW, wide, room=replace(between, memory=large - 1)) is NEAREST
    assert form_of(ROW, wide, room=replace(between, memory=large)) is ROW


def test_what_is_asked_for_needs_no_model(inspection: Inspection) -> None:
    assert form_of(ROW, None) is ROW
    assert form_of(ROW, None, rounded=False) is NEAREST
    assert form_of(ROW, inspection, rounded=False) is NEAREST
    unread = replace(inspection, shape=replace(inspection.shape, architecture="Phi3ForCausalLM"))
    assert form_of(ROW, unread, rounded=True) is ROW


def test_the_word_none_belongs_to_rows_of_two_forms(tmp_path: Path) -> None:
    assert read_calibration(CalibrationWord.NEAREST) is None
    assert text_for(ROW, "none") == "none" and text_for(ROW, "mine.txt") == "mine.txt"
    assert text_for(NEAREST, "none") is None and text_for(NEAREST, "mine.txt") is None
    single = replace(ROW, nearest=None)
    assert text_for(single, "none") is None and text_for(single, "mine.txt") == "mine.txt"
    for row in PRECISIONS:
        if row.nearest is None:
            words = "always rounded" if row.calibrated else "not rounded on a text"
            with pytest.raises(UsageError, match=words):
                plan_conversion(tmp_path, tmp_path / "o", precision=row.key, calibration="none")


def test_the_forms_of_a_row_are_one_row() -> None:
    for row in PRECISIONS:
        for form in row.forms:
            assert (form.key, form.label, form.course_name) == (
                row.key,
                row.label,
                row.course_name,
            )
        if row.nearest is not None:
            assert (row.calibrated, row.nearest.calibrated) == (True, False)
            assert row.nearest.nearest is None


@pytest.mark.parametrize("machine", ["arm64", "aarch64", "x86_64"])
def test_arm_keeps_whole_blocks(
    inspection: Inspection, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    """SmolLM2's 576 columns are 4 ½ blocks of 128, for which onnxruntime 1.31 has no fast kernel there."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    row = find_precision("int4")
    part = replace(inspection, structure=replace(inspection.structure, matrices=((576, 100),)))
    whole = replace(inspection, structure=replace(inspection.structure, matrices=((640, 100),)))
    assert form_of(row, part, room=PLENTY).calibrated is (machine == "x86_64")
    assert form_of(row, whole, room=PLENTY).calibrated
    assert form_of(row, part, rounded=True, room=PLENTY).calibrated
