"""Reads an edited configuration file of method 2, and finds the line of a wrong key."""

import json
from typing import NoReturn

from firstlight_core.errors import UsageError
from firstlight_core.files import JsonObject
from firstlight_core.text import one_line

LIMIT = 200_000
"""Characters; a configuration has some hundred."""


def parse_config(text: str) -> JsonObject:
    """Return the JSON object of a configuration file.

    Raises:
        UsageError: it is too long or no JSON object; the message names the line and column, `line` the line.
    """
    if len(text) > LIMIT:
        raise _wrong(f"The configuration has {len(text)} characters; {LIMIT} are the most.")
    try:
        config = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        words = f"Line {error.lineno}, column {error.colno}: {error.msg}."
        raise _wrong(words, line=error.lineno) from error
    except RecursionError as error:
        raise _wrong("The configuration is nested too deeply.") from error
    except ValueError as error:
        raise _wrong(one_line(str(error))) from error
    if not isinstance(config, dict):
        raise _wrong("Line 1: the configuration is not a JSON object.", line=1)
    return config


def line_of(text: str, field: str) -> int | None:
    """Return the line of a field in a configuration, counted from 1; of a field that is missing, that of its parent.

    `field` is the path of the key, in dots; None when no part of it stands in the text.
    """
    for name in reversed(field.split(".")):
        if name and (at := text.find(json.dumps(name))) >= 0:
            return text.count("\n", 0, at) + 1
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON.")


def _wrong(message: str, *, line: int | None = None) -> UsageError:
    return UsageError(message, hint="Correct the configuration and try again.", line=line)
