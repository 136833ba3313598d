"""The JSON schema that an answer is held to: every keyword of it is checked, or it is refused when it is read."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from firstlight_core.inference.sampling import JsonSchema
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
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_PARTNERS: Mapping[str, str] = {
    "then": "if",
    "else": "if",
    "minContains": "contains",
    "maxContains": "contains",
}
"""Keywords that are read together with another one, and without it mean nothing."""


def check_schema(schema: JsonSchema) -> None:
    """Refuse a schema that is none, or one with a part that would not be checked.

    Raises:
        ValueError: one sentence names the place and the rule.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing.jsonschema import specification_with

    dialect = schema.get("$schema", DIALECT)
    kind = validator_for({"$schema": dialect}, default=None) if isinstance(dialect, str) else None
    if kind is None or not isinstance(dialect, str):
        raise ValueError(f"the schema is of an unknown kind: {one_line(str(dialect), 80)!r}")
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        location = one_line(error.json_path.replace("$", "schema", 1), 80)
        raise ValueError(f"{location} is wrong: {one_line(error.message, 160)}") from error
    known = kind.VALIDATORS.keys() | _ANNOTATIONS | _PARTNERS.keys()
    whole = specification_with(dialect).create_resource(dict(schema))
    parts = [part.contents for part in _parts(whole)]
    # Before 2019-09 a reference hides its sibling keywords.
    hides = "unevaluatedProperties" not in kind.VALIDATORS
    for part in parts:
        _check_part(part, known, below=part is not whole.contents, hides=hides)
    resolver = _registry(whole).resolver(whole.id() or "")
    targets: dict[int, Any] = {}
    for part in parts:
        for key in _REFERENCES:
            if isinstance(part, Mapping) and key in part:
                targets[id(part)] = _target(part[key], resolver, parts)
    _check_ends(parts, targets)


def _target(reference: str, resolver: Any, parts: list[Any]) -> Any:
    """Return the part of the schema that a reference names.

    Raises:
        ValueError: it names nothing, or something that is no schema.
    """
    from referencing.exceptions import Unresolvable

    label = one_line(str(reference), 80)
    try:
        subschema = resolver.lookup(reference).contents
    except (Unresolvable, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"the schema refers to {label!r}, which it lacks") from error
    if not any(subschema is part for part in parts):
        raise ValueError(f"the schema refers to {label!r}, which is no schema in it")
    return subschema


def _check_ends(parts: list[Any], targets: Mapping[int, Any]) -> None:
    """Refuse references that come back to themselves for one and the same value: checking would never end.

    Raises:
        ValueError: there is such a round.
    """
    open_: set[int] = set()
    closed: set[int] = set()

    def visit(part: Any) -> None:
        if not isinstance(part, Mapping) or id(part) in closed:
            return
        if id(part) in open_:
            raise ValueError("the schema refers to itself without end")
        open_.add(id(part))
        for below in _of_the_same_value(part):
            visit(below)
        if id(part) in targets:
            visit(targets[id(part)])
        open_.discard(id(part))
        closed.add(id(part))

    for part in parts:
        visit(part)


def _of_the_same_value(part: JsonSchema) -> Iterator[Any]:
    """Yield the schemas below that look at the same value, not at a part of it."""
    for key in ("allOf", "anyOf", "oneOf"):
        if isinstance(parts := part.get(key), list):
            yield from parts
    for key in ("not", "if", "then", "else"):
        if key in part:
            yield part[key]
    for key in ("dependentSchemas", "dependencies"):
        if isinstance(parts := part.get(key), Mapping):
            yield from parts.values()


def _parts(resource: "Resource[Any]") -> Iterator["Resource[Any]"]:
    yield resource
    for below in resource.subresources():
        yield from _parts(below)


def _check_part(part: Any, known: frozenset[str] | set[str], *, below: bool, hides: bool) -> None:
    if not isinstance(part, Mapping):
        return
    if hides and "$ref" in part and (beside := sorted(part.keys() - _ANNOTATIONS - {"$ref"})):
        raise ValueError(
            f"in this kind of schema {one_line(beside[0], 40)!r} is not read beside '$ref'"
        )
    for key, value in part.items():
        label = one_line(str(key), 40)
        if key not in known:
            raise ValueError(f"the schema's keyword {label!r} is not known")
        if key in _PARTNERS and _PARTNERS[key] not in part:
            raise ValueError(f"the schema's keyword {label!r} needs {_PARTNERS[key]!r} beside it")
        if below and key in ("$id", "$schema"):
            raise ValueError(f"{label!r} may only stand at the top of a schema")
        if key == "format" and value not in FORMATS:
            raise ValueError(
                f"the schema's format {one_line(str(value), 40)!r} is not checked here; "
                f"those that are: {', '.join(FORMATS)}"
            )
        if key in _REFERENCES and not str(value).startswith("#"):
            raise ValueError(
                f"the schema refers to {one_line(str(value), 80)!r}, and nothing outside of it is read"
            )


def _registry(resource: "Resource[Any]") -> Any:
    from referencing import Registry

    return Registry().with_resource(resource.id() or "", resource)


def _validator(schema: JsonSchema) -> Any:
    from jsonschema import FormatChecker
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    # An empty registry: a reference to another place is an error, never a request.
    return kind(schema, registry=Registry(), format_checker=FormatChecker(formats=FORMATS))


def schema_fault(value: object, schema: JsonSchema, where: str) -> str | None:
    """Return the most telling violation of a schema that `check_schema` accepted; None when the value fits."""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return f"{where} is nested too deeply for its schema"
    if error is None:
        return None
    location = one_line(where + error.json_path.removeprefix("$"), 120)
    match error.validator:
        case "type":
            kinds = error.validator_value
            names = kinds if isinstance(kinds, list) else [kinds]
            return f"{location} is no {' or '.join(map(str, names))}"
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return f"{location} lacks {one_line(str(missing), 40)!r}"
        case "enum":
            return f"{location} is not one of the allowed values"
        case _:
            return f"{location} breaks {error.validator!r}: {one_line(error.message, 160)}"
