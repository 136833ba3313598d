"""The settings: what a person chose once, in `settings.toml` of the configuration folder.

A flag wins over the environment, the environment over the file. A wrong value counts as absent and is one sentence that
names the file, the line and the setting.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import read_limited, write_whole
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds
from firstlight_core.paths import SETTINGS_FILE, Paths, expanded, find_paths
from firstlight_core.precision.table import DEFAULT_PRECISION, precision_key
from firstlight_core.settings_table import (
    ALERT_SETTINGS,
    MONITORS,
    SETTINGS,
    SettingName,
    SettingRow,
)
from firstlight_core.text import one_line, shown_path

KEYS = "keys"
_LIMIT = 2**18
_HEAD = """\
# Firstlight's settings. A flag or an environment variable (FIRSTLIGHT_THEME …) wins over this file.
"""
_TABLE = re.compile(r"\s*\[+\s*([^\[\]]+?)\s*\]+\s*(?:#.*)?")
_LINE_OF_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=""")
_WHOLE_LINE = re.compile(
    r"""(\s*["']?[A-Za-z_.-]+["']?\s*=\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|\d+)(\s*(?:#.*)?)"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in effect."""

    values: Mapping[SettingName, str] = field(default_factory=dict)
    """The chosen settings; an absent one has its default."""
    from_environment: frozenset[SettingName] = frozenset()
    """Settings whose environment variable wins over the file."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Id of a key → the keys that take its place."""

    @property
    def precision(self) -> str:
        """The precision to begin with."""
        return self.values.get("precision", DEFAULT_PRECISION)

    @property
    def models(self) -> Path | None:
        """The folder of models; None when none was chosen."""
        return expanded(text) if (text := self.values.get("models")) else None

    @property
    def monitor(self) -> str:
        """Amount of the machine that a step shows; one of `MONITORS`."""
        return self.values.get("monitor", MONITORS[0])

    @property
    def thresholds(self) -> AlertThresholds:
        """The figures above which the monitor warns."""
        thresholds = ALERT_THRESHOLDS.copy()
        for figure, name in ALERT_SETTINGS.items():
            if (value := self.values.get(name)) is not None:
                thresholds[figure] = int(value)
        return thresholds


def load_settings(
    paths: Paths | None = None, environ: Mapping[str, str] = os.environ
) -> tuple[Settings, tuple[InputRefused, ...]]:
    """Return what counts now, and a mistake for each value that does not."""
    file = (paths or find_paths()).settings
    mistakes: list[InputRefused] = []
    values: dict[SettingName, str] = {}
    document: Mapping[str, object] = {}
    lines: Mapping[str, int] = {}
    text = ""
    try:
        text = _read(file)
        document, lines = tomllib.loads(text), _lines(text)
    except InputRefused as error:
        mistakes.append(error)
    except tomllib.TOMLDecodeError as error:
        mistakes.append(_no_toml(error, text))

    def wrong(key: str, what: str) -> None:
        line = lines.get(key)
        where = f"{file.name}, line {line}" if line is not None else file.name
        mistakes.append(
            InputRefused(
                f"{where}: `{one_line(key, 60)}` {what}.",
                hint=f"Correct it in {shown_path(file)}, or in the wizard's settings.",
                field=key,
                line=line,
            )
        )

    for row in SETTINGS:
        if row.name not in document:
            continue
        value = _as_text(row, document[row.name])
        if value is None and not row.is_number:
            wrong(row.name, "must be a text")
        elif (problem := row.problem(value or "")) is not None:
            wrong(row.name, problem)
        else:
            values[row.name] = value or ""
    known = [*(row.name for row in SETTINGS), KEYS]
    for key in document.keys() - set(known):
        wrong(key, f"is no setting; known are: {', '.join(known)}")
    keys = dict(_keys(document.get(KEYS, {}), wrong))
    chosen = _of_environment(environ, mistakes)
    counting = {**values, **chosen}
    if (named := counting.get("precision")) is not None:
        counting["precision"] = precision_key(named)
    settings = Settings(values=counting, from_environment=frozenset(chosen), keys=keys)
    return settings, tuple(mistakes)


def _as_text(row: SettingRow, value: object) -> str | None:
    """A value of the file; None when it has another type."""
    if row.is_number:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else None


def _of_environment(
    environ: Mapping[str, str], mistakes: list[InputRefused]
) -> dict[SettingName, str]:
    chosen: dict[SettingName, str] = {}
    for row in SETTINGS:
        if not (value := environ.get(row.variable)):
            continue
        if (problem := row.problem(value)) is None:
            chosen[row.name] = value
        else:
            mistakes.append(
                InputRefused(
                    f"The environment variable {row.variable} {problem}.",
                    hint="Correct it or unset it.",
                    field=row.variable,
                )
            )
    return chosen


def _keys(
    table: object, wrong: Callable[[str, str], None], above: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the keys; `app.quit` without quotes is a table in a table to TOML."""
    if not isinstance(table, dict):
        wrong(above or KEYS, "must be a table of texts")
        return
    for name, value in table.items():
        id = f"{above}.{name}" if above else str(name)
        if isinstance(value, dict):
            yield from _keys(value, wrong, id)
        elif isinstance(value, str) and value.strip():
            yield id, value
        else:
            wrong(f"{KEYS}.{id}", 'must be a key, such as "ctrl+x"')


def default_precision() -> str:
    """Return the precision to begin with."""
    return load_settings()[0].precision


def _opened(paths: Paths | None) -> tuple[Path, str, dict[str, Any]]:
    """Return the settings file, its text and what it says.

    Raises:
        InputRefused: it is no TOML, so that writing it would lose what it says.
    """
    file = (paths or find_paths()).settings
    text = _read(file)
    try:
        return file, text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(error, text) from error


def change_settings(changes: Mapping[SettingName, str | None], paths: Paths | None = None) -> Path:
    """Write settings; None takes one away. Comments and other lines stay as they are.

    Raises:
        InputRefused: the file is no TOML, so that writing it would lose what it says.
        StateProblem: it cannot be written.
    """
    file, text, document = _opened(paths)
    if not text.strip():
        text = _HEAD
    numbers = {row.name for row in SETTINGS if row.is_number}
    for name, value in changes.items():
        document.pop(name, None)
        written: str | int | None = int(value) if value and name in numbers else value
        if written is not None:
            document[name] = written
        text = _edited(text, name, written)
    return _write(file, text, tomli_w.dumps(document))


def change_keys(changes: Mapping[str, str | None], paths: Paths | None = None) -> Path:
    """Write keys of the wizard: id → the keys that take its place; None takes one back.

    Raises:
        InputRefused: the file is no TOML, so that writing it would lose what it says.
        StateProblem: it cannot be written.
    """
    file, text, document = _opened(paths)
    keys = dict(_keys(document.get(KEYS, {}), lambda key, problem: None))
    if f"[{KEYS}]" not in text and any(changes.values()):
        text = f"{text.rstrip() or _HEAD.rstrip()}\n\n[{KEYS}]\n".lstrip()
    for id, value in changes.items():
        keys.pop(id, None)
        if value is not None:
            keys[id] = value
        text = _edited(text, id, value, table=KEYS)
    document[KEYS] = keys
    return _write(file, text, tomli_w.dumps(document))


def _write(file: Path, edited: str, whole: str) -> Path:
    """Write the edited text; where it does not mean the same as the whole one, that one."""
    write_whole(file, edited if _meaning(edited) == _meaning(whole) else _HEAD + whole)
    return file


def _meaning(text: str) -> str:
    """Return the text without comments, order and ways to write a key; empty when it is no TOML."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return ""
    keys = dict(_keys(document.pop(KEYS, {}), lambda key, problem: None))
    return json.dumps([document, keys], sort_keys=True, default=str)


def _edited(text: str, name: str, value: str | int | None, *, table: str = "") -> str:
    """The text with another value of a top-level name, or of a name in a table that it has."""
    lines = text.splitlines()
    headers = [i for i, line in enumerate(lines) if line.lstrip().startswith("[")]
    begin = 0
    if table:
        begin = next((i + 1 for i in headers if lines[i].strip() == f"[{table}]"), len(lines))
    end = next((i for i in headers if i >= begin), len(lines))
    written = json.dumps(value, ensure_ascii=False)
    key = json.dumps(name) if table else name
    for number, line in enumerate(lines[begin:end], start=begin):
        if (match := _LINE_OF_KEY.match(line)) is None or match[1].strip("\"'") != name:
            continue
        whole = _WHOLE_LINE.fullmatch(line)
        kept = [f"{whole[1]}{written}{whole[2]}" if whole else f"{key} = {written}"]
        lines[number : number + 1] = kept if value is not None else []
        break
    else:
        if value is not None:
            while end > begin and not lines[end - 1].strip():
                end -= 1
            lines.insert(end, f"{key} = {written}")
    return "\n".join(lines) + "\n"


def _read(file: Path) -> str:
    """Return the text of the file; empty when there is none."""
    if not os.path.lexists(file):
        return ""
    try:
        return read_limited(file, limit=_LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(f"{file.name} is not UTF-8 text.", hint="Save it as UTF-8.") from error
    except FirstlightError as error:
        raise InputRefused(f"{file.name} cannot be read: {error}", hint=error.hint) from error


def _no_toml(error: tomllib.TOMLDecodeError, text: str) -> InputRefused:
    place = re.search(r"line (\d+)", str(error))
    # The parser names no line for what is missing at the end.
    line = int(place[1]) if place else max(1, len(text.splitlines()))
    return InputRefused(
        f"{SETTINGS_FILE}, line {line}: not valid TOML, so none of it counts: {one_line(str(error), 120)}.",
        hint="Correct that line.",
        line=line,
    )


def _lines(text: str) -> dict[str, int]:
    """Return the line of each key, its table in front."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if (header := _TABLE.fullmatch(line)) is not None:
            table = f"{header[1]}."
            found.setdefault(header[1], number)
        elif (key := _LINE_OF_KEY.match(line)) is not None:
            found.setdefault(table + key[1].strip("\"'"), number)
    return found
