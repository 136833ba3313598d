"""An Ollama TEMPLATE from a settled PromptTemplate, and a small renderer of it that proves it.

`render_go` knows only what `go_template` writes; tests hold it against Go's own text/template.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firstlight_core.artifact.inference_model import CONTENT, opening_of
from firstlight_core.documents.messages import Message
from firstlight_core.errors import TemplateRefused

_ROLES = ("system", "user", "assistant")
_GO = re.compile(r"\{\{(.*?)\}\}", re.S)
_QUOTED = re.compile(r'"\\u([0-9a-f]{4})"|"\\U([0-9a-f]{8})"')
_BRACES_AND_QUOTES = re.compile(r'\{|"(?=")|\A"|"\Z')
"""Characters that could open an action together with the next one, or extend the three quotes of a Modelfile."""
_RANGE = "range $i, $_ := .Messages"
_UNASKED = "if not .System"
_NOT_MERGED = "if not (and $.System (eq $i 1))"
_ROLE = re.compile(r'(?:else )?if eq \.Role "(\w+)"')


def go_template(
    prompt_template: Mapping[str, str],
    *,
    begin: str = "",
    runner_begins: bool = False,
    merged: bool = False,
) -> str:
    """Return the PromptTemplate in Go template syntax: every turn in its own field, then the answer's opening.

    `begin` is the begin-of-text token; it stands in front of the first turn, whoever speaks it, unless Ollama's
    runner puts it there itself. With `merged` the system text opens the first user's turn, as Gemma has it.
    """
    fields = {key: text.removeprefix(begin) for key, text in prompt_template.items()}
    begins = prompt_template.get("prompt", "").startswith(begin) and not runner_begins
    parts = [_literal(begin) if begins else ""]
    if (lead := _lead(fields)) and default_system(fields) is None:
        # The chat template's text before the first turn without a system prompt.
        parts.append(f"{{{{ {_UNASKED} }}}}{_literal(lead)}{{{{ end }}}}")
    parts.append(f"{{{{ {_RANGE} }}}}")
    word = "if"
    for role in _ROLES:
        field = fields.get(role)
        if field is None:
            continue
        before, _, after = (_literal(part) for part in field.partition(CONTENT))
        if merged and role == "user":
            before = f"{{{{ {_NOT_MERGED} }}}}{before}{{{{ end }}}}"
        parts.append(f'{{{{ {word} eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}')
        word = "else if"
    parts.append("{{ end }}{{ end }}")
    parts.append(_literal(opening_of(fields)))
    return "".join(parts)


def _lead(fields: Mapping[str, str]) -> str:
    user = fields.get("user", "").partition(CONTENT)[0]
    return fields.get("prompt", "").partition(CONTENT)[0].removesuffix(user)


def default_system(prompt_template: Mapping[str, str]) -> str | None:
    """Return the default system text of the chat template; None when it has none."""
    before, _, after = prompt_template.get("system", "").partition(CONTENT)
    lead = _lead(prompt_template)
    whole = lead.startswith(before) and lead.endswith(after)
    if "system" in prompt_template and whole and len(lead) > len(before + after):
        return lead[len(before) : len(lead) - len(after)]
    return None


def _literal(text: str) -> str:
    """Text that neither Go reads as an action nor Ollama's reader of Modelfiles changes."""
    safe = _BRACES_AND_QUOTES.sub(lambda match: _action(match[0]), text)
    return "".join(c if c.isprintable() or c in "\n\t" else _action(c) for c in safe)


def _action(character: str) -> str:
    point = ord(character)
    escape = f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
    return f'{{{{ "{escape}" }}}}'


def collate(messages: Sequence[Message]) -> list[Message]:
    """Return the messages as Ollama hands them to a TEMPLATE: neighbours of one role are one message (template.go)."""
    collated: list[Message] = []
    for message in messages:
        if collated and collated[-1]["role"] == message["role"]:
            collated[-1]["content"] += "\n\n" + message["content"]
        else:
            collated.append(message.copy())
    return collated


def render_go(template: str, messages: Sequence[Message]) -> str:
    """Return the text that Ollama renders from a TEMPLATE that `go_template` wrote.

    Raises:
        TemplateRefused: it holds an action of another kind.
    """
    pieces = _GO.split(template)
    # Text and actions in turn, text first.
    reader = _Reader([(i % 2 == 1, p.strip() if i % 2 else p) for i, p in enumerate(pieces)])
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    out = reader.block(_Turn(system=system), collate(messages))
    if reader.place != len(reader.pieces):
        raise _unknown()
    return out


def _unknown() -> TemplateRefused:
    return TemplateRefused("This TEMPLATE is not of the kind that Firstlight writes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """The renderer's position: `index` and `role` only within the loop."""

    system: str
    index: int = -1
    role: str = ""
    content: str | None = None


class _Reader:
    """Renders while it reads; unchosen blocks are read, too."""

    def __init__(self, pieces: list[tuple[bool, str]]) -> None:
        self.pieces = pieces
        self.place = 0

    def block(self, turn: _Turn, messages: Sequence[Message] = ()) -> str:
        """Render up to the `end` or `else if` that closes this block, which remains unread."""
        out = ""
        while self.place < len(self.pieces):
            is_action, text = self.pieces[self.place]
            if is_action and (text == "end" or text.startswith("else")):
                break
            self.place += 1
            if not is_action:
                out += text
            elif text == _RANGE and turn.content is None:
                out += self._range(turn, messages)
            elif text.startswith("if "):
                self.place -= 1
                out += self._choice(turn)
            elif text == ".Content" and turn.content is not None:
                out += turn.content
            else:
                out += _quoted(text)
        return out

    def _range(self, turn: _Turn, messages: Sequence[Message]) -> str:
        start, out = self.place, ""
        for index, message in enumerate(messages):
            self.place = start
            role, content = message["role"], message["content"]
            out += self.block(_Turn(system=turn.system, index=index, role=role, content=content))
        if not messages:
            self.block(_Turn(system=turn.system, content=""))
        self._end()
        return out

    def _choice(self, turn: _Turn) -> str:
        out, chosen = "", False
        while (action := self._action()) != "end":
            holds = _holds(action, turn) and not chosen
            text = self.block(turn)
            out += text if holds else ""
            chosen = chosen or holds
        return out

    def _end(self) -> None:
        if self._action() != "end":
            raise _unknown()

    def _action(self) -> str:
        if self.place >= len(self.pieces):
            raise _unknown()
        self.place += 1
        return self.pieces[self.place - 1][1]


def _holds(action: str, turn: _Turn) -> bool:
    if action == _UNASKED and turn.content is None:
        return not turn.system
    if action == _NOT_MERGED:
        return not (turn.system and turn.index == 1)
    if match := _ROLE.fullmatch(action):
        return match[1] == turn.role
    raise _unknown()


def _quoted(action: str) -> str:
    match = _QUOTED.fullmatch(action)
    if match is None:
        raise _unknown()
    return chr(int(match[1] or match[2], 16))
