"""The text that a calibrated precision is rounded on: built in, the original's own answers, or the user's."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from firstlight_core.conversion.calibration_choice import CalibrationChoice, CalibrationWord
from firstlight_core.documents.jobs_conversion import CalibrationRequest
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused
from firstlight_core.files import read_limited
from firstlight_core.inference.sampling import check_text
from firstlight_core.measure.quality_prompts import load_prompts
from firstlight_core.precision.calibration import LONGEST_ANSWER, QUESTIONS, TOKENS
from firstlight_core.text import shown_path

T = TypeVar("T")
OWN_ANSWERS = "own answers"
"""The source of a text that is the original's greedy answers to `QUESTIONS`."""
BUILT_IN = "built-in"
"""The text when the user gives none: questions with answers, so that the original need not answer."""
BUILT_IN_FILE = Path(__file__).with_name("calibration_talks.jsonl")
TEXT_LIMIT = 8 * 2**20
PASSAGES = 64
"""Conversations or passages that are used at most, evenly spread over a file."""
PASSAGE_CHARACTERS = 1_200
"""A passage of plain text ends with the paragraph that reaches this; a longer paragraph is cut."""
LEAST_CHARACTERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationText:
    """The calibration text of a conversion, before it is encoded."""

    source: str
    """`own answers`, `built-in`, or the absolute path of the user's file."""
    conversations: tuple[tuple[Message, ...], ...] = ()
    """Each is answered by the original, unless an assistant has the last word."""
    passages: tuple[str, ...] = ()
    """Plain text, taken as it is."""
    sha256: str = ""
    """Hash of the user's file; empty for what is built in."""

    def to_json(self) -> CalibrationRequest:
        """Return the text as the convert job takes it."""
        request: CalibrationRequest = {
            "source": self.source,
            "conversations": [list(turns) for turns in self.conversations],
            # A short file is topped up: rounding on too few tokens fits their chance and not the model.
            "further": [[{"role": "user", "content": text}] for text in QUESTIONS if self.sha256],
            "passages": list(self.passages),
            "tokens": TOKENS,
            "longest_answer": LONGEST_ANSWER,
        }
        if self.sha256:
            request["sha256"] = self.sha256
        return request


def built_in_text() -> CalibrationText:
    """Return the built-in questions with their answers."""
    talks = tuple(talk.messages for talk in load_prompts(BUILT_IN_FILE))
    return CalibrationText(source=BUILT_IN, conversations=talks)


def own_answers() -> CalibrationText:
    """Return the built-in questions, for the original to answer."""
    conversations = tuple((Message(role="user", content=question),) for question in QUESTIONS)
    return CalibrationText(source=OWN_ANSWERS, conversations=conversations)


def read_calibration(choice: CalibrationChoice) -> CalibrationText | None:
    """Return the text of a prompts file (JSON lines, as `quality` takes it), of plain text, or of a word.

    None for the word that asks for none.

    Raises:
        InputRefused: it cannot be read, or holds no text.
    """
    match choice:
        case CalibrationWord.NEAREST:
            return None
        case CalibrationWord.BUILT_IN:
            return built_in_text()
        case CalibrationWord.OWN_ANSWERS:
            return own_answers()
    return _read_file(choice)


def _read_file(path: Path) -> CalibrationText:
    content = read_limited(path, limit=TEXT_LIMIT)
    known = CalibrationText(source=str(path.absolute()), sha256=hashlib.sha256(content).hexdigest())
    if _is_json_lines(content):
        prompts = load_prompts(path)
        return replace(known, conversations=_spread([p.messages for p in prompts]))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(
            f"{shown_path(path)} is not UTF-8 text.",
            hint="Calibrate on a text file, or on prompts as JSON lines.",
        ) from error
    check_text(text)
    passages = _passages(text)
    if sum(map(len, passages)) < LEAST_CHARACTERS:
        raise InputRefused(
            f"{shown_path(path)} holds too little text: {LEAST_CHARACTERS} characters are the least.",
            hint="Name a file with text or prompts like those the model will meet.",
        )
    return replace(known, passages=_spread(passages))


def _is_json_lines(content: bytes) -> bool:
    lines = (line.strip() for line in content.removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return first.startswith(b"{")


def _passages(text: str) -> list[str]:
    """Return the paragraphs, short ones together, long ones cut."""
    passages: list[str] = []
    held = ""
    for paragraph in text.split("\n\n"):
        held = f"{held}\n\n{paragraph.strip()}" if held else paragraph.strip()
        while len(held) >= PASSAGE_CHARACTERS:
            passages.append(held[:PASSAGE_CHARACTERS])
            held = held[PASSAGE_CHARACTERS:].strip()
    return [*passages, held] if held else passages


def _spread(items: list[T]) -> tuple[T, ...]:
    """At most `PASSAGES` of them, evenly spread: the end of a sorted file counts as much as its beginning."""
    if len(items) <= PASSAGES:
        return tuple(items)
    return tuple(items[index * len(items) // PASSAGES] for index in range(PASSAGES))
