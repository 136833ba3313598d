"""A chat template built from the fields of a PromptTemplate, for a model without one."""

import re
from collections.abc import Mapping

from firstlight_core.artifact.inference_model import CONTENT, opening_of
from firstlight_core.errors import TemplateRefused
from firstlight_core.template.presets import Preset
from firstlight_core.text import one_line

_MARKERS = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z_]{1,30}\]")


def family_chat_template(preset: Preset) -> str:
    """Return the Jinja template of a family."""
    return chat_template_of(preset.prompt_template)


def chat_template_of(fields: Mapping[str, str]) -> str:
    """Return the Jinja template that renders as the fields of a PromptTemplate do, in syntax of every renderer.

    A family without a system role (its system field begins like a user turn) opens the first user turn with it.
    Without a system field at all the template refuses a system prompt: none may be lost silently.

    Raises:
        TemplateRefused: the fields `user` or `assistant` are missing.
    """
    for name in ("user", "assistant"):
        if CONTENT not in fields.get(name, ""):
            raise TemplateRefused(
                f"PromptTemplate has no field `{name}`, and a chat template needs one.",
                hint="Add the field, or bring a chat template: --template FILE",
            )
    user, assistant = fields["user"].partition(CONTENT), fields["assistant"].partition(CONTENT)
    before = fields.get("prompt", "").partition(CONTENT)[0]
    begin = before.removesuffix(user[0]) if user[0] and before.endswith(user[0]) else ""
    system = fields.get("system", "").removeprefix(begin).partition(CONTENT)
    lines = ["{{- " + _quoted(begin) + " -}}"] if begin else []
    if user[0] and system[0] == user[0]:
        # The system text is inside the user's turn, before the user's own text.
        lines += [
            "{%- set ns = namespace(system='') -%}",
            "{%- for message in messages -%}",
            "{%- if message['role'] == 'system' -%}",
            "{%- set ns.system = message['content'] + " + _quoted(system[2]) + " -%}",
            "{%- elif message['role'] == 'user' -%}",
            "{{- " + _quoted(user[0]) + " + ns.system + message['content'] + "
            f"{_quoted(user[2])} " + "-}}",
            "{%- set ns.system = '' -%}",
        ]
    else:
        refused = "{{- raise_exception('The prompt template has no system prompt.') -}}"
        lines += [
            "{%- for message in messages -%}",
            "{%- if message['role'] == 'system' -%}",
            _turn(system) if system[1] else refused,
            "{%- elif message['role'] == 'user' -%}",
            _turn(user),
        ]
    lines += [
        "{%- elif message['role'] == 'assistant' -%}",
        _turn(assistant),
        "{%- endif -%}",
        "{%- endfor -%}",
    ]
    if opening := _opening(fields, begin):
        lines += ["{%- if add_generation_prompt -%}", "{{- " + _quoted(opening) + " -}}"]
        lines += ["{%- endif -%}"]
    return "\n".join(lines) + "\n"


def _opening(fields: Mapping[str, str], begin: str) -> str:
    """Return the text that invites the answer: the part of `prompt` after the user's turn."""
    prompt = fields.get("prompt", "").removeprefix(begin)
    if prompt.startswith(fields["user"].partition(CONTENT)[0] + CONTENT):
        return opening_of(fields)
    return ""


def _quoted(text: str) -> str:
    """Return a Jinja string literal of the text, in escapes that both renderers read."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _turn(field: tuple[str, str, str]) -> str:
    around = [_quoted(field[0])] if field[0] else []
    behind = [_quoted(field[2])] if field[2] else []
    return "{{- " + " + ".join([*around, "message['content']", *behind]) + " -}}"


def unknown_markers(fields: Mapping[str, str], known: Mapping[str, int]) -> list[str]:
    """Return a sentence when the fields mark turns with what the tokenizer has no tokens for; else nothing."""
    written = "".join(fields.values()).replace(CONTENT, " ")
    missing = [m for m in dict.fromkeys(_MARKERS.findall(written)) if m not in known]
    if not missing:
        return []
    markers = ", ".join(f"`{one_line(marker, 40)}`" for marker in missing[:4])
    return [
        f"The tokenizer has no token for {markers}: the model reads the markers as ordinary text. "
        "Choose the format that the model was trained with."
    ]
