"""The JSON schema that an answer is held to: every keyword of it is checked, or it is refused when it is read."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from firstlight_core.text import one_line

if TYPE_CHECKING:
    from referencing import Resource

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""Spoken by a schema that names none."""
FORMATS = ("date", "email", "ipv4", "ipv6", "regex", "uuid")
"""Values of `format` that are checked with what is installed; the others are refused."""
_ANNOTATIONS = frozenset(
    [
        "$schema",
        "$id",
        "$anchor",
        "$dynamicAnchor",
        "$comment",
        "$defs",
        "definitions",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    ]
)
"""Keywords that say nothing about a value."""
_PARTNERS: Mapping[str, str] = {
    "then": "if",
    "else": "if",
    "minContains": "contains",
    "maxContains": "contains",
}
"""Keywords that are read together with another one, and without it mean nothing."""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that is none, or one with a part that would not be checked.

    Raises:
        ValueError: one sentence names the place and the rule.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    dialect = schema.get("$schema", DIALECT)
    kind = validator_for({"$schema": dialect}, default=None) if isinstance(dialect, str) else None
    if kind is None:
        raise ValueError(f"the schema is of an unknown kind: {one_line(str(dialect), 80)!r}")
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = one_line(error.json_path.replace("$", "schema", 1), 80)
        raise ValueError(f"{place} is wrong: {one_line(error.message, 160)}") from error
    known = kind.VALIDATORS.keys() | _ANNOTATIONS | _PARTNERS.keys()
    whole = specification_with(dialect).create_resource(dict(schema))
    for part in _parts(whole):
        _check_part(part.contents, known, below=part is not whole)
    resolver = _registry(whole).resolver(whole.id() or "")
    try:
        for part in _parts(whole):
            for key in ("$ref", "$dynamicRef", "$recursiveRef"):
                if isinstance(part.contents, Mapping) and key in part.contents:
                    resolver.lookup(part.contents[key])
    except Unresolvable as error:
        raise ValueError(
            f"the schema refers to {one_line(error.ref, 80)!r}, which it lacks"
        ) from error
    try:
        # What refers to itself at once would never end.
        next(_validator(schema).iter_errors(None), None)
    except RecursionError as error:
        raise ValueError("the schema refers to itself without end") from error


def _parts(resource: "Resource[Any]") -> Iterator["Resource[Any]"]:
    yield resource
    for below in resource.subresources():
        yield from _parts(below)


def _check_part(part: Any, known: frozenset[str] | set[str], *, below: bool) -> None:
    if not isinstance(part, Mapping):
        return
    for key, value in part.items():
        shown = one_line(str(key), 40)
        if key not in known:
            raise ValueError(f"the schema's keyword {shown!r} is not known")
        if key in _PARTNERS and _PARTNERS[key] not in part:
            raise ValueError(f"the schema's keyword {shown!r} needs {_PARTNERS[key]!r} beside it")
        if below and key in ("$id", "$schema"):
            raise ValueError(f"{shown!r} may only stand at the top of a schema")
        if key == "format" and value not in FORMATS:
            raise ValueError(
                f"the schema's format {one_line(str(value), 40)!r} is not checked here; "
                f"those that are: {', '.join(FORMATS)}"
            )
        if key in ("$ref", "$dynamicRef", "$recursiveRef") and not str(value).startswith("#"):
            raise ValueError(
                f"the schema refers to {one_line(str(value), 80)!r}, and nothing outside of it is read"
            )


def _registry(resource: "Resource[Any]") -> Any:
    from referencing import Registry

    return Registry().with_resource(resource.id() or "", resource)


def _validator(schema: Mapping[str, Any]) -> Any:
    from jsonschema import FormatChecker
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    # An empty registry: a reference to another place is an error, never a request.
    return kind(schema, registry=Registry(), format_checker=FormatChecker(formats=FORMATS))


def schema_fault(value: Any, schema: Mapping[str, Any], where: str) -> str | None:
    """The most telling way in which a value breaks a schema that `check_schema` has let through; None when it fits."""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return f"{where} is nested too deeply for its schema"
    if error is None:
        return None
    place = one_line(where + error.json_path.removeprefix("$"), 120)
    match error.validator:
        case "type":
            kinds = error.validator_value
            names = kinds if isinstance(kinds, list) else [kinds]
            return f"{place} is no {' or '.join(map(str, names))}"
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return f"{place} lacks {one_line(str(missing), 40)!r}"
        case "enum":
            return f"{place} is not one of the allowed values"
        case _:
            return f"{place} breaks {error.validator!r}: {one_line(error.message, 160)}"
