"""The manual page, written from the table of verbs: `python -m firstlight_tui.commands.manual FILE` (`make manual`)."""

import sys
from pathlib import Path

from firstlight_tui.commands import whole_cli
from firstlight_tui.commands.guide import EXAMPLES, exit_codes
from firstlight_tui.commands.syntax import Option, VerbSyntax, command_line_syntax

_HEAD = r""".TH FIRSTLIGHT 1 "" "Firstlight" "User Commands"
.SH NAME
firstlight \- the first deployment of a fine\-tuned small language model
.SH SYNOPSIS
.B firstlight
[\fIFOLDER\fR | \fIOWNER/NAME\fR]
.br
.B firstlight
\fIVERB\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]
.SH DESCRIPTION
Without a verb the wizard opens: ten steps from the environment to the summary.
Each verb does one of these steps without a screen.
With \fB\-\-json\fR it prints one JSON document on standard output; everything else goes to standard error.
"""
_ENVIRONMENT = (
    ("NO_COLOR", "No colour."),
    ("FIRSTLIGHT_ASCII", "Draw with ASCII characters only."),
    ("FIRSTLIGHT_HOME", "The folder of everything that Firstlight keeps."),
    ("FIRSTLIGHT_API_KEY", "The key for a server that wants one."),
)


def manual_page() -> str:
    """Return the page in roff."""
    root, *verbs = command_line_syntax(whole_cli())
    parts = [_HEAD, ".SH OPTIONS\n", *map(_option, root.options), ".SH VERBS\n", *map(_verb, verbs)]
    parts.append(".SH EXIT STATUS\n")
    codes = {**exit_codes(""), 3: "The toolchain is missing or broken."}
    parts += [_entry(_bold(str(code)), words) for code, words in sorted(codes.items())]
    parts.append(".SH ENVIRONMENT\n")
    parts += [_entry(_bold(name), words) for name, words in _ENVIRONMENT]
    return "".join(parts)


def _verb(verb: VerbSyntax) -> str:
    lines = [f".SS firstlight {verb.name} {_escaped(verb.usage)}".rstrip() + "\n"]
    lines.append(_escaped(verb.help) + "\n")
    lines += map(_option, verb.options)
    if examples := EXAMPLES.get(verb.name):
        lines.append(".PP\nExamples:\n")
        lines += [_entry(_bold(command), words) for command, words in examples]
    return "".join(lines)


def _option(option: Option) -> str:
    names = ", ".join(map(_bold, option.names))
    what = "VALUE" if option.kind == "text" else option.kind.upper()
    value = "" if option.kind == "nothing" else rf" \fI{what}\fR"
    return _entry(names + value, option.help)


def _entry(term: str, words: str) -> str:
    return f".TP\n{term}\n{_escaped(words)}\n"


def _bold(text: str) -> str:
    return rf"\fB{_escaped(text)}\fR"


def _escaped(text: str) -> str:
    """Text of which roff obeys nothing."""
    escaped = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(manual_page(), encoding="utf-8")
