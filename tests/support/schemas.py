"""Holds documents against the schemas of docs/schemas, and against having keys that no schema names."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


@cache
def validator(name: str) -> Any:
    """Return the validator of one schema, with every object closed: a key without a type is a fault."""
    schema = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    envelope = schema.get("properties", {})
    tops = [entry["$ref"].rsplit("/", 1)[1] for entry in schema.get("anyOf", ())]
    for definition_name, definition in schema["$defs"].items():
        if definition_name in tops:
            definition["properties"] = {**envelope, **definition["properties"]}
        definition["additionalProperties"] = False
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def faults(document: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield what is wrong with a document, the closest variant first."""
    for error in validator(name).iter_errors(document):
        yield from _deepest(error)


def _deepest(error: Any) -> Iterator[str]:
    if not error.context:
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        return
    variants: dict[int, list[Any]] = {}
    for inner in error.context:
        variants.setdefault(inner.schema_path[0], []).append(inner)
    for inner in min(variants.values(), key=len):
        yield from _deepest(inner)


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a verb once it has been held against its schema."""
    verb = str(document["schema"]).split("/")[1]
    assert not (wrong := list(faults(document, verb))), wrong
    return document
