"""JSON schemas of answers: every keyword is checked or refused, nothing is fetched, nothing hangs."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.measure.answer_schema import check_schema, schema_fault
from firstlight_core.measure.quality_prompts import format_fault, load_prompts, read_prompt


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"const": 3}, 3, {}),
        ({"minimum": 2}, 2, 1),
        ({"exclusiveMaximum": 2}, 1, 2),
        ({"multipleOf": 3}, 9, 10),
        ({"pattern": "^a"}, "ab", "ba"),
        ({"minLength": 2, "maxLength": 3}, "ab", "a"),
        ({"additionalProperties": False, "properties": {"a": True}}, {"a": 1}, {"b": 1}),
        ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, 1, 3),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "x", None),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3),
        ({"not": {"type": "null"}}, 1, None),
        ({"if": {"type": "string"}, "then": {"minLength": 1}}, 0, ""),
        ({"prefixItems": [{"type": "integer"}], "items": False}, [1], [1, 2]),
        ({"contains": {"const": 1}, "minContains": 2}, [1, 1], [1]),
        ({"uniqueItems": True}, [1, 2], [1, 1]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 2}, {"a": 1}),
        ({"unevaluatedProperties": False, "properties": {"a": {}}}, {"a": 1}, {"b": 1}),
        ({"format": "date"}, "2026-11-29", "29.11."),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1, "x"),
        ({"enum": [1]}, 1, True),
        ({"type": "object", "properties": {"next": {"$ref": "#"}}}, {"next": {}}, {"next": 1}),
    ],
)
def test_a_keyword_is_checked(schema: dict[str, Any], right: Any, wrong: Any) -> None:
    prompt = read_prompt({"prompt": "?", "schema": schema})
    assert format_fault(prompt, json.dumps(right)) is None
    assert format_fault(prompt, json.dumps(wrong))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "schema.type is wrong"),
        ({"minimum": "2"}, "schema.minimum is wrong"),
        ({"pattern": "("}, "schema.pattern is wrong"),
        ({"properties": {"a": {"requird": ["b"]}}}, "'requird' is not known"),
        ({"items": [{"additionalItems": False}]}, "schema.items is wrong"),
        ({"dependencies": {"a": ["b"]}}, "'dependencies' is not known"),
        ({"contentMediaType": "text/html"}, "'contentMediaType' is not known"),
        ({"anyOf": [{"format": "date-time"}]}, "'date-time' is not checked here"),
        ({"$ref": "https://example.com/x.json"}, "nothing outside of it is read"),
        ({"$ref": "#/$defs/gone"}, "which it lacks"),
        ({"$ref": "#"}, "without end"),
        ({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "without end"),
        (
            {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}},
            "without end",
        ),
        (
            {"required": ["a"], "properties": {"a": {"$ref": "#/required/0"}}},
            "which is no schema in it",
        ),
        ({"properties": {"a": {"$ref": "#/properties"}}}, "which is no schema in it"),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "definitions": {"a": {}},
                "$ref": "#/definitions/a",
                "type": "string",
            },
            "'type' is not read beside '$ref'",
        ),
        ({"then": {"type": "null"}}, "needs 'if' beside it"),
        ({"minContains": 1}, "needs 'contains' beside it"),
        ({"$schema": "https://example.com/own"}, "unknown kind"),
        ({"$schema": 3}, "unknown kind"),
        ({"properties": {"a": {"$id": "https://example.com/a"}}}, "only stand at the top"),
    ],
)
def test_what_is_not_checked_is_refused_when_the_prompts_are_read(
    tmp_path: Path, schema: dict[str, Any], words: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "?", "schema": schema}))
    with pytest.raises(InputRefused) as caught:
        load_prompts(path)
    assert words in str(caught.value) and "line 1" in str(caught.value)


def test_an_older_dialect_is_spoken_when_it_is_named() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"n": {"type": "integer"}},
        "items": [{"$ref": "#/definitions/n"}],
        "additionalItems": False,
    }
    check_schema(schema)
    assert schema_fault([1], schema, "it") is None
    assert schema_fault([1, 2], schema, "it")


def test_a_number_that_json_lacks_is_no_answer() -> None:
    prompt = read_prompt({"prompt": "?", "schema": {"type": "number"}})
    assert format_fault(prompt, "NaN") == "is not JSON"


def test_separators_that_json_allows_in_a_text_end_no_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    texts = ["a\u2028b", "a\u2029b", "a\u0085b", "a\x0cb"]
    lines = [json.dumps({"prompt": text}, ensure_ascii=False) for text in texts[:3]]
    lines.append(json.dumps({"prompt": texts[3]}))
    for ending in ("\n", "\r\n", "\r"):
        path.write_bytes(ending.join(lines).encode())
        listed = [prompt.messages[0]["content"] for prompt in load_prompts(path)]
        assert listed == texts


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"prompt": "a"}\r\n{"prompt": "caf\xe9"}', "line 2 has the byte 0xE9"),
        ('{"prompt": "a"}'.encode("utf-16"), "is not UTF-8 text."),
    ],
)
def test_a_file_in_another_encoding_names_the_place(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(raw)
    with pytest.raises(InputRefused) as caught:
        load_prompts(path)
    assert words in str(caught.value)
