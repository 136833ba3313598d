"""Prompts on the screen: template text apart from messages, and every token in its own colour."""

import difflib
import re
from collections.abc import Sequence

from textual.content import Content

from firstlight_core.documents.inference import RenderedPrompt
from firstlight_core.documents.template import PreviewToken
from firstlight_tui.widgets.words import part

TOKENS_SHOWN = 400
_COLOURS = ("$text-primary on $primary-muted", "$text-secondary on $secondary-muted")
_WORD = re.compile(r"<[^<>\s]{1,60}>|\\[ntr\\]|\w+|\s+|.", re.S)
"""Pieces that change as a whole: a special token, an escape, a word."""
_SPECIAL = "bold $text-accent on $accent-muted"
_CONTROL = re.compile(r"(<[^<>\s]{1,60}>|\[/?[A-Z]{2,20}\])")
"""Anything that looks like a control token in a template's own text: `<|im_end|>`, `<s>`, `[INST]`."""
ROLE_COLOURS = {
    "system": "$text-warning",
    "user": "bold $text-secondary",
    "assistant": "bold $text-success",
}


def seen(text: str) -> str:
    """Return a text whose newlines and tabs can be seen; the line still breaks."""
    return text.replace("\t", "→\t").replace("\n", "↵\n")


def prompt_content(segments: Sequence[tuple[str, str]]) -> Content:
    """`(text, role)` pieces of a prompt: control tokens stand out, messages have their role's colour."""
    pieces = []
    for text, role in segments:
        if role:
            pieces.append(part(seen(text), ROLE_COLOURS.get(role, "$foreground")))
            continue
        for index, run in enumerate(_CONTROL.split(text)):
            style = _SPECIAL if index % 2 else "$foreground-muted"
            pieces.append(part(seen(run), style))
    return Content.assemble(*pieces)


def legend_content() -> Content:
    """Legend of the colours of a rendered prompt."""
    pieces = [part("control token", _SPECIAL)]
    for role, style in ROLE_COLOURS.items():
        pieces += [part("  "), part(role, style)]
    return Content.assemble(*pieces)


def tokens_content(tokens: Sequence[PreviewToken], *, first: int = 0) -> Content:
    """Tokens side by side in turning colours; special tokens stand out."""
    pieces = []
    for index, token in enumerate(tokens[:TOKENS_SHOWN], start=first):
        style = _SPECIAL if token["special"] else _COLOURS[index % 2]
        pieces.append(part(seen(token["text"] or f"<{token['id']}>"), style))
    if len(tokens) > TOKENS_SHOWN:
        pieces.append(part(f" … {len(tokens) - TOKENS_SHOWN} more", "$foreground-muted"))
    return Content.assemble(*pieces)


def prompt_tokens_content(rendered: RenderedPrompt) -> Content:
    """Return a rendered prompt: its tokens side by side, then one a line with its number."""
    special = set(rendered["special_ids"])
    tokens: list[PreviewToken] = [
        {"id": number, "text": text, "special": number in special}
        for number, text in zip(rendered["ids"], rendered["pieces"], strict=True)
    ]
    lines = [
        part("The colour turns with each token; control tokens stand out.\n", "$foreground-muted")
    ]
    if control := rendered.get("special_in_content"):
        how = (
            "was typed and is read as text"
            if rendered.get("special_as_text")
            else "was typed and works as a control token"
        )
        lines.append(part(f"{', '.join(control)} {how}.\n", "$text-warning"))
    rows = [
        part(f"\n{number:5d}  {token['id']:7d}  {token['text']!r}", "$foreground")
        for number, token in enumerate(tokens[:TOKENS_SHOWN])
    ]
    return Content.assemble(
        *lines,
        "\n",
        tokens_content(tokens),
        part("\n\nplace       id  text", "$foreground-muted"),
        *rows,
    )


def walk_content(pieces: Sequence[str], centre: int, *, before: int, after: int) -> Content:
    """Return the tokens around one index, which is in reverse video."""
    parts = []
    for index in range(max(0, centre - before), min(len(pieces), centre + after)):
        style = "bold reverse $text-accent" if index == centre else _COLOURS[index % 2]
        parts.append(part(seen(pieces[index]) or "·", style))
    return Content.assemble(part("… " if centre > before else ""), *parts)


def change_content(before: str, after: str) -> Content:
    """Text only in `before` is struck out in red, text only in `after` is green."""
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


def token_rows_content(tokens: Sequence[PreviewToken]) -> Content:
    """One token a line: its place, its id, its text."""
    lines = [Content.styled("place     id  text", "$foreground-muted")]
    for place, token in enumerate(tokens[:TOKENS_SHOWN], start=1):
        style = _SPECIAL if token["special"] else "$foreground"
        text = token["text"].replace("\t", "→").replace("\n", "↵")
        lines.append(
            Content.assemble(
                part(f"{place:5d} {token['id']:6d}  ", "$foreground-muted"), part(text, style)
            )
        )
    return Content("\n").join(lines)
