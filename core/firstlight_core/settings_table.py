"""The table of settings: what a person can choose once, and what is wrong with a value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from firstlight_core.documents.settings_file import Monitor
from firstlight_core.errors import UsageError
from firstlight_core.monitor import ALERT_THRESHOLDS
from firstlight_core.paths import OUTPUT_VARIABLE, expanded
from firstlight_core.precision.table import PRECISIONS, find_precision

SettingName = Literal[
    "theme",
    "models",
    "output",
    "precision",
    "monitor",
    "alert_response_ms",
    "alert_errors_percent",
    "alert_memory_percent",
    "alert_cpu_percent",
]
AlertFigure = Literal[
    "response_time_ms", "error_rate_percent", "memory_usage_percent", "cpu_usage_percent"
]
MONITORS: tuple[str, ...] = get_args(Monitor)


def _any_name(text: str) -> str | None:
    return None if text.strip() else "is empty"


def _folder(text: str) -> str | None:
    if "\0" in text or not expanded(text).is_absolute():
        return "must be a whole path, such as ~/models"
    return None


def _precision(text: str) -> str | None:
    try:
        find_precision(text)
    except UsageError as error:
        return f"names no precision: {error.with_hint}".rstrip(" .")
    return None


def _monitor(text: str) -> str | None:
    return None if text in MONITORS else f"must be one of: {', '.join(MONITORS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting."""

    name: SettingName
    title: str
    help: str
    variable: str
    """The environment variable that wins over the file."""
    problem: Callable[[str], str | None]
    """Return the fault of a value as the end of a sentence; None for a valid one."""
    choices: tuple[str, ...] = ()
    """The values that there are; empty where any text will do."""
    unit: str = ""
    """Of a whole number; empty for a text."""
    default: str = ""
    """Value where none was chosen; empty where it depends on the machine."""

    @property
    def is_number(self) -> bool:
        """True if the file holds a whole number, not a text."""
        return bool(self.unit)


def _whole_number(least: int, most: int) -> Callable[[str], str | None]:
    def problem(text: str) -> str | None:
        if text.strip().isascii() and text.strip().isdigit() and least <= int(text) <= most:
            return None
        return f"must be a whole number from {least} to {most}"

    return problem


ALERT_SETTINGS: Mapping[AlertFigure, SettingName] = {
    "response_time_ms": "alert_response_ms",
    "error_rate_percent": "alert_errors_percent",
    "memory_usage_percent": "alert_memory_percent",
    "cpu_usage_percent": "alert_cpu_percent",
}
"""Threshold → the setting that changes it."""


def _alert(figure: AlertFigure, title: str, help: str, unit: str, most: int) -> SettingRow:
    name, default = ALERT_SETTINGS[figure], ALERT_THRESHOLDS[figure]
    return SettingRow(
        name=name,
        title=title,
        help=f"{help} The course says {default} {unit}.",
        variable=f"FIRSTLIGHT_{name.upper()}",
        problem=_whole_number(1, most),
        unit=unit,
        default=str(default),
    )


SETTINGS: tuple[SettingRow, ...] = (
    SettingRow(
        name="theme",
        title="Theme",
        help="Colours of the wizard.",
        variable="FIRSTLIGHT_THEME",
        problem=_any_name,
    ),
    SettingRow(
        name="precision",
        title="Precision",
        help="Marked first in the wizard, and made when a command names none.",
        variable="FIRSTLIGHT_PRECISION",
        problem=_precision,
        choices=tuple(row.key for row in PRECISIONS),
    ),
    SettingRow(
        name="models",
        title="Models",
        help="A folder of models: the Model step lists them, and commands find them by name.",
        variable="FIRSTLIGHT_MODELS",
        problem=_folder,
    ),
    SettingRow(
        name="output",
        title="Output",
        help="New runs go here: artifacts, reports, run.toml.",
        variable=OUTPUT_VARIABLE,
        problem=_folder,
    ),
    SettingRow(
        name="monitor",
        title="Monitor",
        help="How much of the machine each step shows.",
        variable="FIRSTLIGHT_MONITOR",
        problem=_monitor,
        choices=MONITORS,
    ),
    _alert(
        "response_time_ms",
        "Alert: response",
        "The monitor warns when the first token takes as long.",
        "ms",
        600_000,
    ),
    _alert(
        "error_rate_percent",
        "Alert: errors",
        "The monitor warns when as many answers fail.",
        "%",
        100,
    ),
    _alert(
        "memory_usage_percent",
        "Alert: memory",
        "The monitor warns when as much of the RAM is in use.",
        "%",
        100,
    ),
    _alert(
        "cpu_usage_percent",
        "Alert: CPU",
        "The monitor warns when as much of the processor is in use.",
        "%",
        100,
    ),
)
"""Every setting but the keys."""
