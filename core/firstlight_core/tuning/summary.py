"""A tuning in words."""

from collections.abc import Mapping
from typing import Any

from firstlight_core.tuning.settings import threads_text

Document = Mapping[str, Any]


def setting(row: Document) -> str:
    """What one row of the document measured: the build, the threads, or in the last comparison both."""
    label = str(row["label"])
    if row["stage"] != "comparison" or "precision" not in row["settings"]:
        return label
    values = row["settings"]
    return f"{label}; {threads_text(values['intra_op_num_threads'], values['spin_us'])}"


def verdict(document: Document) -> str:
    """What the last comparison showed, in one sentence; a void one says so first."""
    return ("Void, measure again. " if document.get("void") else "") + _verdict(document)


def _verdict(document: Document) -> str:
    if "faster" in document["best"]:
        return f"Against the baseline, round by round: {_times(document['best'])}."
    if refuted := document.get("refuted"):
        return (
            f"{setting(refuted)} won the race and did not win again ({_times(refuted)}): "
            "the baseline stands."
        )
    return "Nothing was faster than what Olive makes."


def allowance(document: Document) -> str:
    """How far a build was allowed to drift; empty for an artifact, which has one build."""
    if (limit := document.get("max_drift")) is None:
        return ""
    return f"Drift allowed: a mean KL of {limit['kl_mean']:.2g} nats, {limit['why']}."


def _times(row: Document) -> str:
    return ", ".join(
        f"{name} {figure['median']:.2f} × ({figure['min']:.2f} to {figure['max']:.2f})"
        for name, figure in row["faster"].items()
    )
