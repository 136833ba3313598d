"""Which of a tokenizer's added tokens are control tokens; all the others are ordinary text.

A tokenizer never splits an added token, but most added tokens control nothing: Gemma 3 adds 6,400 of them, empty lines
and HTML tags included. `special: true` alone is no criterion either: DeepSeek's `<｜User｜>` does not carry it. A control
token is one that the tokenizer calls special, one that ends an answer, or one that the chat template writes around the
turns. White space and plain words are never markup, whatever a template writes: a user's empty line is an empty line.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from firstlight_core.artifact.tokenizer_files import (
    AddedToken,
    read_added_tokens,
    read_chat_template,
)
from firstlight_core.documents.messages import Tool, ToolCall, ToolMessage
from firstlight_core.files import JsonValue
from firstlight_core.template.derive import ANSWER, CLOSE, SECOND, SYSTEM, USER

PROSE_WORDS = 8
"""A literal of a template with more words is prose (a default system prompt): an added token in it is a quotation."""

_MARKUP = re.compile(r"(?=.*\w)(?=.*[^\w\s]).*", re.S)
_THOUGHTS_AND_TOOLS = re.compile(
    r"think|thought|reason|analysis|tool|function|call|python|arg_(?:key|value)", re.I
)
_TOOL: Tool = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "The time.",
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
}


class TemplateInput(TypedDict):
    """The variables that a chat template is rendered with."""

    messages: list[ToolMessage]
    add_generation_prompt: bool
    tools: NotRequired[list[Tool]]
    enable_thinking: NotRequired[bool]
    thinking: NotRequired[bool]


def _turn(role: str, content: str | None) -> ToolMessage:
    return {"role": role, "content": content}


def _tool_turns(content: str | None, arguments: JsonValue) -> TemplateInput:
    call: ToolCall = {
        "id": "call00001",
        "type": "function",
        "function": {"name": "clock", "arguments": arguments},
    }
    return {
        "messages": [
            _turn("user", USER),
            {**_turn("assistant", content), "tool_calls": [call]},
            {**_turn("tool", SECOND), "name": "clock", "tool_call_id": "call00001"},
        ],
        "tools": [_TOOL],
        "add_generation_prompt": True,
    }


_TURNS = [_turn("user", USER), _turn("assistant", ANSWER), _turn("user", SECOND)]
_WITH_SYSTEM: TemplateInput = {
    "messages": [_turn("system", SYSTEM), *_TURNS],
    "add_generation_prompt": True,
}
_WITHOUT_SYSTEM: TemplateInput = {"messages": _TURNS, "add_generation_prompt": True}
_OTHERS: tuple[TemplateInput, ...] = (
    {"messages": [*_TURNS, _turn("assistant", CLOSE)], "add_generation_prompt": False},
    {"messages": _TURNS, "add_generation_prompt": True, "enable_thinking": True, "thinking": True},
    {"messages": _TURNS, "add_generation_prompt": True, "enable_thinking": False},
    {
        "messages": [
            _turn("user", USER),
            {**_turn("assistant", CLOSE), "reasoning_content": ANSWER},
        ],
        "add_generation_prompt": False,
    },
    _tool_turns(None, "{}"),
    _tool_turns("", {}),
)
_SENTINELS = re.compile("|".join((SYSTEM, USER, ANSWER, SECOND, CLOSE)))

Draw = Callable[[TemplateInput], str | None]
"""Renders the template with these variables; None when it refuses them."""


@dataclass(frozen=True, slots=True)
class ControlTokens:
    """The control tokens of one artifact, by their ids."""

    tokens: Mapping[int, str]
    markup: frozenset[str] = frozenset()
    """The control tokens that a correct answer may contain as text: around thoughts and tool calls."""

    @property
    def faults(self) -> list[str]:
        """The control tokens that no answer may hold as text, in the order of their ids."""
        return [text for _, text in sorted(self.tokens.items()) if text not in self.markup]


def may_mark(token: AddedToken) -> bool:
    """Return whether a token can be markup: white space and plain words only where the tokenizer calls them special."""
    if len(token.text) < 2 or not token.text.strip():
        return False
    return token.special or _MARKUP.fullmatch(token.text) is not None


def marking_tokens(folder: Path) -> dict[str, int]:
    """Return the added tokens that could mark something, and their ids; those that the chat template names come first.

    Raises:
        InputRefused: tokenizer.json is unreadable or too large.
    """
    marks = [token for token in read_added_tokens(folder) if may_mark(token)]
    template = read_chat_template(folder) or ""
    marks.sort(key=lambda token: (token.text not in template, not token.special))
    return {token.text: token.id for token in marks}


def find_control_tokens(
    added: Sequence[AddedToken],
    *,
    stop_ids: Collection[int] = (),
    template: str | None = None,
    draw: Draw | None = None,
) -> ControlTokens:
    """Return the control tokens among `added`.

    `draw` renders `template` in a sandbox. What the template writes around the messages of a few conversations, and
    what its short literals hold (branches that those conversations do not reach), is what it marks turns with.
    """
    marks = [token for token in added if may_mark(token)]
    control = [token for token in marks if token.special or token.id in stop_ids]
    if template is not None:
        written = [*(_drawn(draw) if draw is not None else ()), *_literals(template, marks)]
        held = tokens_in(written, (token.text for token in marks))
        control += [token for token in marks if token.text in held]
    texts_by_id = {token.id: token.text for token in control}
    markup = {
        text
        for number, text in texts_by_id.items()
        if number not in stop_ids and _THOUGHTS_AND_TOOLS.search(text)
    }
    return ControlTokens(dict(sorted(texts_by_id.items())), frozenset(markup))


def tokens_in(texts: Iterable[str], tokens: Iterable[str]) -> set[str]:
    """Return the tokens that stand in the texts; of two at the same place the longer one, as a tokenizer takes it."""
    longest_first = sorted({token for token in tokens if token}, key=len, reverse=True)
    if not longest_first:
        return set()
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    return {match for text in texts for match in pattern.findall(text)}


def _drawn(draw: Draw) -> Iterable[str]:
    """Return the text that the template writes around the messages, in pieces."""
    # A given system prompt keeps the default one out; not every template accepts one.
    turns = draw(_WITH_SYSTEM)
    for text in (turns if turns is not None else draw(_WITHOUT_SYSTEM), *map(draw, _OTHERS)):
        if text is None:
            continue
        pieces = _SENTINELS.split(text)
        # Before the first message stand default prompts and tool manuals: only the first conversation shows it.
        yield from pieces if text == turns else pieces[1:]


def _literals(template: str, marks: Sequence[AddedToken]) -> Iterable[str]:
    """Yield the literals of the template, prose left out."""
    from jinja2 import TemplateSyntaxError, nodes

    from firstlight_core.template.sandbox import make_environment

    try:
        tree = make_environment().parse(template)
    except (TemplateSyntaxError, RecursionError):
        return
    names = re.compile("|".join(re.escape(token.text) for token in marks) or "(?!)")
    for node in tree.find_all((nodes.Const, nodes.TemplateData)):
        text = node.value if isinstance(node, nodes.Const) else getattr(node, "data", "")
        if isinstance(text, str) and len(re.findall(r"\w+", names.sub(" ", text))) <= PROSE_WORDS:
            yield text
