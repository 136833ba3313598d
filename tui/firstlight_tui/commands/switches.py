"""The switches that every verb and the wizard know: no colour, and ASCII."""

import functools
import inspect
import os
from collections.abc import Callable
from typing import get_type_hints

import typer

from firstlight_tui.terminal.ascii_marks import ASCII_VARIABLE
from firstlight_tui.terminal.switches import SWITCH_VARIABLES

_HELP = {
    "--no-color": "No colour, as with NO_COLOR=1.",
    "--ascii": f"Draw with ASCII characters only, as with {ASCII_VARIABLE}=1.",
}


def with_switches(function: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that obeys the switches too, wherever they stand among its options."""

    @functools.wraps(function)
    def verb(**options: object) -> None:
        for switch, variable in SWITCH_VARIABLES.items():
            if options.pop(_name(switch), False):
                os.environ[variable] = "1"
        function(**options)

    signature = inspect.signature(function)
    switches = [
        inspect.Parameter(
            _name(switch),
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(False, switch, help=words),
            annotation=bool,
        )
        for switch, words in _HELP.items()
    ]
    parameters = [*signature.parameters.values(), *switches]
    setattr(verb, "__signature__", signature.replace(parameters=parameters))  # noqa: B010
    verb.__annotations__ = {
        **get_type_hints(function),
        **{switch.name: bool for switch in switches},
    }
    return verb


def _name(switch: str) -> str:
    return switch.lstrip("-").replace("-", "_")
