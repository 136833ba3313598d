"""Edited Olive configurations in `run.toml`: `[configs.PRECISION]` holds one, as method 2 and the advanced options left it.

Whatever names the source is left out where it is what the plan says anyway, so that the file works in another place.
TOML has no null: a key that is null is one that is absent, which Olive reads alike.
"""

import json
from pathlib import Path
from typing import Any

from firstlight_core.conversion.olive_config import checked_config, run_config
from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.documents.run_file import Configs
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.model.adapter import adapter_base
from firstlight_core.paths import absolute
from firstlight_core.precision.options import check_row
from firstlight_core.precision.table import find_precision, precision_key
from firstlight_core.workflow.plan_values import Section

_MODEL = "input_model"
_PRIVATE = ("cache_dir", "output_dir")


def portable(configs: Configs, source: Path) -> Configs:
    """Return the configurations without folders, nulls, and the source where it is named as Firstlight names it."""
    by_key = {}
    for key, config in configs.items():
        settings = {name: value for name, value in config.items() if name not in _PRIVATE}
        if settings.get(_MODEL) == _own_model(source, key):
            del settings[_MODEL]
        by_key[key] = _without_null(settings)
    return by_key


def _without_null(value: Any) -> Any:
    """TOML has no null: a key without a value is left out."""
    if isinstance(value, dict):
        return {str(key): _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_null(item) for item in value if item is not None]
    return value


def read_configs(
    top: Section,
    source: Path | None,
    precisions: tuple[str, ...],
    *,
    base: Path | None = None,
) -> Configs:
    """Return the edited configurations of a plan by precision, each whole and checked.

    Raises:
        InputRefused: one is of no precision of the plan, or cannot be run; the message names what is wrong with it.
    """
    section = top.section("configs")
    if section is None:
        return {}
    if source is None:
        raise top.wrong("configs", "belongs to `source`; an adopted `artifact` is not converted")
    configs: dict[str, OliveConfig] = {}
    for name in section.values:
        config, key = section.table(name), precision_key(name)
        if key not in precisions:
            raise section.wrong(name, "is none of `precisions`")
        if key in configs:
            raise section.wrong(name, "stands there twice")
        whole = {_MODEL: _own_model(source, key, base), **(config or {})}
        try:
            configs[key] = checked_config(whole, source=absolute(source), base=_base(source, base))
            check_row(configs[key], find_precision(key))
            json.dumps(whole, allow_nan=False)
        except UsageError as error:
            raise section.wrong(name, f"cannot be run: {error}") from error
        except (TypeError, ValueError) as error:
            raise section.wrong(name, "holds a date or a number that JSON does not have") from error
    return configs


def _own_model(source: Path, key: str, base: Path | None = None) -> Any:
    row = find_precision(key)
    return run_config(absolute(source), row, base=_base(source, base))[_MODEL]


def _base(source: Path, base: Path | None) -> Path | None:
    try:
        return adapter_base(absolute(source), base)
    except FirstlightError:
        # An adapter without its base is refused, with its reason, when the source is looked at.
        return None
