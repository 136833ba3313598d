"""Judge a model by the measured matrix: proven, or working but unproven; a model that is known to fail is refused.

`support.json` is written by `make matrix` and ships in the wheel; docs/support.md shows the same rows. A model is
proven when every trait of it (its rope scaling, window, biases, head size, kind of adapter …) has a row of its
architecture that computed what transformers computes, with the versions that are installed.
"""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from firstlight_core.documents.model import SupportDocument, SupportStatus
from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.model.config import ModelShape
from firstlight_core.text import one_line

Config = JsonObject
STATUS_WORDS: Mapping[SupportStatus, str] = {
    "proven": "proven",
    "unproven": "works here, unproven",
    "wrong": "known to go wrong",
}
"""The words of each status."""
TABLE = Path(__file__).with_name("support.json")
_BIAS_KEYS = ("attention_bias", "mlp_bias", "use_bias", "conv_bias")
_BIASED = {"attention_bias": "biases", "mlp_bias": "MLP biases", "use_bias": "biases"}


class Table(TypedDict):
    """`support.json`."""

    measured_with: dict[str, str]
    """Version of every tool that the rows depend on, by package."""
    architectures: dict[str, dict[str, dict[str, str]]]
    """Architecture → axis → value → `right`, `wrong`, `failed` or `refused`."""


@dataclass(frozen=True, slots=True)
class Support:
    """The answer for one model, as a status and a sentence."""

    status: SupportStatus
    reason: str

    def to_json(self) -> SupportDocument:
        """Return the `support` object of an inspection."""
        return {"status": self.status, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing about a model that the matrix has an axis for."""

    axis: str
    value: str
    words: str


@lru_cache(maxsize=1)
def read_table() -> Table | None:
    """Return the measured matrix; None when this installation has none."""
    try:
        table: Table = json.loads(TABLE.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return table


@lru_cache(maxsize=4)
def installed_versions(names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the versions of these packages here; packages that are not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def judge(
    config: Config,
    shape: ModelShape,
    *,
    tied: bool,
    own_head: bool = False,
    adapter: Config | None = None,
    splits_ends: bool = False,
    table: Table | None = None,
    installed: Mapping[str, str] | None = None,
) -> Support:
    """Return the matrix' verdict on a model; `adapter` is the adapter_config.json that is merged into it."""
    table = read_table() if table is None else table
    if table is None:
        return Support("unproven", "nothing was measured with this installation")
    rows = table["architectures"].get(shape.architecture)
    if rows is None:
        return Support("unproven", f"{shape.architecture} was not measured")
    traits = find_traits(
        config, shape, tied=tied, own_head=own_head, adapter=adapter, splits_ends=splits_ends
    )
    unknown = []
    for trait in traits:
        status = rows.get(trait.axis, {}).get(trait.value)
        if status is None:
            unknown.append(trait.words)
        elif status != "right":
            return Support("wrong", f"{shape.architecture} with {trait.words} is known to go wrong")
    if unknown:
        return Support("unproven", f"{', '.join(unknown)} was not measured for it")
    here = installed_versions(tuple(table["measured_with"])) if installed is None else installed
    for name, version in table["measured_with"].items():
        if here.get(name, version) != version:
            return Support("unproven", f"measured with {name} {version}, installed {here[name]}")
    listed = ", ".join(trait.words for trait in traits if trait.value != "plain")
    return Support(
        "proven",
        f"a tiny {shape.architecture.removesuffix('ForCausalLM')} with each of these computes what "
        f"transformers computes: {listed}",
    )


def judge_model(
    config: Config,
    shape: ModelShape,
    *,
    tied: bool,
    own_head: bool,
    adapter: Config | None,
    splits_ends: bool,
) -> Support:
    """`judge` against the table of this installation.

    Raises:
        ModelRefused: the model is known to go wrong.
    """
    support = judge(
        config, shape, tied=tied, own_head=own_head, adapter=adapter, splits_ends=splits_ends
    )
    if support.status == "wrong":
        raise ModelRefused(
            f"{support.reason[:1].upper()}{support.reason[1:]} (docs/support.md).",
            hint="Choose a model without that; the transformers library itself runs this one.",
        )
    return support


def find_traits(
    config: Config,
    shape: ModelShape,
    *,
    tied: bool,
    own_head: bool = False,
    adapter: Config | None = None,
    splits_ends: bool = False,
) -> list[Trait]:
    """Return the traits of a model that the matrix has rows for."""
    rope = _rope_type(config)
    traits = [
        Trait("model", "plain", "its plain layers"),
        Trait("head size", str(shape.head_size), f"head size {shape.head_size}"),
        Trait("rope", rope, f"{rope} rope"),
        Trait("head", _head(tied, own_head), f"{_head(tied, own_head)} head"),
    ]
    traits += [
        Trait("bias", key, _BIASED.get(key, key)) for key in _BIAS_KEYS if config.get(key) is True
    ]
    if has_window(config, shape):
        traits.append(Trait("window", "window", f"a window of {config.get('sliding_window')}"))
    name = config.get("hidden_activation") or config.get("hidden_act")
    if isinstance(name, str):
        traits.append(Trait("activation", one_line(name, 40), f"{one_line(name, 40)} activation"))
    if shape.dtype:
        traits.append(Trait("type", shape.dtype, f"{shape.dtype} weights"))
    if adapter is not None:
        traits += [
            Trait("LoRA", kind, f"{kind} LoRA") for kind in lora_kinds(adapter, tied, splits_ends)
        ]
    return traits


def has_window(config: Config, shape: ModelShape) -> bool:
    """Return whether a window shorter than the context acts on some layers."""
    window = config.get("sliding_window")
    if not isinstance(window, int) or isinstance(window, bool) or window <= 0:
        return False
    if config.get("use_sliding_window") is False or not config.get("use_sliding_window", True):
        return False
    return not shape.context or window < shape.context


def lora_kinds(adapter: Config, tied: bool, splits_ends: bool) -> list[str]:
    """Return the rows of the matrix that an adapter_config.json belongs to."""
    kinds = []
    if adapter.get("use_dora"):
        kinds.append("DoRA")
    if adapter.get("use_rslora"):
        kinds.append("rsLoRA")
    if adapter.get("modules_to_save"):
        kinds.append("modules_to_save")
    targets = adapter.get("target_modules")
    names = (
        {str(name).rpartition(".")[2] for name in targets} if isinstance(targets, list) else set()
    )
    after = ", tied" if tied or splits_ends else ""
    if "embed_tokens" in names:
        kinds.append(f"embedding{after}")
    if "lm_head" in names:
        kinds.append(f"head{after}")
    return kinds or ["plain"]


def _rope_type(config: Config) -> str:
    """Return the kind of rope scaling; for settings by kind of layer, that of the layers without a window."""
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    if not isinstance(rope, Mapping):
        return "default"
    inner = rope.get("full_attention")
    rope = inner if isinstance(inner, Mapping) else rope
    kind = rope.get("rope_type") or rope.get("type") or "default"
    kind = "longrope" if kind == "su" else kind
    return one_line(str(kind), 40)


def _head(tied: bool, own_head: bool) -> str:
    return "config tied, own head" if own_head else "tied" if tied else "untied"
