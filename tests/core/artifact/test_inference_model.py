"""The course's document: shape, rules, expansion."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from firstlight_core.artifact.inference_model import (
    CONTENT,
    build_inference_model,
    check_name,
    expand,
    opening_of,
    validate_inference_model,
)
from firstlight_core.errors import TemplateRefused, UsageError
from firstlight_core.files import write_json
from firstlight_core.template.presets import PRESETS, find_preset

EXAMPLES = int(os.environ.get("FIRSTLIGHT_FUZZ", "400"))
"""Inputs of each property test; `FIRSTLIGHT_FUZZ=20000` for the long run."""

# EdgeAI for Beginners, Module 5, section 4, part 3, as printed there.
COURSE = r"""{
  "Name": "your-finetuned-model-int4",
  "Description": "Fine-tuned quantized model",
  "Version": "1.0",
  "PromptTemplate": {
    "system": "<|im_start|>system\n{Content}<|im_end|>",
    "user": "<|im_start|>user\n{Content}<|im_end|>",
    "assistant": "<|im_start|>assistant\n{Content}<|im_end|>",
    "prompt": "<|im_start|>user\n{Content}<|im_end|>\n<|im_start|>assistant"
  },
  "ModelConfig": {
    "max_length": 2048,
    "temperature": 0.7,
    "top_p": 0.9,
    "repetition_penalty": 1.1
  }
}
"""


def course() -> dict[str, Any]:
    return build_inference_model("your-finetuned-model-int4", find_preset("qwen").prompt_template)


def test_the_courses_inputs_give_the_courses_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "inference_model.json", course())
    assert (tmp_path / "inference_model.json").read_text() == COURSE


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_every_preset_is_valid_and_ends_its_turns(preset: Any) -> None:
    document = build_inference_model("a", preset.prompt_template)
    assert validate_inference_model(document) == document
    assert preset.source
    assert preset.end in preset.assistant


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Name": 7}, "`Name` must be a text"),
        ({"Name": "a b"}, "`Name`: 'a b' cannot be the name"),
        ({"Name": "x-cuda-gpu"}, "demand that hardware"),
        ({"Description": 1}, "`Description` must be a text"),
        ({"PromptTemplate": None}, "`PromptTemplate` must be an object"),
        ({"PromptTemplate": {"system": CONTENT}}, "`PromptTemplate.prompt` is missing"),
        ({"PromptTemplate": {"prompt": "Q:"}}, "`PromptTemplate.prompt` lacks {Content}"),
        ({"PromptTemplate": {"prompt": CONTENT * 2}}, "`PromptTemplate.prompt` has 2 times"),
        (
            {"PromptTemplate": {"prompt": CONTENT, "user": ""}},
            "`PromptTemplate.user` lacks {Content}",
        ),
        ({"PromptTemplate": {"prompt": CONTENT, "tool": CONTENT}}, "`PromptTemplate.tool` is not"),
        ({"PromptTemplate": {"prompt": CONTENT + "\0"}}, "NUL"),
        ({"PromptTemplate": {"prompt": CONTENT + "\ud800"}}, "lone surrogate"),
        ({"PromptTemplate": {"prompt": CONTENT + "x" * 20_001}}, "longer than"),
        ({"ModelConfig": []}, "`ModelConfig` must be an object"),
        ({"ModelConfig": {"max_length": 0}}, "`ModelConfig.max_length` must be a whole number"),
        ({"ModelConfig": {"max_length": 2.5}}, "`ModelConfig.max_length`"),
        ({"ModelConfig": {"max_length": True}}, "`ModelConfig.max_length`"),
        ({"ModelConfig": {"temperature": -1}}, "`ModelConfig.temperature`"),
        ({"ModelConfig": {"temperature": float("nan")}}, "`ModelConfig.temperature`"),
        ({"ModelConfig": {"top_p": 0}}, "`ModelConfig.top_p`"),
        ({"ModelConfig": {"repetition_penalty": "1.1"}}, "`ModelConfig.repetition_penalty`"),
    ],
)
def test_an_error_names_the_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateRefused) as caught:
        validate_inference_model({**course(), **change})
    assert message in str(caught.value)
    (block,) = change
    assert caught.value.field.split(".")[0] == block
    if f"`{block}." in message:
        assert f"`{caught.value.field}`" in message


def test_foreign_keys_are_kept() -> None:
    document = {**course(), "supportsToolCalling": True}
    assert validate_inference_model(document)["supportsToolCalling"] is True


@pytest.mark.parametrize("name", ["a", "sample-int4", "A.b_c-1", "x" * 80])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-a",
        "a/b",
        "a:1",
        "ä",
        "a\n",
        "x" * 81,
        "CON",
        "nul.txt",
        "a.",
        "my-qnn-npu-1",
    ],
)
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_content_is_replaced_literally() -> None:
    template = {"prompt": f"<u>{CONTENT}</u>", "system": f"[{CONTENT}]"}
    hostile = "{Content} {0.__class__} {{ x }} %s"
    assert expand(template, [{"role": "user", "content": hostile}]) == f"<u>{hostile}</u>"
    two = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert expand(template, two, joiner="\n") == "[s]\n<u>u</u>"
    assert expand(template, [{"role": "assistant", "content": "a"}]) is None
    turns = {
        "user": f"<u>{CONTENT}</u>",
        "prompt": f"<u>{CONTENT}</u>A: ",
        "assistant": f"A:{CONTENT}.",
    }
    assert expand({**template, **turns}, two, opening=True) == "[s]<u>u</u>A: "
    assert (
        opening_of(
            {"prompt": f"{CONTENT}</p>", "user": f"{CONTENT}</u>", "assistant": f"A:{CONTENT}"}
        )
        == "A:"
    )


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "Name": JSONISH | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "Description": JSONISH,
        "Version": JSONISH,
        "PromptTemplate": JSONISH
        | st.dictionaries(
            st.sampled_from(["system", "user", "assistant", "prompt", "x"]),
            st.text(max_size=30).map(lambda t: t + CONTENT) | st.text(max_size=30),
        ),
        "ModelConfig": JSONISH
        | st.dictionaries(
            st.sampled_from(["max_length", "temperature", "top_p", "repetition_penalty"]), JSONISH
        ),
    },
)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(FIELDS | JSONISH)
@example({"Name": "a", "PromptTemplate": {"prompt": CONTENT}, "ModelConfig": {"top_p": 10**400}})
def test_whatever_comes_is_refused_in_words_or_can_be_written(document: Any) -> None:
    try:
        checked = validate_inference_model(document)
    except TemplateRefused as error:
        assert str(error)
        assert "\n" not in str(error)
        return
    for field in checked["PromptTemplate"].values():
        field.encode("utf-8")
    known = {k: v for k, v in checked.items() if k in course()}
    config = {k: v for k, v in known.get("ModelConfig", {}).items() if k in course()["ModelConfig"]}
    json.dumps({**known, "ModelConfig": config}, allow_nan=False)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_text_stands_whole_in_the_prompt(before: str, text: str, after: str) -> None:
    if (
        (before + after).count(CONTENT)
        or CONTENT in before + "{"
        or (before + CONTENT + after).count(CONTENT) != 1
    ):
        return
    expanded = expand({"prompt": before + CONTENT + after}, [{"role": "user", "content": text}])
    assert expanded == before + text + after
