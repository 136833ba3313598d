"""The date that a chat template writes by itself (`strftime_now`), and the same date frozen in a PromptTemplate.

Llama 3.2, gpt-oss, Mistral Small and Granite tell the model what day it is. A PromptTemplate is plain text: what is derived
from such a template today holds today's date, and tomorrow it is yesterday's.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import datetime

_COMMON = ("%d %b %Y", "%Y-%m-%d", "%B %d, %Y", "%d %B %Y")
"""Where the template computes the format."""
_NUMBERS = {"d": 2, "m": 2, "y": 2, "Y": 4, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3}
_NAMES = {
    "b": calendar.month_abbr[1:],
    "B": calendar.month_name[1:],
    "a": list(calendar.day_abbr),
    "A": list(calendar.day_name),
    "p": ["AM", "PM"],
}
_DIRECTIVE = re.compile(r"%(-?)([A-Za-z%])")


def date_formats(template: str) -> tuple[str, ...]:
    """Return the formats in which a chat template writes the current time; empty when it does not."""
    if "strftime_now" not in template:
        return ()
    from jinja2 import TemplateSyntaxError, nodes

    from firstlight_core.template.sandbox import make_environment

    try:
        tree = make_environment().parse(template)
    except (TemplateSyntaxError, RecursionError):
        return ()
    formats: list[str] = []
    for call in tree.find_all(nodes.Call):
        if not isinstance(call.node, nodes.Name) or call.node.name != "strftime_now":
            continue
        given = call.args[0] if call.args else None
        if isinstance(given, nodes.Const) and isinstance(given.value, str):
            formats.append(given.value)
        else:
            formats.extend(_COMMON)
    return tuple(dict.fromkeys(formats))


def dates_in(text: str, formats: tuple[str, ...]) -> list[str]:
    """Return the stretches of a text that are dates in one of these formats."""
    return [match[0] for form in formats for match in _pattern(form).finditer(text)]


def with_today(
    fields: Mapping[str, str], formats: tuple[str, ...], *, now: datetime | None = None
) -> dict[str, str]:
    """Return a PromptTemplate with its frozen dates made today's, as the chat template would write it now."""
    moment = now or datetime.now()

    def renewed(text: str) -> str:
        for form in formats:
            today = moment.strftime(form).replace("\\", r"\\")
            text = _pattern(form).sub(today, text)
        return text

    return {name: renewed(text) for name, text in fields.items()} if formats else dict(fields)


def _pattern(form: str) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    for match in _DIRECTIVE.finditer(form):
        parts.append(re.escape(form[at : match.start()]))
        at = match.end()
        letter = match[2]
        if letter in _NAMES:
            parts.append("(?:" + "|".join(map(re.escape, _NAMES[letter])) + ")")
        elif letter in _NUMBERS:
            parts.append(
                rf"\d{{1,{_NUMBERS[letter]}}}" if match[1] else rf"\d{{{_NUMBERS[letter]}}}"
            )
        else:
            parts.append("%" if letter == "%" else r"[^\n]{1,24}?")
    parts.append(re.escape(form[at:]))
    return re.compile(r"(?<!\d)" + "".join(parts) + r"(?!\d)") if at else re.compile("(?!)")


def date_notes(fields: Mapping[str, str], formats: tuple[str, ...]) -> list[str]:
    """Return at most one note on a PromptTemplate whose chat template writes the date."""
    if not formats:
        return []
    return frozen_date_notes(fields, formats) or [
        "The chat template writes the current date into every prompt."
    ]


def frozen_date_notes(fields: Mapping[str, str], formats: tuple[str, ...]) -> list[str]:
    """Return a sentence when a PromptTemplate holds as text a date that the chat template writes anew every day."""
    frozen = [date for text in fields.values() for date in dates_in(text, formats)]
    return [
        "The chat template writes the current date into every prompt; PromptTemplate cannot, and holds "
        f"`{date}` as text. Runtimes that read the chat template have the right day, others keep this one."
        for date in frozen[:1]
    ]
