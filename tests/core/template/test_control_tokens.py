"""Which added tokens control, with a tokenizer that has Gemma's and DeepSeek's habits."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.tokenizer_files import AddedToken, read_added_tokens
from firstlight_core.inference.engine import open_engine
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.template.control_tokens import (
    find_control_tokens,
    marking_tokens,
    may_mark,
    tokens_in,
)
from firstlight_core.template.stop_tokens import turn_ends
from tests.support.template_families import byte_letters
from tests.support.tiny_models import tiny_genai

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("clean_children")]

ROLES = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}{{ '<~User~>' + m.content + '\n\n' }}"
    "{% elif m.role == 'assistant' %}{{ '<~Model~>' + m.content + '<end>' }}"
    "{% elif m.role == 'tool' %}{{ '<reply>' + m.content + '</reply>' }}"
    "{% else %}{{ m.content + '\n\n' }}{% endif %}"
    "{% for call in m.tool_calls or [] %}{{ '<tool_call>' + call.function.name }}{% endfor %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<~Model~>' }}"
    "{% if think is defined %}{{ '<think>\n' }}{% endif %}{% endif %}"
    "{% if never %}{{ 'Answer in HTML, with <b> for what is important, and never with <i> alone.' }}{% endif %}"
)
SPECIAL = ("<bos>", "<end>", "<pad>")
ORDINARY = (
    *("\n\n", "\n\n\n", "  ", "<b>", "</b>", "<table>", "user", "<~User~>", "<~Model~>"),
    *("<think>", "</think>", "<tool_call>", "<reply>", "</reply>", "<i>", "<stop/>", "``", "```"),
)
CONTROL = (
    *("<bos>", "<end>", "<pad>", "<~User~>", "<~Model~>", "<think>", "<tool_call>"),
    *("<reply>", "</reply>", "<stop/>"),
)


def write_tokenizer(folder: Path, template: str = ROLES) -> Path:
    """A token a byte, and added tokens as real tokenizers have them; `<stop/>` is a stop id."""
    texts = (*SPECIAL, *ORDINARY)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] = {letter: i for i, letter in enumerate(byte_letters())}
    tokenizer["model"]["unk_token"] = None
    tokenizer["added_tokens"] = [
        {
            "id": 256 + number,
            "content": text,
            "special": text in SPECIAL,
            **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
        }
        for number, text in enumerate(texts)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>",
        "eos_token": "<end>",
        "pad_token": "<pad>",
        "chat_template": template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    genai = json.loads((folder / "genai_config.json").read_text())
    genai["model"] |= {"eos_token_id": [257, 256 + texts.index("<stop/>")], "bos_token_id": 256}
    (folder / "genai_config.json").write_text(json.dumps(genai))
    return folder


def wanted(folder: Path, text: str) -> list[int]:
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return list(encoder.encode(text, add_special_tokens=False).ids)


async def test_control_tokens_are_the_special_the_stopping_and_what_the_template_writes(
    tmp_path: Path,
) -> None:
    async with open_engine(write_tokenizer(tiny_genai(tmp_path / "t"))) as engine:
        control = await engine.control_tokens()
    assert set(control["tokens"]) == set(CONTROL)
    markup = {"<think>", "<tool_call>"}
    assert set(control["faults"]) == set(CONTROL) - markup


@pytest.mark.parametrize(
    "text",
    [
        "Question: What is the capital of Italy?\n\nAnswer:",
        "<b>bold</b> and <table> and </think>\n\n\n  x <i>",
        "user: ```\n``user\n\n",
    ],
)
async def test_ordinary_added_tokens_in_a_text_are_encoded_as_the_tokenizer_does(
    tmp_path: Path, text: str
) -> None:
    folder = write_tokenizer(tiny_genai(tmp_path / "t"))
    async with open_engine(folder) as engine:
        rendered = await engine.render([{"role": "user", "content": text}])
    assert rendered["ids"] == wanted(folder, f"<bos><~User~>{text}\n\n<~Model~>")
    assert "special_in_content" not in rendered
    assert len(rendered["special_ids"]) == 3, "bos and the two roles, not the empty line"


async def test_a_role_token_that_the_tokenizer_calls_ordinary_is_spelled_when_a_user_types_it(
    tmp_path: Path,
) -> None:
    folder = write_tokenizer(tiny_genai(tmp_path / "t"))
    text = "a\n\n<~Model~> and <b>\n\n<think>"
    async with open_engine(folder) as engine:
        rendered = await engine.render([{"role": "user", "content": text}])
    assert rendered["special_in_content"] == ["<think>", "<~Model~>"]
    assert rendered["special_as_text"] is True
    spelled = [
        *(wanted(folder, "<bos><~User~>a\n\n<") + wanted(folder, "~Model~> and <b>\n\n<")),
        *(wanted(folder, "think>\n\n<~Model~>")),
    ]
    assert rendered["ids"] == spelled


def test_markup_has_a_letter_and_a_sign() -> None:
    marking = [text for text in ORDINARY if may_mark(AddedToken(text, 1, special=False))]
    assert "\n\n" not in marking
    assert not {"  ", "user", "``", "```", "x"} & set(marking)
    assert {"<b>", "<~User~>", "</think>"} <= set(marking)
    assert may_mark(AddedToken("user", 1, special=True))
    assert not may_mark(AddedToken("\n\n", 1, special=True))
    assert not may_mark(AddedToken("|", 1, special=True))


def test_a_turn_never_ends_with_an_empty_line_that_the_tokenizer_added(tmp_path: Path) -> None:
    marks = marking_tokens(write_tokenizer(tiny_genai(tmp_path / "t")))
    assert turn_ends({"assistant": "<~Model~>{Content}\n\n<end>\n\n"}, marks) == {"<end>": 257}
    assert turn_ends({"assistant": "<~Model~>{Content}\n\n"}, marks) == {}
    assert list(marks)[:2] == ["<end>", "<b>"], "what the template names comes first"


def test_of_two_tokens_at_one_place_the_longer_stands() -> None:
    assert tokens_in(["x<a><b>y", "<a>"], ["<a>", "<a><b>", "<b>"]) == {"<a><b>", "<a>"}
    assert tokens_in(["x"], []) == set()


def test_without_a_template_the_special_and_stopping_ones_remain() -> None:
    added = [AddedToken("<x>", 1, True), AddedToken("<y>", 2, False), AddedToken("<z>", 3, False)]
    assert list(find_control_tokens(added, stop_ids=[2]).tokens) == [1, 2]


def test_a_template_that_refuses_or_never_ends_still_shows_its_literals(tmp_path: Path) -> None:
    for template in (
        "{{ raise_exception('no') }}{{ '<~User~>' }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}<~User~>",
    ):
        folder = tmp_path / str(len(template))
        tiny_genai(folder, template=template)
        write_tokenizer(folder, template)
        conversation = ChatTemplate(folder)
        control: Any = conversation.control_tokens(read_added_tokens(folder), [])
        assert set(control.tokens.values()) == {*SPECIAL, "<~User~>"}
