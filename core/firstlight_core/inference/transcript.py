"""A conversation on disk: JSON lines that can be asked again, and Markdown to read."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.documents.inference import ChatStats, SavedTurn
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused
from firstlight_core.files import read_limited, write_whole
from firstlight_core.text import first_difference, shown_path, visible

ROLES = ("system", "user", "assistant")


@dataclass(slots=True)
class Turn:
    """One message: role and text, and for an answer its tokens and figures (measured in the engine)."""

    role: str
    text: str
    ids: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    """The text that became complete with each token; together they are the answer as it streamed."""
    seconds: float = 0.0
    """For an unfinished answer: seconds from its first token to its newest, measured in the engine."""
    stats: ChatStats = field(default_factory=ChatStats)
    finish_reason: str = ""
    rating: int = 0
    """The reader's judgement, 1 to 5; 0 is none. The course's Output Quality."""
    note: str = ""
    """Notes on it: turns that were left out, control tokens that were typed."""
    prompt: list[Message] = field(default_factory=list)
    """The messages of the question."""

    @property
    def rate_so_far(self) -> float | None:
        """Tokens a second since the first one, as long as the answer is being made; None before there is a span."""
        return (len(self.pieces) - 1) / self.seconds if self.seconds > 0 else None

    @property
    def content(self) -> str:
        """The text, of an answer that is still being made what there is of it."""
        return self.text or "".join(self.pieces)

    def end_of_text(self, limit: int) -> str:
        """Return the last `limit` characters or a little more, whole pieces, while the answer is still being made."""
        if self.text:
            return self.text[-limit:]
        length, first = 0, len(self.pieces)
        while first and length < limit:
            first -= 1
            length += len(self.pieces[first])
        return "".join(self.pieces[first:])

    def to_json(self) -> SavedTurn:
        """Return one line of a saved conversation."""
        line: SavedTurn = {"role": self.role, "content": self.content}
        if self.stats:
            line["stats"] = self.stats
        if self.finish_reason:
            line["finish_reason"] = self.finish_reason
        if self.rating:
            line["rating"] = self.rating
        if self.ids:
            line["tokens"] = self.ids
        return line


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where an answer departs from another one: a span of its characters, and the token where that is known."""

    start: int
    end: int
    token: int | None = None


def parting(answer: Turn, other: Turn) -> Parting | None:
    """Return where `answer` departs from `other`: by token ids, or by words where those say nothing; None: nowhere.

    A server tells no ids, and those of another tokenizer mean other texts.
    """
    if answer.text == other.text:
        return None
    if answer.ids and other.ids and _one_tokenizer(answer, other):
        at = first_difference(answer.ids, other.ids)
        if at is None:
            return None
        start = len("".join(answer.pieces[:at]))
        # Half a character is held back: the text of a token may come with the next one.
        piece = next((text for text in answer.pieces[at:] if text), "")
        return Parting(start=start, end=start + len(piece), token=at)
    at = first_difference(answer.text, other.text)
    if at is None:
        return None
    start = max(answer.text.rfind(" ", 0, at), answer.text.rfind("\n", 0, at)) + 1
    ends = [end for mark in " \n" if (end := answer.text.find(mark, max(at, start + 1))) > 0]
    return Parting(start=start, end=min(ends, default=len(answer.text)))


def _one_tokenizer(answer: Turn, other: Turn) -> bool:
    """Return whether the ids of both mean the same texts, as far as can be seen; negative ones mean nothing."""
    if min(*answer.ids, *other.ids) < 0:
        return False
    meaning = dict(zip(answer.ids, answer.pieces, strict=False))
    return all(
        meaning.get(token, piece) == piece
        for token, piece in zip(other.ids, other.pieces, strict=False)
    )


def as_markdown(target: str, system: str, turns: Iterable[Turn]) -> str:
    """Return the conversation to read, with the figures of each answer."""
    lines = [f"# Conversation with {target}", ""]
    if system:
        lines += [f"**system:** {system}", ""]
    for turn in turns:
        lines += [f"**{turn.role}:** {turn.content}", ""]
        if turn.rating:
            lines += [f"Rated {turn.rating} of 5.", ""]
        if turn.stats:
            lines += [f"<!-- measured: {json.dumps(turn.stats)} -->", ""]
    return visible("\n".join(lines))


def save_conversation(
    folder: Path, target: str, system: str, turns: Sequence[Turn], *, name: str | None = None
) -> tuple[Path, Path]:
    """Write a conversation as `NAME.md` and `NAME.jsonl`, readable by the user alone.

    Without a `name`: `conversation`, or the next free one with a number; no other conversation is overwritten.

    Raises:
        StateProblem: the folder cannot be written.
    """
    stem = name if name is not None else free_name(folder)
    markdown, lines = folder / f"{stem}.md", folder / f"{stem}.jsonl"
    saved: list[SavedTurn] = [{"role": "system", "content": system}] if system else []
    saved += [turn.to_json() for turn in turns]
    write_whole(markdown, as_markdown(target, system, turns), mode=0o600)
    write_whole(
        lines, "".join(json.dumps(line, allow_nan=False) + "\n" for line in saved), mode=0o600
    )
    return markdown, lines


def free_name(folder: Path) -> str:
    """`conversation`, `conversation-2` …: the first that nothing in the folder is called."""
    names = itertools.chain(["conversation"], (f"conversation-{n}" for n in itertools.count(2)))
    return next(
        name
        for name in names
        if not any((folder / f"{name}.{kind}").exists() for kind in ("md", "jsonl"))
    )


def load_conversation(path: Path) -> tuple[str, list[Turn]]:
    """Read a saved conversation back: its system prompt and its turns.

    Raises:
        InputRefused: the file cannot be read, or a line of it is no message; the line is named.
    """
    system, turns = "", []
    text = read_limited(path).decode("utf-8-sig", "replace")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            message = json.loads(line)
            role, content = message["role"], message["content"]
        except (ValueError, KeyError, TypeError, RecursionError):
            role, content = None, None
        if role not in ROLES or not isinstance(content, str):
            raise InputRefused(
                f"Line {number} of {shown_path(path)} is no message.",
                hint='Each line is a JSON object with "role" (system, user or assistant) and "content".',
            )
        if role == "system":
            system = content
        else:
            turns.append(Turn(role, content))
    return system, turns
