"""The whole command line as data: what completion and the manual are written from."""

from dataclasses import dataclass
from typing import Literal

import typer
from typer.core import TyperOption

from firstlight_core.artifact.model_caches import CACHES
from firstlight_core.conversion.plan import METHODS
from firstlight_core.deploy.targets import deploy_targets
from firstlight_core.foundry.service import snippets
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.template.presets import PRESETS, TOKENIZER

ValueKind = Literal["nothing", "text", "folder", "file"]
"""The value of an option or argument."""

_VALUES: dict[str, tuple[str, ...]] = {
    "--precision": tuple(row.key for row in PRECISIONS),
    "--method": METHODS,
    "--preset": (TOKENIZER, *(preset.key for preset in PRESETS)),
    "--target": deploy_targets(),
    "--cache": tuple(CACHES),
    "--client": tuple(snippets("", "")),
}
_FOLDERS = {"--output", "--base", "--reference", "--source"}
_FILES = {
    "--prompts",
    "--text",
    "--config",
    "--calibration",
    "--set",
    "--template",
    "--json-schema",
}
_ARGUMENTS: dict[str, tuple[ValueKind, tuple[str, ...]]] = {
    "inspect": ("folder", ("sample",)),
    "convert": ("folder", ("sample",)),
    "tune": ("folder", ("sample",)),
    "template": ("folder", ()),
    "deploy": ("folder", ()),
    "serve": ("folder", ()),
    "chat": ("folder", ()),
    "bench": ("folder", ()),
    "quality": ("folder", ()),
    "report": ("folder", ("last",)),
    "run": ("file", ()),
    "verify": ("file", ()),
}
"""Verb → what its argument is, and words that it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a verb, or of `firstlight` itself."""

    names: tuple[str, ...]
    help: str
    kind: ValueKind
    values: tuple[str, ...] = ()
    """The only values that it takes; empty where any text will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbSyntax:
    """One verb: its options, and what its argument is. An empty name is `firstlight` without a verb."""

    name: str
    help: str
    usage: str
    """The arguments, as usage shows them."""
    options: tuple[Option, ...]
    kind: ValueKind
    words: tuple[str, ...]


def command_line_syntax(cli: typer.Typer) -> tuple[VerbSyntax, ...]:
    """Return `firstlight` itself, and each verb of a whole command line in its order."""
    root = typer.main.get_command(cli)
    assert isinstance(root, typer.core.TyperGroup)
    commands = [("", root), *root.commands.items()]
    found = []
    for name, command in commands:
        context = typer.Context(command, info_name="firstlight")
        kind, words = _ARGUMENTS.get(name, ("nothing", ()))
        pieces = [
            piece for p in command.get_params(context) for piece in p.get_usage_pieces(context)
        ]
        options = tuple(_option(p) for p in command.params if isinstance(p, TyperOption))
        found.append(
            VerbSyntax(
                name=name,
                help=command.help or "",
                usage=" ".join(pieces),
                options=(
                    *options,
                    Option(names=("-h", "--help"), help="Show help.", kind="nothing"),
                ),
                kind=kind,
                words=words,
            )
        )
    return tuple(found)


def _option(option: TyperOption) -> Option:
    names = (*option.opts, *option.secondary_opts)
    known = next((values for name, values in _VALUES.items() if name in names), ())
    kind: ValueKind = "text"
    if option.is_flag:
        kind = "nothing"
    elif _FOLDERS & set(names):
        kind = "folder"
    elif _FILES & set(names):
        kind = "file"
    return Option(names=names, help=option.help or "", kind=kind, values=known)
