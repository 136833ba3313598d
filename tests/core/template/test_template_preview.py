"""The preview says what the runtime would read, at once as text, and in the artifact's own tokens."""

from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.artifact.inference_model import expand
from firstlight_core.template.family import family_chat_template
from firstlight_core.template.presets import PRESETS, Preset, find_preset
from firstlight_core.template.preview import (
    CONVERSATION,
    QUESTION,
    conversation_segments,
    preview_template,
    question_segments,
    segments_text,
)
from tests.support.template_families import FAMILIES, encode, write_family

CHATML = replace(
    next(family for family in FAMILIES if family.key == "qwen3"),
    template=family_chat_template(find_preset("chatml")),
)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.key)
def test_the_segments_are_what_the_fields_expand_to(preset: Preset) -> None:
    template = preset.prompt_template
    assert segments_text(question_segments(template)) == expand(template, QUESTION)
    whole = segments_text(conversation_segments(template))
    assert whole == expand(template, CONVERSATION, opening=True)
    lines = [part.text for part in conversation_segments(template) if part.role]
    assert lines == [message["content"] for message in CONVERSATION]


def test_half_a_template_is_shown_as_far_as_it_goes() -> None:
    assert question_segments({}) == []
    assert segments_text(question_segments({"prompt": "no place"})) == "no place"
    assert segments_text(conversation_segments({"user": "U:{Content}\n"})) == (
        f"U:{QUESTION[0]['content']}\nU:And int8?\n"
    )


async def test_tokens_are_the_tokenizers_own(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "model", CHATML)
    template = find_preset("qwen").prompt_template
    document = await preview_template(folder, {"PromptTemplate": template})
    rows = {row["id"]: row for row in document["conversations"]}
    text = expand(template, QUESTION)
    assert text is not None and rows["question"]["text"] == text
    assert [token["id"] for token in rows["question"]["tokens"]] == encode(CHATML, text)
    assert rows["question"]["tokens"][0] == {"id": 256, "text": CHATML.special[0], "special": True}
    by_template, by_question = (len(rows[key]["tokens"]) for key in ("chat-template", "question"))
    assert by_template == by_question + 1, "the course's template lacks one newline"


async def test_an_unusable_template_still_shows_the_chat_template(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "model", CHATML)
    document = await preview_template(folder, {"PromptTemplate": {"prompt": "x"}})
    assert [row["id"] for row in document["conversations"]] == ["chat-template"]
