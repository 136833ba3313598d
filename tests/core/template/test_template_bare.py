"""A model without a chat template gets one, from a family, from fields or from a file, and answers then."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.inference_model import build_inference_model
from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.errors import CheckFailed, TemplateRefused
from firstlight_core.measure.quality import check_quality
from firstlight_core.template.chat_template import settle_template_file
from firstlight_core.template.family import chat_template_of, family_chat_template, unknown_markers
from firstlight_core.template.parity import check_template
from firstlight_core.template.presets import find_preset
from firstlight_core.template.repair import repair_template
from firstlight_core.template.settle import settle_template, undo_template
from firstlight_core.workflow.services import Services
from tests.support.program import run_firstlight as firstlight
from tests.support.template_families import FAMILIES, write_family
from tests.support.tiny_models import tiny_genai

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("loaded_jobs")]
CHATML = replace(
    next(family for family in FAMILIES if family.key == "qwen3"),
    template=family_chat_template(find_preset("chatml")),
)
FIELDS = find_preset("chatml").prompt_template


def without_template(folder: Path) -> Path:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "inference_model.json").unlink(missing_ok=True)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A base model: a tokenizer without a chat template, which stops at the end of a text only."""
    return without_template(write_family(tmp_path / "bare", CHATML, eos=[CHATML.special[-1]]))


def stops(folder: Path) -> list[int]:
    document: list[int] = json.loads((folder / "genai_config.json").read_text())["model"][
        "eos_token_id"
    ]
    return document


async def test_fields_become_the_chat_template_and_their_end_a_stop_id(bare: Path) -> None:
    before = {path.name: path.read_bytes() for path in bare.iterdir()}
    checked = await check_template(bare, None, build_inference_model("mine", FIELDS))
    assert checked["locked"] and checked["proposed_template"] == chat_template_of(FIELDS)
    assert {path.name: path.read_bytes() for path in bare.iterdir()} == before, "checked only"
    document = await settle_template(bare, build_inference_model("mine", FIELDS))
    assert document["ok"] and document["verdict"] == "match"
    assert read_chat_template(bare) == chat_template_of(FIELDS)
    config = json.loads((bare / "tokenizer_config.json").read_text())
    assert config["chat_template"] == chat_template_of(FIELDS)
    assert 256 + CHATML.special.index("<|im_end|>") in stops(bare)
    assert (await check_template(bare))["ok"]
    undo_template(bare)
    assert {path.name: path.read_bytes() for path in bare.iterdir()}.keys() == before.keys()
    assert read_chat_template(bare) is None


async def test_a_template_from_a_file_is_checked_before_it_is_written(bare: Path) -> None:
    document = await settle_template_file(bare, chat_template_of(FIELDS))
    assert document["ok"] and document["inference_model"]["PromptTemplate"] == FIELDS
    assert "chat_template.jinja" in document["written"]
    undo_template(bare)
    # onnxruntime-genai knows no `.replace()`.
    other = "message['content'].replace('~', '-')"
    cleaned = chat_template_of(FIELDS).replace("message['content']", other)
    with pytest.raises(CheckFailed, match="was not written") as caught:
        await settle_template_file(bare, cleaned)
    assert "--force" in caught.value.hint
    with pytest.raises(TemplateRefused, match="Line 1"):
        await settle_template_file(bare, "{% for %}", force=True)
    assert read_chat_template(bare) is None


async def test_what_needs_a_template_says_how_to_give_one(bare: Path) -> None:
    for attempt in (check_template(bare), repair_template(bare)):
        with pytest.raises(TemplateRefused, match="bare has no chat template") as caught:
            await attempt
        assert f"firstlight template {bare} --preset chatml" in caught.value.hint
    half: Any = build_inference_model("x", {"prompt": "<|im_start|>{Content}"})
    with pytest.raises(TemplateRefused, match="has no field `user`"):
        await settle_template(bare, half)


async def test_quality_refuses_before_it_loads_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = without_template(tiny_genai(tmp_path / "t"))

    def loaded(*_: Any, **__: Any) -> Any:
        raise AssertionError("the original was loaded")

    monkeypatch.setattr("firstlight_core.measure.quality.find_reference", loaded)
    with pytest.raises(TemplateRefused, match="no chat template"):
        await check_quality(folder, reference="sample")


def test_a_walk_with_a_preset_needs_no_template_of_the_model(bare: Path) -> None:
    document = Services().preset_inference_model(bare, "base-int4", "chatml")
    assert document["PromptTemplate"] == FIELDS and document["Name"] == "base-int4"


def test_the_command_line_leads_there_and_back(bare: Path, tmp_path: Path) -> None:
    refused = firstlight("template", str(bare))
    assert refused.returncode == 1 and "--preset chatml" in refused.stderr
    done = firstlight("template", str(bare), "--preset", "chatml")
    assert done.returncode == 0 and "Template matches" in done.stdout, done.stderr
    undone = firstlight("template", str(bare), "--undo")
    assert undone.returncode == 0 and "no chat template again" in undone.stdout
    jinja = tmp_path / "mine.jinja"
    jinja.write_text(chat_template_of(FIELDS), encoding="utf-8-sig")
    given = firstlight("template", str(bare), "--template", str(jinja), "--json")
    assert given.returncode == 0 and json.loads(given.stdout)["ok"], given.stderr
    assert read_chat_template(bare) == chat_template_of(FIELDS)
    both = firstlight("template", str(bare), "--template", str(jinja), "--mend")
    assert both.returncode == 2 and "--template" in both.stderr


def test_markers_that_are_no_tokens_are_named() -> None:
    assert unknown_markers(FIELDS, {"<|im_start|>": 1, "<|im_end|>": 2}) == []
    (sentence,) = unknown_markers(FIELDS, {"<|im_start|>": 1})
    assert "`<|im_end|>`" in sentence and "ordinary text" in sentence


def test_without_a_system_field_a_system_prompt_is_refused_not_lost() -> None:
    from jinja2.exceptions import TemplateError

    from firstlight_core.template.sandbox import compile_template

    fields = {name: text for name, text in FIELDS.items() if name != "system"}
    template = compile_template(chat_template_of(fields))
    with pytest.raises(TemplateError, match="no system prompt"):
        template.render(messages=[{"role": "system", "content": "x"}])
