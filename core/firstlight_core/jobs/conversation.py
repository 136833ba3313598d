"""Turns a conversation into the prompt text, with the artifact's own chat template and real jinja2.

Runs in the engine's process: genai's template language is a subset that dies of a recursive macro (FACTS,
"Talking"), and a template is code of the folder's author, so it gets jinja's immutable sandbox and the parent's
time limit.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.errors import TemplateRefused
from firstlight_core.files import read_json_object, read_limited
from firstlight_core.text import one_line, shown_path

TEMPLATE_LIMIT = 1_000_000
"""Bytes of a chat template; the longest in public use have about 20 kB."""
PROMPT_LIMIT = 8_000_000
"""Characters of a rendered prompt."""


def chat_template(folder: Path) -> tuple[str, dict[str, str]]:
    """The chat template of a folder and its special tokens by name.

    Raises:
        TemplateRefused: there is none.
        InputRefused: a file cannot be read.
    """
    settings = read_json_object(folder / "tokenizer_config.json", strict=False)
    special = {
        name: token
        for name in ("bos_token", "eos_token", "unk_token", "pad_token")
        if (token := _token(settings.get(name))) is not None
    }
    if (folder / "chat_template.jinja").is_file():
        raw = read_limited(folder / "chat_template.jinja", limit=TEMPLATE_LIMIT)
        return raw.decode("utf-8", "replace"), special
    found = settings.get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if entry}
        found = named.get("default", next(iter(named.values()), None))
    if not isinstance(found, str) or not found.strip():
        raise TemplateRefused(
            f"{shown_path(folder)} has no chat template, so a conversation cannot become a prompt.",
            hint="Set one: firstlight template ARTIFACT --set FILE",
        )
    return found, special


def _token(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else None


def render(
    template: str,
    special: Mapping[str, str],
    messages: Sequence[Mapping[str, str]],
    *,
    add_generation_prompt: bool = True,
) -> str:
    """The prompt text, rendered as transformers renders it.

    Raises:
        TemplateRefused: the template is broken, or refuses this conversation.
    """
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> str:
        raise TemplateRefused(
            f"The chat template refuses this conversation: {one_line(str(message))}",
            hint="Leave out the system prompt, or let user and assistant take turns.",
        )

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    try:
        text = environment.from_string(template).render(
            messages=[dict(message) for message in messages],
            add_generation_prompt=add_generation_prompt,
            **special,
        )
    except TemplateRefused:
        raise
    except (jinja2.TemplateError, RecursionError, TypeError, ValueError, ArithmeticError) as error:
        reason = "it calls itself without end" if isinstance(error, RecursionError) else str(error)
        raise TemplateRefused(
            f"The chat template cannot be rendered: {one_line(reason)}",
            hint="firstlight template ARTIFACT --check says more.",
        ) from error
    if len(text) > PROMPT_LIMIT:
        raise TemplateRefused(
            f"The chat template renders to {len(text)} characters; that is no prompt.",
            hint="Shorten the conversation, or set another template.",
        )
    return text


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
