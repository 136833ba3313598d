"""Every term, written once in `glossary.toml`: for the help of the wizard, `firstlight glossary` and docs/glossary.md.

`python -m firstlight_core.glossary docs/glossary.md` writes the page (`make glossary`).
"""

import sys
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from firstlight_core.documents.glossary import CourseCard, GlossaryFile, Term
from firstlight_core.documents.reading import read_document
from firstlight_core.errors import InputRefused
from firstlight_core.steps import STEPS, find_step
from firstlight_core.text import one_line

_HEAD = """\
# Glossary

Every term of the screens, the command line and these documents. `firstlight glossary TERM` prints one, `?` in the wizard
shows those of the open step. This page is made of `core/firstlight_core/glossary.toml` by `make glossary`.

"""


@cache
def read_glossary() -> GlossaryFile:
    """Return terms and cards as they ship."""
    text = Path(__file__).with_suffix(".toml").read_text("utf-8")
    document = read_document(GlossaryFile, tomllib.loads(text))
    assert document is not None
    return document


def list_terms() -> list[Term]:
    """Return every term in alphabetical order."""
    return read_glossary()["terms"]


def names_of(term: Term) -> list[str]:
    """Return the term and the other words for it."""
    return [term["term"], *term.get("also", [])]


def find_card(step: str) -> CourseCard | None:
    """Return what the course teaches about a step."""
    return next((card for card in read_glossary()["cards"] if card["step"] == step), None)


def find_terms(words: str) -> list[Term]:
    """Return the term that is called so; without one, those whose names hold the words, then those that explain them.

    Raises:
        InputRefused: nothing in the glossary has to do with the words.
    """
    needle = words.strip().casefold()
    terms = list_terms()
    exact = [term for term in terms if needle in [name.casefold() for name in names_of(term)]]
    if exact:
        return exact
    near = [term for term in terms if any(needle in name.casefold() for name in names_of(term))]
    near += [term for term in terms if term not in near and needle in term["text"].casefold()]
    if needle and near:
        return near
    names = {name.casefold(): name for term in terms for name in names_of(term)}
    alike = [names[name] for name in get_close_matches(needle, names, n=3)]
    hint = f"Did you mean {' or '.join(alike)}?" if alike else "`firstlight glossary` lists them."
    raise InputRefused(f"The glossary has no term {one_line(words, 40)!r}.", hint=hint)


def terms_in(text: str) -> list[Term]:
    """Return the terms that appear in a text, in the order of their first appearance; the longest name counts."""
    rest = " ".join(text.split())
    lower = "".join(low if len(low := letter.lower()) == 1 else letter for letter in rest)
    first: dict[str, int] = {}
    names = [(name, term["term"]) for term in list_terms() for name in names_of(term)]
    for name, term in sorted(names, key=lambda pair: -len(pair[0])):
        # What is written in capitals is found in capitals only.
        words, needle = (rest, name) if name.isupper() else (lower, name.lower())
        for start in list(_whole_words(words, needle)):
            end = start + len(needle)
            first[term] = min(start, first.get(term, start))
            blank = " " * len(needle)
            rest, lower = (text[:start] + blank + text[end:] for text in (rest, lower))
    present = [term for term in list_terms() if term["term"] in first]
    return sorted(present, key=lambda term: first[term["term"]])


def _whole_words(text: str, words: str) -> Iterator[int]:
    """Yield where the words stand in a text, but not as a part of others, of a file's name, say.

    Without a regular expression: to compile those of the glossary took longer than all the rest of the help.
    """
    start = text.find(words)
    while start >= 0:
        end = start + len(words)
        before, after = text[start - 1 : start], text[end : end + 1]
        named = after == "." and _joins(text[end + 1 : end + 2])
        if not (_joins(before) or before == "-" or _joins(after) or after == "-" or named):
            yield start
        start = text.find(words, end)


def _joins(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def glossary_page() -> str:
    """Return docs/glossary.md."""
    return _HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    for term in list_terms():
        also = f" ({', '.join(term['also'])})" if term.get("also") else ""
        see = f" See {', '.join(term['see'])}." if term.get("see") else ""
        yield f"**{term['term']}**{also}: {term['text']}{see}\n\n"
    yield "## What the course teaches about each step\n\n"
    yield "The course is EdgeAI for Beginners; the texts are Firstlight's.\n\n"
    cards = [card for step in STEPS if (card := find_card(step.id)) is not None]
    for number, card in enumerate(cards, start=1):
        step = find_step(card["step"])
        title = step.title if step is not None else card["step"]
        end = "\n" if number == len(cards) else "\n\n"
        yield f"**{title}** ({card['source']}): {card['text']}{end}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(glossary_page(), "utf-8")
