"""Read JSON from a file or an earlier version as a document: what has another shape is no document of that type."""

from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

DocumentT = TypeVar("DocumentT")


def read_document(kind: type[DocumentT], value: object) -> DocumentT | None:
    """Return the value as a document of this TypedDict; None when it is none.

    Keys that the type does not know stay. A key that is added to a document later is not required, so that the records
    of earlier versions are still read.
    """
    return cast(DocumentT, value) if isinstance(value, dict) and fits(value, kind) else None


def only_known(kind: type[DocumentT], value: DocumentT) -> DocumentT:
    """Return a document without keys that its type does not know, and without nulls."""
    known = cast(dict[str, object], value)
    return cast(
        DocumentT,
        {key: known[key] for key in field_types(cast(type, kind)) if known.get(key) is not None},
    )


def fits(value: object, annotation: object) -> bool:
    """Return whether a JSON value has this type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any or annotation is object:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, choice) for choice in arguments)
    if origin is Literal:
        return value in arguments
    if is_typeddict(annotation):
        return (
            isinstance(value, dict)
            and getattr(annotation, "__required_keys__", frozenset()) <= value.keys()
            and all(
                fits(value[key], hint)
                for key, hint in field_types(annotation).items()
                if key in value
            )
        )
    if origin in (list, tuple) and arguments:
        return isinstance(value, list | tuple) and all(fits(item, arguments[0]) for item in value)
    if isinstance(origin, type) and issubclass(dict, origin):
        return isinstance(value, dict) and all(
            isinstance(key, str) and fits(item, arguments[1]) for key, item in value.items()
        )
    if annotation in (None, NoneType):
        return value is None
    if annotation in (int, float):
        allowed = int | float if annotation is float else int
        return isinstance(value, allowed) and not isinstance(value, bool)
    return isinstance(annotation, type) and isinstance(value, annotation)


@cache
def field_types(record: Any) -> dict[str, Any]:
    """Return the type of each key of a TypedDict, or of each field of a dataclass."""
    # `JsonValue` names itself by its name; what lies within a foreign value is not looked at.
    return get_type_hints(record, localns={"JsonValue": Any})
