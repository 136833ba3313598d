"""Reads what an Olive configuration says: the model that it takes, and its passes."""

from dataclasses import dataclass

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.files import JsonObject


@dataclass(frozen=True, slots=True)
class OliveInput:
    """The model that a configuration converts."""

    model: str
    """Folder of the model; of an adapter, of its base."""
    adapter: str
    """Folder of the adapter; empty when there is none."""

    @property
    def source(self) -> str:
        """Folder of what was fine-tuned: the adapter, or the model."""
        return self.adapter or self.model

    @property
    def base(self) -> str | None:
        """Folder of the adapter's base; None when there is no adapter."""
        return self.model if self.adapter else None


def read_input(config: OliveConfig) -> OliveInput:
    """Return the model of a configuration; its keys may stand in `input_model` or in `config` below."""
    model = object_at(config, "input_model")
    inner = object_at(model, "config")
    return OliveInput(
        model=str(model.get("model_path") or inner.get("model_path") or ""),
        adapter=str(model.get("adapter_path") or inner.get("adapter_path") or ""),
    )


def read_passes(config: OliveConfig) -> dict[str, JsonObject]:
    """Return the passes of a configuration by name, in their order."""
    passes = object_at(config, "passes")
    return {name: entry for name, entry in passes.items() if isinstance(entry, dict)}


def object_at(parent: JsonObject, key: str) -> JsonObject:
    """Return the object at a key; an empty one when there is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
