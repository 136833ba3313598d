"""Reads an edited configuration file of method 2, and says in which line it is wrong."""

import json
import re
from typing import Any, NoReturn

from firstlight_core.errors import UsageError
from firstlight_core.text import one_line

LIMIT = 200_000
"""Characters; a configuration has some hundred."""


def parse_config(text: str) -> dict[str, Any]:
    """The JSON object of a configuration file.

    Raises:
        UsageError: it is too long or no JSON object; the message names the line and column.
    """
    if len(text) > LIMIT:
        raise _wrong(f"The configuration has {len(text)} characters; {LIMIT} are the most.")
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _wrong(f"Line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise _wrong("The configuration is nested too deeply.") from error
    except ValueError as error:
        raise _wrong(one_line(str(error))) from error
    if not isinstance(found, dict):
        raise _wrong("Line 1: the configuration is not a JSON object.")
    return found


def line_of(text: str, message: str) -> int | None:
    """The line of the key that a message about a configuration speaks of, counted from 1."""
    for name in reversed(re.findall(r"[A-Za-z_][\w.]*", message)):
        key = json.dumps(name.rpartition(".")[2])
        if (at := text.find(key)) >= 0:
            return text.count("\n", 0, at) + 1
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON.")


def _wrong(what: str) -> UsageError:
    return UsageError(what, hint="Correct the configuration and try again.")
