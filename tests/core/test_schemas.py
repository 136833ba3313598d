"""The schemas in docs/schemas are those of the documents, and say what is no document."""

from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import pytest

from firstlight_core.documents.registry import VERBS, schema_text, schemas
from firstlight_core.documents.schema import SchemaWriter
from firstlight_tui.commands import VERBS as COMMANDS
from tests.support.schemas import FOLDER, faults


def test_the_committed_schemas_are_those_of_the_documents() -> None:
    wanted = {name: schema_text(schema) for name, schema in schemas()}
    committed = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    assert committed == wanted, "run make schemas"


def test_every_verb_has_a_schema() -> None:
    assert set(VERBS) == set(COMMANDS)


def check(**changes: object) -> dict[str, object]:
    row = {"id": "python", "title": "Python", "status": "ok", "found": "3.11", "needed": ""}
    return {
        "schema": "firstlight/doctor/1",
        "ok": True,
        "verdict": "ready",
        "checks": [{**row, "why": "", "fix": "", "vital": True, **changes}],
        "precisions": {},
        "course": [],
    }


def test_a_document_with_its_types_is_right() -> None:
    assert not list(faults(check(), "doctor"))


@pytest.mark.parametrize(
    ("document", "word"),
    [
        (check(status="fine"), "fine"),
        (check(vital="yes"), "vital"),
        (check(more=1), "more"),
        ({**check(), "schema": "firstlight/doctor/2"}, "schema"),
        ({"schema": "firstlight/doctor/1", "ok": False}, "required"),
    ],
)
def test_what_is_no_document_is_found(document: dict[str, object], word: str) -> None:
    assert any(word in fault for fault in faults(document, "doctor"))


class Node(TypedDict):
    """A tree."""

    name: Literal["a", "b"]
    """What it
    is called."""
    children: list["Node"]
    value: NotRequired[int | None]
    places: tuple[int, str]


def test_a_type_that_holds_itself_is_one_definition() -> None:
    writer = SchemaWriter()
    assert writer.schema(Node) == {"$ref": "#/$defs/Node"}
    node = writer.definitions["Node"]
    assert node["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert node["properties"]["name"] == {"enum": ["a", "b"], "description": "What it is called."}
    assert node["required"] == ["children", "name", "places"]


def test_what_json_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="no value of type"):
        SchemaWriter().schema(Path)
