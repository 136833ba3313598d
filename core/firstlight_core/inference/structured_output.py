"""The form that an answer is held to, read from what a user wrote or from a file."""

import json

from firstlight_core.documents.inference import Guidance
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.files import read_limited
from firstlight_core.inference.sampling import JsonSchema
from firstlight_core.paths import expanded
from firstlight_core.text import one_line, shown_path

SCHEMA_LIMIT = 100_000
"""Bytes of a schema; the grammar made of it is many times larger."""
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def read_schema(text: str) -> JsonSchema:
    """Return a JSON schema: the text itself where it begins with a brace, else the file that it names.

    Raises:
        UsageError: it is no JSON object, or no schema; the line is named.
        InputRefused: the file cannot be read.
    """
    text = text.strip()
    where = "The schema"
    if not text.startswith("{"):
        path = expanded(text)
        if not text or "\0" in text or not path.is_file():
            raise InputRefused(
                f"There is no schema file {shown_path(text)}.",
                hint='Name a file, or write the schema itself: {"type": "object", ...}',
            )
        where = shown_path(path)
        text = read_limited(path, limit=SCHEMA_LIMIT).decode("utf-8-sig", "replace")
    if len(text) > SCHEMA_LIMIT:
        raise UsageError(
            f"{where} is longer than {SCHEMA_LIMIT // 1000} kB.", hint="Shorten the schema."
        )
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{where} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.",
            hint="Correct that place.",
        ) from error
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply.", hint="Simplify it.") from error
    if not isinstance(schema, dict):
        raise UsageError(
            f"{where} is no JSON object.", hint='A schema looks like {"type": "object", ...}.'
        )
    kinds = schema.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind is not None and kind not in _TYPES:
            raise UsageError(
                f"{where} names the type {one_line(repr(kind), 40)}, which JSON does not have.",
                hint=f"Types are: {', '.join(_TYPES)}.",
            )
    return schema


def unusable_form(form: Guidance, reason: str) -> InputRefused:
    """Return the error of a form (`sampling.guidance`) that onnxruntime-genai could not compile to a grammar."""
    what = "regex" if form["type"] == "regex" else "JSON schema"
    # The grammar's compiler draws the place with lines of its own.
    grammar = " ".join(reason.partition("grammar: ")[2].split())
    why = grammar.rpartition(" error: ")[2].partition(" 1 | ")[0]
    return InputRefused(
        f"Answers cannot follow this {what}: {one_line(why, 200)}",
        hint=f"Correct the {what}, or take it away.",
    )
