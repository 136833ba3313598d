"""Which precisions this machine's toolchain can make, by device, provider and the versions installed."""

from firstlight_core.environment.toolchain import (
    ReadVersion,
    find_pair,
    installed_version,
    missing_packages,
)
from firstlight_core.precision.table import Precision


def precision_available(
    precision: Precision, *, device: str = "cpu", read: ReadVersion = installed_version
) -> tuple[bool, str]:
    """Return whether the toolchain installed here can make this precision, and why not."""
    if missing := missing_packages(read):
        return False, f"Not installed: {', '.join(missing)}."
    if device != "cpu":
        return False, "Only the CPU provider is offered by the installed onnxruntime."
    olive, genai = read("olive-ai") or "", read("onnxruntime-genai") or ""
    pair = find_pair(olive, genai)
    converts = pair is None or pair.good or (pair.plain and not precision.needs_good_pair)
    if pair is not None and not converts:
        return False, f"olive-ai {olive} with onnxruntime-genai {genai}: {pair.words}."
    return True, ""
