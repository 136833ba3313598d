"""Prompts on the screen: what the template writes told from what is said, and every token in its own colour."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from firstlight_tui.widgets.words import part

TOKENS_SHOWN = 400
_COLOURS = ("$text-primary on $primary-muted", "$text-secondary on $secondary-muted")
_WORD = re.compile(r"<[^<>\s]{1,60}>|\\[ntr\\]|\w+|\s+|.", re.S)
"""What changes as one: a special token, an escape, a word."""
_SPECIAL = "bold $text-accent on $accent-muted"


def seen(text: str) -> str:
    """A text whose newlines and tabs can be seen; the line still breaks."""
    return text.replace("\t", "→\t").replace("\n", "↵\n")


def prompt_content(segments: Sequence[tuple[str, str]]) -> Content:
    """`(text, role)` pieces of a prompt: the template's own muted, what is said in the speaker's colour."""
    colours = {
        "": "$foreground-muted",
        "system": "$text-warning",
        "user": "bold $text-secondary",
        "assistant": "bold $text-primary",
    }
    return Content.assemble(
        *(part(seen(text), colours.get(role, "$foreground")) for text, role in segments)
    )


def tokens_content(tokens: Sequence[Mapping[str, Any]], *, first: int = 0) -> Content:
    """Tokens side by side in turning colours; special tokens stand out."""
    pieces = []
    for index, token in enumerate(tokens[:TOKENS_SHOWN], start=first):
        style = _SPECIAL if token.get("special") else _COLOURS[index % 2]
        pieces.append(part(seen(str(token.get("text") or f"<{token.get('id')}>")), style))
    if len(tokens) > TOKENS_SHOWN:
        pieces.append(part(f" … {len(tokens) - TOKENS_SHOWN} more", "$foreground-muted"))
    return Content.assemble(*pieces)


def change_content(before: str, after: str) -> Content:
    """What stands only in `before` struck out in red, what stands only in `after` in green."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    pieces = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(part("".join(old[a:b]), "$foreground-muted"))
            continue
        if b > a:
            pieces.append(part("".join(old[a:b]), "strike $text-error on $error-muted"))
        if d > c:
            pieces.append(part("".join(new[c:d]), "bold $text-success on $success-muted"))
    return Content.assemble(*pieces)
