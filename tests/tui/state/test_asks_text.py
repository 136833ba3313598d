"""When the options of a row ask for a calibration text, and which one they start with."""

import pytest

from firstlight_core.documents.model import InspectDocument
from firstlight_tui.state.precision_choice import AsksText, asks_text, initial_text
from tests.support.wizard_documents import FULL

TEXT = "/texts/mine.jsonl"


def without_calibration(model: InspectDocument) -> InspectDocument:
    """The model when nothing of it can be rounded on a text here."""
    estimates = {key: {**row, "calibrated": False} for key, row in model["estimates"].items()}
    return {**model, "estimates": estimates}


@pytest.mark.parametrize(
    ("key", "calibration", "asks", "initial"),
    [
        ("int4", None, AsksText.OPTIONAL, None),
        ("int4", TEXT, AsksText.OPTIONAL, TEXT),
        ("int4", "none", AsksText.OPTIONAL, "none"),
        ("int4-calibrated", TEXT, AsksText.ALWAYS, TEXT),
        ("int4-calibrated", "none", AsksText.ALWAYS, None),
        ("int8", TEXT, AsksText.NEVER, None),
        ("fp32", "none", AsksText.NEVER, None),
    ],
)
def test_a_row_asks_for_the_text_it_has_a_use_for(
    key: str, calibration: str | None, asks: AsksText, initial: str | None
) -> None:
    session = FULL.decide(calibration=calibration)
    assert asks_text(session, key) is asks
    assert initial_text(session, key) == initial


def test_a_row_that_can_only_be_rounded_to_the_nearest_asks_for_no_text() -> None:
    assert FULL.model is not None
    session = FULL.decide(model=without_calibration(FULL.model), calibration=TEXT)
    assert asks_text(session, "int4") is AsksText.NEVER
    assert initial_text(session, "int4") is None
