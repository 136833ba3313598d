"""The screens of the wizard: for each row of the step table, the one that its package defines."""

import importlib

from firstlight_core.steps import STEPS as ROWS
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.late import LateStep

WizardStep = LateStep | type[StepScreen]


def screen_of(id: str) -> type[StepScreen]:
    """Return the screen class that `firstlight_tui/steps/<id>/screen.py` defines.

    Raises:
        LookupError: the module defines no screen with this `STEP_ID`.
    """
    module = importlib.import_module(f"{__name__}.{id}.screen")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, StepScreen) and id == value.STEP_ID:
            return value
    raise LookupError(f"{module.__name__} defines no screen of the step {id!r}")


def list_screens() -> tuple[type[StepScreen], ...]:
    """Return the screen of every row, in order; imports all of them."""
    return tuple(screen_of(row.id) for row in ROWS)


def list_steps() -> tuple[LateStep, ...]:
    """Return the step of every row, in order; imports no screen."""
    return tuple(LateStep(row, screen_of) for row in ROWS)
