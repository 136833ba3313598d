"""One call mends what an editor holds: fields, stop tokens, a chat template that is not the source's."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.artifact.inference_model import build_inference_model, read_inference_model
from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.template.chat_template import settle_chat_template
from firstlight_core.template.family import family_chat_template
from firstlight_core.template.parity import check_template
from firstlight_core.template.presets import find_preset
from firstlight_core.template.repair import repair_fields
from tests.support.template_families import FAMILIES, write_family

pytestmark = pytest.mark.usefixtures("loaded_jobs")

CHATML = replace(
    next(family for family in FAMILIES if family.key == "qwen3"),
    template=family_chat_template(find_preset("chatml")),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_family(tmp_path / "model", CHATML)


@pytest.mark.slow
async def test_the_courses_fields_and_a_missing_stop_token_are_mended(folder: Path) -> None:
    config = json.loads((folder / "genai_config.json").read_text())
    config["model"]["eos_token_id"] = [0]
    (folder / "genai_config.json").write_text(json.dumps(config))
    model = build_inference_model("mine", find_preset("qwen").prompt_template)
    before = await check_template(folder, None, model)
    assert before["differences"][0]["sentence"] == (
        "PromptTemplate lacks the newline after `assistant`: 1 token"
    )
    document = await repair_fields(folder, model)
    assert document["locked"] and document["stop_tokens"]["ok"] and len(document["mended"]) == 2
    stops = json.loads((folder / "genai_config.json").read_text())["model"]["eos_token_id"]
    assert stops == [0, 256 + CHATML.special.index(CHATML.end)]
    written = read_inference_model(folder)
    assert written is not None and written["Name"] == "mine"
    assert written["PromptTemplate"] == document["prompt_template_of_tokenizer"]


@pytest.mark.slow
async def test_another_chat_template_gives_way_to_the_sources(folder: Path, tmp_path: Path) -> None:
    source = write_family(tmp_path / "source", CHATML)
    written = await settle_chat_template(folder, family_chat_template(find_preset("qwen")))
    assert not (await check_template(folder, source, written["inference_model"]))["locked"]
    document = await repair_fields(folder, written["inference_model"], source)
    assert document["locked"]
    assert read_chat_template(folder) == read_chat_template(source)
