"""The choice of what weights are rounded on: a word for what is built in, or a file."""

from enum import StrEnum
from pathlib import Path

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.paths import absolute
from firstlight_core.precision.table import Precision, calibrates


class CalibrationWord(StrEnum):
    """Names in place of a file."""

    BUILT_IN = "built-in"
    """The built-in questions with their answers."""
    OWN_ANSWERS = "own-answers"
    """The built-in questions, for the original to answer."""
    NEAREST = "none"
    """No text: every weight is rounded to the nearest step."""


CalibrationChoice = CalibrationWord | Path


def calibration_word(named: str | None) -> CalibrationWord | None:
    """Return the word of this name; None where it is none."""
    return next((word for word in CalibrationWord if word == named), None)


def calibration_choice(named: str | Path) -> CalibrationChoice:
    """Return the word, or the absolute path of a file.

    Raises:
        UsageError: it is empty or holds a NUL.
    """
    return calibration_word(str(named)) or absolute(named)


def calibration_name(choice: CalibrationChoice) -> str:
    """Return what `calibration_choice` makes this choice of, wherever it is called from."""
    return choice.value if isinstance(choice, CalibrationWord) else str(choice.absolute())


def text_for(
    row: Precision, calibration: str | Path | None, config: OliveConfig | None = None
) -> str | Path | None:
    """Return the calibration of several precisions if this row, or its edited configuration, has a use for it, else None."""
    if calibration is None:
        return None
    if calibration_choice(calibration) == CalibrationWord.NEAREST:
        return calibration if config is None and row.nearest is not None else None
    rounds = row.calibrated if config is None else calibrates(config)
    return calibration if rounds else None
