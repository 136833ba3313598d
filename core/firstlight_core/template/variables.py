"""Variables of a chat template besides the messages: tools, thinking on or off, documents, a date."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

from firstlight_core.errors import TemplateRefused, UsageError
from firstlight_core.files import JsonValue
from firstlight_core.text import one_line

VariableValue = JsonValue
"""The value of a variable of a chat template."""
_ALWAYS = frozenset(
    {
        *("messages", "add_generation_prompt", "bos_token", "eos_token", "pad_token", "unk_token"),
        *("sep_token", "cls_token", "mask_token", "raise_exception", "strftime_now"),
        *("range", "dict", "lipsum", "cycler", "joiner", "namespace", "true", "false", "none"),
        *("True", "False", "None", "continue_final_message", "tokenizer"),
    }
)
"""Variables that every renderer provides, or none does."""
TRIED: Mapping[str, Sequence[VariableValue]] = {
    "enable_thinking": (False, True),
    "thinking": (False, True),
    "reasoning_effort": ("low", "high"),
}
"""Variables that change an ordinary prompt, and the values whose effect is shown."""


def template_variables(template: str) -> list[str]:
    """Return the variables that a chat template reads and does not set itself, in alphabetical order."""
    from jinja2 import TemplateError, meta, nodes

    from firstlight_core.template.sandbox import make_environment

    try:
        tree = make_environment().parse(template)
        undeclared = meta.find_undeclared_variables(tree)
    except (TemplateError, RecursionError):
        return []
    # What both branches of an `if` set counts as undeclared; a default (`if x is not defined: set x`) is asked for.
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
    tested = {
        test.node.name
        for test in tree.find_all(nodes.Test)
        if test.name in ("defined", "undefined") and isinstance(test.node, nodes.Name)
    }
    return sorted(name for name in undeclared - _ALWAYS if name not in own or name in tested)


def check_variables(template: str, given: Mapping[str, VariableValue]) -> None:
    """Refuse variables that the template would ignore.

    Raises:
        TemplateRefused: it does not take one of them.
    """
    if not given:
        return
    known = template_variables(template)
    for name in given:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise TemplateRefused(
                f"The chat template does not take a variable `{one_line(name, 40)}`.",
                hint=f"It takes: {takes}.",
            )


def read_variables(given: Sequence[str]) -> dict[str, VariableValue]:
    """Return the variables of `name=value` texts: true, false, numbers and JSON are read as such, the rest is text.

    Raises:
        UsageError: one has no name or no value.
    """
    variables: dict[str, VariableValue] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.strip().isidentifier():
            raise UsageError(
                f"{one_line(text, 60)!r} is no variable of a chat template.",
                hint="Write it as NAME=VALUE, for example enable_thinking=false.",
            )
        plain = value.strip()
        try:
            text = plain.lower() if plain in ("True", "False") else plain
            variables[name.strip()] = cast(VariableValue, json.loads(text))
        except ValueError:
            variables[name.strip()] = plain
    return variables


def variable_notes(variables: Sequence[str]) -> list[str]:
    """Variables that onnxruntime-genai cannot take, in one sentence; empty when the template has no others."""
    # Tools are given to every renderer; the check compares them.
    others = [name for name in variables if name != "tools"]
    if not others:
        return []
    named = ", ".join(f"`{name}`" for name in others[:8])
    return [
        f"The chat template also takes {named}. onnxruntime-genai, and so Foundry Local, cannot be given "
        f"{'them' if len(others) > 1 else 'it'}: it renders as if {'they were' if len(others) > 1 else 'it was'} not set. "
        "firstlight chat --template-variable NAME=VALUE gives one."
    ]
