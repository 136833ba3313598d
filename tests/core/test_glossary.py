"""The glossary: written once, complete, and found by any of its words."""

from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.glossary import (
    find_card,
    find_terms,
    glossary_page,
    list_terms,
    names_of,
    terms_in,
)
from firstlight_core.steps import STEPS

REPOSITORY = Path(__file__).parents[2]
WANTED = (
    "TTFT, prefill, decode, KV cache, KL, drift, artifact, execution provider, block size, perplexity, top-1, void, "
    "quantisation, LoRA adapter, chat template"
)


def test_the_page_of_the_documents_is_up_to_date() -> None:
    page = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert page == glossary_page(), "make glossary"


def test_terms_are_in_order_have_one_name_each_and_point_at_each_other() -> None:
    terms = [term["term"] for term in list_terms()]
    assert terms == sorted(terms, key=str.casefold)
    names = [name.casefold() for term in list_terms() for name in names_of(term)]
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert {see for term in list_terms() for see in term.get("see", [])} <= set(terms)


def test_each_term_is_explained_in_a_few_sentences() -> None:
    for term in list_terms():
        assert 40 < len(term["text"]) < 330 and term["text"].endswith("."), term["term"]


@pytest.mark.parametrize("word", WANTED.split(", "))
def test_the_terms_of_the_screens_are_found_by_the_words_of_the_screens(word: str) -> None:
    assert len(find_terms(word)) == 1 and len(find_terms(word.upper())) == 1


def test_a_part_of_a_name_finds_every_term_that_holds_it() -> None:
    assert [term["term"] for term in find_terms("cache")][:1] == ["KV cache"]


def test_an_unknown_term_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(InputRefused) as refused:
        find_terms("perplexitty")
    assert "perplexity" in refused.value.hint
    with pytest.raises(InputRefused):
        find_terms("  ")


def test_terms_of_a_screen_come_in_its_order() -> None:
    screen = "Mean KL 0.0004 │ first\n  token 3.5 ms; klaxon, context.py, run.toml"
    assert [term["term"] for term in terms_in(screen)] == [
        "KL divergence",
        "time to first token",
        "run.toml",
    ]


def test_every_step_has_a_card_of_the_course() -> None:
    for step in STEPS:
        card = find_card(step.id)
        assert card is not None and card["source"].startswith("Module "), step.id
    assert find_card("nowhere") is None
