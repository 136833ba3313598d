"""The base of a LoRA adapter, named by hand: checked, and kept for every later step."""

from pathlib import Path

from firstlight_core.errors import UsageError
from firstlight_core.model.adapter_bases import remember_base
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.text import shown_path


def choose_base(source: Path, base: Path) -> Inspection:
    """Inspect an adapter together with this base, and remember the base for that adapter folder.

    Raises:
        UsageError: the source is a whole model.
        ModelRefused: the adapter does not fit this base, or one of them is refused by itself.
    """
    inspection = inspect_model(source, base=base)
    if inspection.adapter is None:
        raise UsageError(
            f"{shown_path(source)} is no LoRA adapter, so it has no base.", hint="Leave out --base."
        )
    remember_base(inspection.adapter.folder, inspection.folder)
    return inspection
