"""The switches before the first word, for the wizard and for every verb; the wizard's start imports nothing else for them."""

import os
from collections.abc import Sequence

from firstlight_tui.terminal.ascii_marks import ASCII_VARIABLE

SWITCH_VARIABLES = {"--no-color": "NO_COLOR", "--ascii": ASCII_VARIABLE}
"""Switch → the variable of the environment that means the same."""


def take_switches(arguments: Sequence[str]) -> list[str]:
    """Obey the switches before the first word that is no option, and return the other arguments."""
    rest = list(arguments)
    first = next((i for i, word in enumerate(rest) if not word.startswith("-")), len(rest))
    for switch in (word for word in rest[:first] if word in SWITCH_VARIABLES):
        os.environ[SWITCH_VARIABLES[switch]] = "1"
    return [word for word in rest[:first] if word not in SWITCH_VARIABLES] + rest[first:]
