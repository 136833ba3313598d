"""The terms of the screens and the documents, and what the course teaches about each step."""

from typing import NotRequired, TypedDict


class Term(TypedDict):
    """One term."""

    term: str
    also: NotRequired[list[str]]
    """Other words for it."""
    text: str
    """Its meaning, in two or three sentences."""
    see: NotRequired[list[str]]
    """Terms to read next."""


class CourseCard(TypedDict):
    """The course's lesson of one step, and how Firstlight carries it out."""

    step: str
    """Id of the step."""
    source: str
    """Module and section of the course."""
    text: str


class GlossaryFile(TypedDict):
    """`glossary.toml` of the core."""

    terms: list[Term]
    """In alphabetical order."""
    cards: list[CourseCard]


class GlossaryDocument(TypedDict):
    """The document of `firstlight glossary`."""

    terms: list[Term]
