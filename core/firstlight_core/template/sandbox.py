"""The immutable Jinja sandbox in which chat templates render; no loader, no attributes that reach Python."""

import json
from datetime import datetime
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class GenerationBlock(Extension):
    """`{% generation %}` marks the assistant's tokens for training; for a prompt its body is all that counts."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the unparsed body."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def make_environment() -> ImmutableSandboxedEnvironment:
    """Return the sandbox with the block rules and tags of transformers; enough to parse a template."""
    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationBlock]
    )


def compile_template(source: str, *, now: datetime | None = None) -> Template:
    """Compile a chat template with the settings and functions that transformers gives it.

    Raises:
        jinja2.TemplateSyntaxError: with its line.
    """
    environment = make_environment()

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def strftime_now(pattern: str) -> str:
        return (now or datetime.now()).strftime(pattern)

    def tojson(value: Any, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    try:
        return environment.from_string(source)
    except SyntaxError as error:
        # Jinja writes Python and lets Python find some faults, `{% break %}` outside of a loop among them. The line
        # is one of the Python it wrote, so it is not told.
        raise TemplateSyntaxError(str(error.msg), 0) from error
