"""An Ollama Modelfile from a settled template, and a small reader of its TEMPLATE that proves it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.errors import TemplateRefused
from firstlight_core.template.inference_model import CONTENT, opening_of

_ROLES = ("system", "user", "assistant")
_GO = re.compile(r"\{\{(.*?)\}\}", re.S)


def go_template(prompt_template: Mapping[str, str], *, begin: str = "") -> str:
    """The PromptTemplate in Go template syntax: every turn in its own field, then the answer's opening.

    `begin` is the begin-of-text token, which Ollama's runner adds itself.
    """
    parts = ["{{ range .Messages }}"]
    word = "if"
    for role in _ROLES:
        field = prompt_template.get(role)
        if field is None:
            continue
        before, _, after = field.removeprefix(begin).partition(CONTENT)
        parts.append(f'{{{{ {word} eq .Role "{role}" }}}}')
        parts.append(_literal(before) + "{{ .Content }}" + _literal(after))
        word = "else if"
    parts.append("{{ end }}{{ end }}")
    parts.append(_literal(opening_of(prompt_template)))
    return "".join(parts)


def _literal(text: str) -> str:
    """Text that Go shall not read as an action."""
    if '"""' in text:
        raise TemplateRefused('A template with """ cannot stand in a Modelfile.')
    return text.replace("{{", '{{ "{{" }}')


def render_go(template: str, messages: Sequence[Mapping[str, str]]) -> str:
    """What Ollama makes of a TEMPLATE that `go_template` wrote: range, if eq .Role, else if, end, .Content.

    Raises:
        TemplateRefused: it holds an action of another kind.
    """
    pieces = _GO.split(template)
    actions = [piece.strip() for piece in pieces[1::2]]
    if "range .Messages" not in actions or actions.count("end") != 2:
        raise TemplateRefused("This TEMPLATE is not of the kind that Firstlight writes.")
    start = actions.index("range .Messages")
    stop = len(actions) - 1 - actions[::-1].index("end")
    head = pieces[0]
    body = "".join(
        _render_turn(pieces[2 * start + 2 : 2 * stop + 1], message) for message in messages
    )
    tail, rest = pieces[2 * stop + 2], pieces[2 * stop + 3 :]
    for index in range(0, len(rest), 2):
        tail += _quoted(rest[index]) + rest[index + 1]
    return head + body + tail


def _render_turn(pieces: Sequence[str], message: Mapping[str, str]) -> str:
    """One turn of the loop; `pieces` are text and actions in turn, text first."""
    out, chosen, active = pieces[0], False, True
    for action, text in zip(pieces[1::2], pieces[2::2], strict=True):
        action = action.strip()
        if match := re.fullmatch(r'(else )?if eq \.Role "(\w+)"', action):
            active = not chosen and match[2] == message["role"]
            chosen = chosen or active
        elif action == "end":
            active = True
        elif action == ".Content":
            out += message["content"] if active else ""
        else:
            out += _quoted(action) if active else ""
        out += text if active else ""
    return out


def _quoted(action: str) -> str:
    try:
        found = json.loads(action.strip())
    except ValueError:
        found = None
    if not isinstance(found, str):
        raise TemplateRefused("This TEMPLATE holds an action that Firstlight does not write.")
    return found


def default_system(prompt_template: Mapping[str, str]) -> str | None:
    """The system text that the chat template writes when nobody gives one; None when it writes none."""
    system, user, prompt = (prompt_template.get(f, "") for f in ("system", "user", "prompt"))
    before, _, after = system.partition(CONTENT)
    lead = prompt.partition(CONTENT)[0].removesuffix(user.partition(CONTENT)[0])
    if (
        system
        and lead.startswith(before)
        and lead.endswith(after)
        and len(lead) > len(before + after)
    ):
        return lead[len(before) : len(lead) - len(after)]
    return None


def modelfile(
    source: Path, document: Mapping[str, Any], *, begin: str = "", stops: Sequence[str] = ()
) -> str:
    """The Modelfile: FROM the source's weights, TEMPLATE, PARAMETERs and SYSTEM of the settled template.

    Raises:
        TemplateRefused: a text cannot stand in a Modelfile.
    """
    template: Mapping[str, str] = document["PromptTemplate"]
    names = {
        "max_length": "num_ctx",
        "temperature": "temperature",
        "top_p": "top_p",
        "repetition_penalty": "repeat_penalty",
    }
    lines = [
        "# Written by Firstlight. FROM are the original weights: Ollama reads safetensors or GGUF, not ONNX.",
        f"FROM {source}",
        "",
        f'TEMPLATE """{go_template(template, begin=begin)}"""',
    ]
    if (system := default_system(template)) is not None:
        lines += ["", f'SYSTEM """{_literal(system)}"""']
    lines.append("")
    config = document.get("ModelConfig", {})
    lines += [f"PARAMETER {names[key]} {config[key]}" for key in names if key in config]
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    return "\n".join(lines) + "\n"
