"""Ollama's Modelfile: written so that Ollama's own reader finds what was meant, and read back by its rules.

The reader (ollama/parser/parser.go) knows no escapes: a value stands bare, in one quote or in three, and what Go
does not call printable is dropped silently, in quotes too.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from firstlight_core.artifact.model_config import config_numbers
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.errors import InputRefused, TemplateRefused
from firstlight_core.exports.ollama_template import default_system, go_template
from firstlight_core.text import shown_path

_COMMANDS = ("from", "template", "system", "license", "parameter")
_PARAMETERS = {
    "max_length": "num_ctx",
    "temperature": "temperature",
    "top_p": "top_p",
    "repetition_penalty": "repeat_penalty",
}


def write_modelfile(
    weights: Path,
    document: InferenceModel,
    *,
    begin: str = "",
    runner_begins: bool = False,
    merged: bool = False,
    stops: Sequence[str] = (),
    context: int | None = None,
    licence: str = "",
) -> str:
    """Return the Modelfile: FROM the original weights, TEMPLATE, SYSTEM and PARAMETERs of the settled template.

    `context` is the model's own limit in tokens, which num_ctx must not pass.

    Raises:
        TemplateRefused: a text cannot stand in a Modelfile.
        InputRefused: a path cannot.
    """
    template: Mapping[str, str] = document["PromptTemplate"]
    lines = [
        "# Written by Firstlight. FROM are the original weights: Ollama reads safetensors or GGUF, not ONNX.",
        f"FROM {_path(weights)}",
    ]
    go = go_template(template, begin=begin, runner_begins=runner_begins, merged=merged)
    lines += ["", f'TEMPLATE """{go}"""']
    if (system := default_system(template)) is not None:
        lines += ["", f"SYSTEM {_text(system)}"]
    lines.append("")
    config = config_numbers(document)
    if context is not None and "max_length" in config:
        config["max_length"] = min(int(config["max_length"]), context)
    lines += [f"PARAMETER {_PARAMETERS[key]} {config[key]}" for key in _PARAMETERS if key in config]
    lines += [f"PARAMETER stop {_text(stop)}" for stop in stops]
    if licence:
        # What Ollama would drop of it (form feeds between pages) is dropped here, for all to see.
        licence_text = "".join(c for c in licence if _printable(c)).replace('"""', '"')
        lines += ["", f'LICENSE """{licence_text}"""']
    return "\n".join(lines) + "\n"


def _printable(character: str) -> bool:
    return character.isprintable() or character in "\n\t\r"


def _text(text: str) -> str:
    if '"""' in text or text[:1] == '"' or text[-1:] == '"' or not all(map(_printable, text)):
        raise TemplateRefused(
            "A text of the template holds characters that Ollama's Modelfile cannot carry.",
            hint="Use --target bundle or vllm, which keep the chat template itself.",
        )
    return f'"""{text}"""'


def _path(path: Path) -> str:
    text = str(path)
    if not text.isprintable() or text != text.strip() or '"' in text:
        raise InputRefused(
            f"Ollama's Modelfile cannot carry the path {shown_path(path)}.",
            hint="Move the folder to a path of plain characters.",
        )
    return text


def read_modelfile(text: str) -> list[tuple[str, str]]:
    """Return the commands of a Modelfile that `write_modelfile` wrote, as Ollama reads them: `(name, value)`.

    A PARAMETER's name is the parameter's own, as there.

    Raises:
        TemplateRefused: Ollama would not read it.
    """
    return list(_commands(text))


def _commands(text: str) -> Iterator[tuple[str, str]]:
    rest = text
    while rest := rest.lstrip(" \t\r\n"):
        if rest.startswith("#"):
            rest = rest.partition("\n")[2]
            continue
        name, _, rest = rest.partition(" ")
        name = name.lower()
        if name not in _COMMANDS:
            raise TemplateRefused("This is no Modelfile that Ollama would read.")
        if name == "parameter":
            name, _, rest = rest.partition(" ")
        value, rest = _value(rest)
        yield name, value


def _value(rest: str) -> tuple[str, str]:
    """Return the value that begins `rest`, and what follows: it ends at the first line break where it is whole."""
    end = 0
    while True:
        end = rest.find("\n", end)
        line = rest if end < 0 else rest[:end]
        text = "".join(c for c in line if _printable(c)).strip()
        if (unquoted := _unquoted(text)) is not None:
            return unquoted, "" if end < 0 else rest[end:]
        if end < 0:
            raise TemplateRefused("A text in the Modelfile does not end.")
        end += 1


def _unquoted(value: str) -> str | None:
    for quote in ('"""', '"'):
        if value.startswith(quote):
            whole = len(value) >= 2 * len(quote) and value.endswith(quote)
            return value[len(quote) : -len(quote)] if whole else None
    return value
