"""JSON Schemas (draft 2020-12) of TypedDicts: their keys, types and docstrings.

Further keys are allowed everywhere: documents gain keys and lose none.
"""

import ast
import inspect
import itertools
import sys
import textwrap
import types
from collections.abc import Mapping, Sequence
from typing import (
    Any,
    ForwardRef,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from firstlight_core.files import JsonValue

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = TypedDict(
    "Schema",
    {
        "$schema": str,
        "$id": str,
        "$ref": str,
        "$defs": dict[str, "Schema"],
        "title": str,
        "description": str,
        "type": str,
        "const": str | int | bool,
        "enum": list[str | int | bool],
        "properties": dict[str, "Schema"],
        "required": list[str],
        "items": "Schema",
        "prefixItems": list["Schema"],
        "minItems": int,
        "maxItems": int,
        "additionalProperties": "Schema",
        "anyOf": list["Schema"],
    },
    total=False,
)
"""The keywords that are used here."""

_SIMPLE: Mapping[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    dict: {"type": "object"},
    Any: {},
    object: {},
}


_JSON_VALUE: object = None | bool | int | float | str | list[Any] | dict[str, Any]
"""`files.JsonValue`, evaluated one level deep."""


class SchemaWriter:
    """Turns types into schemas; every TypedDict becomes one entry of `$defs`."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._types: dict[str, object] = {}

    def schema(self, hint: Any) -> Schema:
        """Return the schema of a type that a document holds.

        Raises:
            TypeError: JSON has no value of this type.
        """
        if hint == _JSON_VALUE:
            return {}
        if hint in _SIMPLE:
            return _SIMPLE[hint]
        if isinstance(hint, ForwardRef) and hint.__forward_arg__ == JsonValue:
            # Any JSON inside of any JSON.
            return {}
        if is_typeddict(hint):
            return self._reference(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (NotRequired, Required):
            return self.schema(arguments[0])
        if origin is Literal:
            return {"const": arguments[0]} if len(arguments) == 1 else {"enum": [*arguments]}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.schema(argument) for argument in arguments]}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        if origin is tuple and arguments[-1] is not Ellipsis:
            places = [self.schema(argument) for argument in arguments]
            count = len(places)
            return {"type": "array", "prefixItems": places, "minItems": count, "maxItems": count}
        if origin in (list, tuple, Sequence):
            return {"type": "array", "items": self.schema(arguments[0])}
        raise TypeError(f"JSON has no value of type {hint!r}")

    def _reference(self, document: type) -> Schema:
        name = document.__name__
        if self._types.setdefault(name, document) is not document:
            raise TypeError(f"two TypedDicts of one document are called {name}")
        if name not in self.definitions:
            # First the name: a document may hold itself.
            self.definitions[name] = {}
            self.definitions[name] = self.object_schema(document)
        return {"$ref": f"#/$defs/{name}"}

    def object_schema(self, document: Any) -> Schema:
        """Return the schema of a TypedDict with its keys in it."""
        properties: dict[str, Schema] = {}
        texts = key_descriptions(document)
        for key, hint in _hints(document).items():
            schema = self.schema(hint)
            properties[key] = {**schema, "description": texts[key]} if key in texts else schema
        whole: Schema = {"type": "object", "properties": properties}
        if required := sorted(document.__required_keys__):
            whole["required"] = required
        if text := inspect.getdoc(document):
            whole["description"] = _one_line(text)
        return whole


def _hints(document: type) -> dict[str, Any]:
    """Return the types of the keys; a JSON value from outside holds any further one."""
    return get_type_hints(document, localns={"JsonValue": Any}, include_extras=True)


def key_descriptions(document: Any) -> dict[str, str]:
    """Return the docstrings that stand below the keys of a TypedDict and of those that it extends."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(document)))
    except (OSError, TypeError, SyntaxError):
        # A TypedDict made by a call has no class statement to read.
        return {}
    if not isinstance(tree.body[0], ast.ClassDef):
        return {}
    texts: dict[str, str] = {}
    # Only Python 3.12 and later keep the bases of a TypedDict, in `__orig_bases__`.
    names = vars(sys.modules[document.__module__])
    for base in tree.body[0].bases:
        extended = names.get(ast.unparse(base))
        if is_typeddict(extended):
            texts |= key_descriptions(extended)
    body = tree.body[0].body
    for key, text in itertools.pairwise(body):
        match key, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(description))),
            ):
                texts[name] = _one_line(description)
    return texts


def _one_line(text: str) -> str:
    return " ".join(text.split())


def document_schema(name: str, documents: Sequence[type], *, title: str) -> Schema:
    """Return the schema of a document that has one of these types; `name` is its `$id`."""
    writer = SchemaWriter()
    variants = [writer.schema(document) for document in documents]
    shape: Schema = variants[0] if len(variants) == 1 else {"anyOf": variants}
    head: Schema = {"$schema": DIALECT, "$id": name, "title": title}
    return {**head, **shape, "$defs": dict(sorted(writer.definitions.items()))}
