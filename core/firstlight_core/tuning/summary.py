"""A tuning in words."""

from firstlight_core.documents.tuning import (
    Comparison,
    Speedup,
    TrialRow,
    TunedDocument,
    TuneFigures,
)
from firstlight_core.tuning.settings import threads_text


def setting(row: TrialRow) -> str:
    """Return the setting of one row of the document: the build, the threads, or in the last comparison both."""
    label, values = row["label"], row["settings"]
    if row["stage"] != "comparison" or "precision" not in values:
        return label
    return f"{label}; {threads_text(values['intra_op_num_threads'], values['spin_us'])}"


def verdict(document: TuneFigures) -> str:
    """Return the result of the last comparison in one sentence; a void one says so first."""
    return ("Void, measure again. " if document["void"] else "") + _verdict(document)


def _verdict(document: Comparison) -> str:
    if (faster := document["best"].get("faster")) is not None:
        return f"Against the baseline, round by round: {_times(faster)}."
    if (refuted := document.get("refuted")) is not None and "faster" in refuted:
        return (
            f"{setting(refuted)} won the race and did not win again ({_times(refuted['faster'])}): "
            "the baseline stands."
        )
    return "Nothing was faster than what Olive makes."


def allowance(document: TunedDocument) -> str:
    """Return how far a build was allowed to drift; empty for an artifact, which has one build."""
    if document["kind"] == "artifact":
        return ""
    limit = document["max_drift"]
    return f"Drift allowed: a mean KL of {limit['kl_mean']:.2g} nats, {limit['why']}."


def _times(faster: Speedup) -> str:
    figures = (
        ("answer", faster["answer"]),
        ("decode", faster["decode"]),
        ("prefill", faster["prefill"]),
    )
    return ", ".join(
        f"{name} {figure['median']:.2f} × ({figure['min']:.2f} to {figure['max']:.2f})"
        for name, figure in figures
    )
