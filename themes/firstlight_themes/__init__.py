"""Textual themes of the wizard: one TOML file each, here and in the user's own folder.

A theme file holds the fields of `textual.theme.Theme` and a table `variables` of its CSS variables.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import read_limited
from firstlight_core.text import one_line, shown_path

DEFAULT_THEME = "firstlight"
_LIMIT = 64 * 2**10
_MOST = 50
"""User themes that are read; a folder with more is not a folder of themes."""

_COLOURS = (
    *("primary", "secondary", "warning", "error", "success", "accent"),
    *("foreground", "background", "surface", "panel", "boost"),
)
_TEXT_STYLES = {
    *("none", "bold", "b", "italic", "i", "underline", "u", "reverse", "r"),
    *("dim", "d", "not", "strike", "s", "overline", "o"),
}
_VARIABLES = frozenset(Theme("any", "#808080").to_color_system().generate())


@dataclass(frozen=True, slots=True)
class ThemeFailure:
    """A theme file that could not be used, and why, in one line."""

    path: str
    reason: str


def load_themes(
    user_folder: Path | None = None,
) -> tuple[tuple[Theme, ...], tuple[ThemeFailure, ...]]:
    """The shipped themes, the default first, then the user's; a broken user theme is a failure, not an error.

    A user's theme with the name of a shipped one takes its place.
    """
    shipped = [
        parse_theme(path.read_bytes(), path.name)
        for path in sorted(files(__name__).iterdir(), key=_name)
        if path.name.endswith(".toml")
    ]
    themes = {theme.name: theme for theme in sorted(shipped, key=lambda t: t.name != DEFAULT_THEME)}
    failures: list[ThemeFailure] = []
    for path in _user_files(user_folder):
        try:
            theme = parse_theme(read_limited(path, limit=_LIMIT), path.name)
        except FirstlightError as error:
            failures.append(ThemeFailure(shown_path(path), str(error)))
        else:
            themes[theme.name] = theme
    return tuple(themes.values()), tuple(failures)


def _name(path: Traversable) -> str:
    return path.name


def _user_files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    try:
        return sorted(folder.glob("*.toml"))[:_MOST]
    except OSError:
        return []


def parse_theme(raw: bytes, file_name: str) -> Theme:
    """Read one theme file.

    Raises:
        InputRefused: it is no TOML, or a key or value in it is not usable; the message names it.
    """
    label = one_line(file_name, 60)
    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{label} is not valid TOML: {one_line(str(error), 120)}.") from error
    known = {field.name for field in fields(Theme)} - {"ansi"}
    if unknown := sorted(document.keys() - known):
        raise InputRefused(f"{label}: there is no theme key {one_line(unknown[0], 40)!r}.")
    name = document.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise InputRefused(f"{label}: `name` must be lower-case letters, digits and hyphens.")
    if "primary" not in document:
        raise InputRefused(f"{label}: `primary` is missing.")
    _check_values(document, label)
    try:
        theme = Theme(**document)
        theme.to_color_system().generate()
    except (ValueError, TypeError, AttributeError) as error:
        raise InputRefused(f"{label} is no usable theme: {one_line(str(error), 120)}.") from error
    return theme


def _check_values(document: dict[str, Any], label: str) -> None:
    for key in _COLOURS:
        if key in document and not _is_colour(document[key], keywords=False):
            raise InputRefused(f"{label}: `{key}` is no colour; write it as #RRGGBB.")
    if not isinstance(document.get("dark", True), bool):
        raise InputRefused(f"{label}: `dark` must be true or false.")
    for key in ("luminosity_spread", "text_alpha"):
        value = document.get(key, 0.5)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputRefused(f"{label}: `{key}` must be a number between 0 and 1.")
    variables = document.get("variables", {})
    if not isinstance(variables, dict):
        raise InputRefused(f"{label}: `variables` must be a table.")
    for key, value in variables.items():
        if key not in _VARIABLES:
            raise InputRefused(f"{label}: there is no theme variable {one_line(key, 40)!r}.")
        # A value ends up in the style sheet: whatever is not plainly a colour or a style would break all of it.
        usable = _is_style(value) if "style" in key else _is_colour(value)
        if not usable:
            raise InputRefused(f"{label}: `variables.{key}` is not usable here.")


def _is_style(value: Any) -> bool:
    return isinstance(value, str) and bool(value.split()) and set(value.split()) <= _TEXT_STYLES


def _is_colour(value: Any, *, keywords: bool = True) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"[#A-Za-z0-9]+( \d{1,3}%)?", value):
        return False
    word, _, percent = value.partition(" ")
    if word in ("auto", "transparent", "initial"):
        return keywords
    if percent and not keywords:
        return False
    try:
        Color.parse(word)
    except ColorParseError:
        return False
    return True
