"""What a chat template asks for besides the messages, and what of it the runtime cannot be given."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import TemplateRefused, UsageError
from firstlight_core.inference.engine import open_engine
from firstlight_core.template.shapes import check_shapes, variable_shapes
from firstlight_core.template.variables import (
    TRIED,
    read_variables,
    template_variables,
    variable_notes,
)
from firstlight_core.template.verdict import give_verdict
from tests.support.program import run_firstlight as firstlight
from tests.support.tiny_models import tiny_genai


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ messages }}{{ bos_token }}{% if add_generation_prompt %}{% endif %}", []),
        ("{% if tools %}{{ tools | tojson }}{% endif %}{{ documents }}", ["documents", "tools"]),
        (
            "{% if enable_thinking is defined and enable_thinking is false %}{% endif %}",
            ["enable_thinking"],
        ),
        (
            "{% if not date_string is defined %}{% set date_string = 'x' %}{% endif %}{{ date_string }}",
            ["date_string"],
        ),
        (
            "{% if messages %}{% set first = 'a' %}{% else %}{% set first = '' %}{% endif %}{{ first }}",
            [],
        ),
        ("{{ strftime_now('%d') }}{{ raise_exception('x') }}{{ namespace(a=1) }}", []),
        ("{% for %}", []),
    ],
)
def test_only_what_the_template_is_given_counts(template: str, names: list[str]) -> None:
    assert template_variables(template) == names


def test_the_runtime_cannot_be_given_them_and_that_is_said() -> None:
    assert variable_notes(["tools"]) == []
    (sentence,) = variable_notes(["enable_thinking", "tools", "documents"])
    assert "`enable_thinking`, `documents`" in sentence and "cannot be given them" in sentence


def test_shapes_follow_the_template() -> None:
    assert [shape.key for shape in check_shapes()][-2:] == ["blank-lines", "no-break-space"]
    assert check_shapes((), ["tools"])[-1].to_json()["tools"]
    shapes = variable_shapes(["enable_thinking", "documents"], TRIED)
    assert [shape.key for shape in shapes] == ["enable_thinking=false", "enable_thinking=true"]
    assert shapes[0].to_json()["variables"] == {"enable_thinking": False}


def test_variables_of_the_command_line_are_read_as_what_they_are() -> None:
    given = ["enable_thinking=false", "a=True", "n=3", "who=Ann Lee", 'docs=[{"t": 1}]', "eq=a=b"]
    assert read_variables(given) == {
        **{"enable_thinking": False, "a": True, "n": 3, "who": "Ann Lee"},
        **{"docs": [{"t": 1}], "eq": "a=b"},
    }
    for wrong in ("enable_thinking", "=x", "a b=1"):
        with pytest.raises(UsageError, match="no variable"):
            read_variables([wrong])


THINKS = (
    "{% for m in messages %}<s>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}OFF{% endif %}"
)


@pytest.mark.real
async def test_an_engine_is_given_the_variables_of_its_template(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t", template=THINKS)
    question = [{"role": "user", "content": "HI"}]
    for variables, text in (({}, "<s>HI</s>"), ({"enable_thinking": False}, "<s>HI</s>OFF")):
        async with open_engine(folder, variables=variables) as engine:
            assert (await engine.render(question))["text"] == text
    async with open_engine(folder, variables={"think": 1}) as engine:
        with pytest.raises(TemplateRefused, match="does not take a variable `think`") as caught:
            await engine.render(question)
        assert caught.value.hint == "It takes: enable_thinking."


@pytest.mark.real
def test_thinking_is_turned_off_from_the_command_line(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t", template=THINKS)
    arguments = ("chat", str(folder), "--prompt", "HI", "--max-tokens", "1", "--greedy", "--json")
    plain = json.loads(firstlight(*arguments).stdout)
    off = json.loads(firstlight(*arguments, "--template-variable", "enable_thinking=false").stdout)
    assert off["stats"]["prompt_tokens"] == plain["stats"]["prompt_tokens"] + 3
    assert off["template_variables"] == {"enable_thinking": False}
    assert "template_variables" not in plain
    refused = firstlight(*arguments, "--template-variable", "x=1")
    assert refused.returncode == 1 and "It takes: enable_thinking" in refused.stdout


def difference(shape: str, cause: str) -> Mapping[str, Any]:
    return {"shape": shape, "cause": cause, "between": "genai", "sentence": "It differs"}


@pytest.mark.parametrize(
    ("pairs", "repairable", "word"),
    [
        ([], (), "match"),
        ([("whitespace", "tokenizer")], (), "match-with-exceptions"),
        ([("whitespace", "tokenizer")], ("whitespace",), "match-with-exceptions"),
        ([("no-break-space", "renderer")], (), "match-with-exceptions"),
        ([("no-break-space", "renderer")], ("no-break-space",), "mismatch"),
        ([("no-break-space", "renderer")], ("thinking",), "match-with-exceptions"),
        ([("decomposed", "template")], (), "mismatch"),
        ([("single", "tokenizer")], (), "mismatch"),
        ([("whitespace", "tokenizer"), ("multi-turn", "renderer")], (), "mismatch"),
    ],
)
def test_exceptions_are_what_only_the_runtime_does_to_unusual_texts(
    pairs: Sequence[tuple[str, str]], repairable: Sequence[str], word: str
) -> None:
    differences = [difference(*row) for row in pairs]
    verdict = give_verdict(differences, check_shapes(), repairable=repairable)
    assert verdict.word == word and verdict.locked is (word != "mismatch")
    if word == "match-with-exceptions":
        assert verdict.exceptions == tuple(shape for shape, _ in pairs)
        assert "no template can repair" in verdict.sentence
