"""The chat template itself: syntax by line, families, doubts, and what is written."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.errors import CheckFailed, TemplateRefused
from firstlight_core.template.chat_template import (
    settle_chat_template,
    syntax_problem,
    template_doubts,
    template_truth,
)
from firstlight_core.template.derive import DERIVATION_CONVERSATIONS, derive_template
from firstlight_core.template.family import family_chat_template
from firstlight_core.template.presets import PRESETS, find_preset
from firstlight_core.template.sandbox import compile_template
from firstlight_core.template.settle import undo_template
from tests.support.template_families import FAMILIES, write_family

CHATML = replace(
    next(family for family in FAMILIES if family.key == "qwen3"),
    template=family_chat_template(find_preset("chatml")),
)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A tokenizer without a chat template."""
    folder = write_family(tmp_path / "bare", CHATML)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.key)
def test_a_familys_template_writes_what_its_fields_say(preset: object) -> None:
    from firstlight_core.template.presets import Preset

    assert isinstance(preset, Preset)
    template = family_chat_template(preset)
    assert syntax_problem(template) is None
    compiled = compile_template(template)
    drawn = [{"text": compiled.render(**conversation)} for conversation in DERIVATION_CONVERSATIONS]
    special = [token for p in PRESETS for token in (p.end, p.prompt.partition("user")[0])]
    assert derive_template(drawn, special) == preset.prompt_template


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 0),
        ("ok\n{% for x in y %}\n{{ x }", 3),
        ("{% if a %}\n\n{% endfor %}", 3),
        ("a\nb\0", 2),
        ("{{" * 5000, 0),
        ("x" * (2 * 2**20 + 1), 0),
    ],
)
def test_broken_syntax_is_named_by_its_line(text: str, line: int) -> None:
    problem = syntax_problem(text)
    assert problem is not None and problem.line == line
    assert "\n" not in problem.sentence


def test_doubts_name_the_line() -> None:
    text = "{{ messages }}\n{% if 'bomb' in message['content'] %}\nhttps://evil.example/x\n\u200b"
    doubts = template_doubts(text)
    assert [doubt.split(" ")[1] for doubt in doubts] == ["2", "3", "4"]
    assert all("\u200b" not in doubt for doubt in doubts)


@pytest.mark.slow
async def test_a_model_without_a_template_gets_its_familys_and_loses_it_again(bare: Path) -> None:
    assert read_chat_template(bare) is None
    before = {path.name: path.read_bytes() for path in bare.iterdir()}
    text = family_chat_template(find_preset("chatml"))
    document = await settle_chat_template(bare, text)
    assert document["inference_model"]["PromptTemplate"] == find_preset("chatml").prompt_template
    assert document["differences"] == []
    assert (bare / "chat_template.jinja").read_text() == text
    assert json.loads((bare / "tokenizer_config.json").read_text())["chat_template"] == text
    undo_template(bare)
    assert read_chat_template(bare) is None
    assert json.loads((bare / "tokenizer_config.json").read_text()) == json.loads(
        before["tokenizer_config.json"]
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{% for %}", "Line 1"),
        ("{{ messages[0].nothing.at.all }}", "cannot render"),
        ("{{ 'always the same' }}", "drops"),
        ("{% for m in messages %}{{ m.content + m.content }}{% endfor %}", "repeats"),
    ],
)
async def test_a_template_that_does_not_carry_a_question_is_never_written(
    bare: Path, text: str, sentence: str
) -> None:
    before = {path.name: path.read_bytes() for path in bare.iterdir()}
    with pytest.raises(TemplateRefused, match=sentence):
        await settle_chat_template(bare, text, force=True)
    assert {path.name: path.read_bytes() for path in bare.iterdir()} == before


@pytest.mark.slow
async def test_a_lost_turn_needs_a_yes(bare: Path) -> None:
    loses = (
        "{% for m in messages %}{% if m.role == 'user' %}<|im_start|>{{ m.content }}<|im_end|>"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"
    )
    with pytest.raises(CheckFailed, match="assistant turn is lost"):
        await settle_chat_template(bare, loses)
    assert read_chat_template(bare) is None
    document = await settle_chat_template(bare, loses, force=True)
    assert any("lost" in sentence for sentence in document["differences"])
    assert read_chat_template(bare) == loses


def test_a_source_without_a_template_is_no_truth(bare: Path, sample: Path) -> None:
    assert template_truth(sample, bare) is None
    assert template_truth(bare, None) is None
    assert template_truth(bare, sample) == sample
