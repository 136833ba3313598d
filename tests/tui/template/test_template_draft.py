"""The draft of a template: fields to document and back, undo, redo, and the field that breaks a rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.errors import InputRefused
from firstlight_tui.state.template_draft import FIELDS, TemplateDraft, draft_field
from tests.support.wizard_documents import INFERENCE_MODEL

TEXTS = st.text(alphabet=st.characters(exclude_categories=()), max_size=30)


def draft(model: Any = INFERENCE_MODEL, now: list[float] | None = None) -> TemplateDraft:
    clock = now if now is not None else [0.0]
    return TemplateDraft(model, "/models/out/int4", clock=lambda: clock[0])


@given(st.dictionaries(st.sampled_from(("system", "user", "assistant", "prompt")), TEXTS))
def test_a_document_comes_back_from_its_fields(prompts: dict[str, str]) -> None:
    model = {**INFERENCE_MODEL, "PromptTemplate": prompts, "Extra": 1}
    document = draft(model).document()
    fields = {role: text for role, text in prompts.items() if text or role == "prompt"}
    assert document == {**model, "PromptTemplate": {"prompt": "", **fields}}


def test_typing_in_one_field_is_one_step_and_a_pause_begins_another() -> None:
    now = [0.0]
    edited = draft(now=now)
    for text in ("a", "ab", "abc"):
        now[0] += 0.2
        edited.edit("name", text)
    now[0] += 60
    edited.edit("name", "abcd")
    edited.edit("user", "U{Content}")
    seen = []
    while edited.undo():
        seen.append((edited.texts["name"], edited.texts["user"][:2]))
    assert seen == [("abcd", "<|"), ("abc", "<|"), ("sample-int4", "<|")]
    while edited.redo():
        pass
    assert (edited.texts["name"], edited.texts["user"]) == ("abcd", "U{Content}")


def test_a_new_edit_forgets_what_was_undone() -> None:
    edited = draft()
    edited.edit("name", "one")
    edited.undo()
    edited.edit("name", "two")
    assert not edited.redo() and edited.texts["name"] == "two"


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(FIELDS), TEXTS), max_size=12))
def test_undoing_everything_gives_the_beginning(edits: list[tuple[str, str]]) -> None:
    now = [0.0]
    edited = draft(now=now)
    before = dict(edited.texts)
    for field, text in edits:
        now[0] += 10
        edited.edit(field, text)
    after = dict(edited.texts)
    while edited.undo():
        pass
    assert edited.texts == before
    while edited.redo():
        pass
    assert edited.texts == after


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", "no/slash"),
        ("user", "nothing"),
        ("prompt", ""),
        ("system", "{Content}{Content}"),
        ("temperature", "hot"),
        ("temperature", "3"),
        ("max_length", "1.5"),
        ("top_p", ""),
        ("repetition_penalty", "nan"),
    ],
)
def test_the_field_that_breaks_a_rule_is_named(field: str, text: str) -> None:
    edited = draft()
    assert edited.problem() is None
    edited.edit(field, text)
    problem = edited.problem()
    assert problem is not None and problem[0] == field
    assert isinstance(problem[1], InputRefused)


def test_numbers_keep_their_kind() -> None:
    edited = draft()
    edited.edit("max_length", "512")
    edited.edit("temperature", "1")
    assert edited.document()["ModelConfig"] == {
        "max_length": 512,
        "temperature": 1,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
    }


def test_an_error_about_no_field_points_at_the_prompt() -> None:
    assert draft_field("") == draft_field("PromptTemplate") == "prompt"
    assert draft_field("ModelConfig.top_p") == "top_p"
