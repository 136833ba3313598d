"""A tuning in words."""

from firstlight_core.documents.tuning import (
    Comparison,
    PeerFigures,
    Speedup,
    TakenOver,
    TrialRow,
    TunedDocument,
    TuneFigures,
)
from firstlight_core.tuning.gains import gain_words, gains_words, proven, slower
from firstlight_core.tuning.outcome import done_words
from firstlight_core.tuning.settings import threads_text

_NOTHING: TakenOver = {"builds": 0, "measurements": 0}


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
    best = document["best"]
    if (gain := best.get("gain")) is not None:
        return f"Against what Olive makes, measured in turns: {gains_words(gain)}."
    if (faster := best.get("faster")) is not None:
        return f"Against the baseline, round by round: {_times(faster)}."
    if (refuted := document.get("refuted")) is not None and "gain" in refuted:
        return (
            f"{setting(refuted)} won the race, and its gain is inside the noise ({gains_words(refuted['gain'])}): "
            "the baseline stands."
        )
    if refuted is not None and "faster" in refuted:
        return (
            f"{setting(refuted)} won the race and did not win again ({_times(refuted['faster'])}): "
            "the baseline stands."
        )
    return "Nothing was faster than what Olive makes."


def peer_verdict(peer: PeerFigures) -> str:
    """Return how the best setting compares with another program, in one sentence."""
    gain = peer["gain"]
    both = (
        f"decode {gain_words(gain['decode'])}, prefill {gain_words(gain['prefill'])}, "
        f"answer {gain_words(gain['answer'])}"
    )
    level = (
        "faster"
        if proven(gain["answer"])
        else "slower"
        if slower(gain["answer"])
        else "as fast, as far as can be told"
    )
    version = f" {peer['version']}" if peer["version"] else ""
    return f"Against {peer['name']}{version} ({peer['label']}), measured in turns: {level}. {both}."


def taken_over(document: TuneFigures) -> str:
    """Return what an earlier tuning had done, as a sentence; empty when nothing."""
    words = done_words(document.get("taken_over", _NOTHING))
    return f"Taken over from an earlier tuning: {words}." if words else ""


def lengths_text(document: TuneFigures) -> str:
    """Return how many tokens were read and written."""
    lengths = document.get("lengths", [document["prompt_tokens"]])
    read = " / ".join(map(str, lengths))
    mean = ", geometric mean" if len(lengths) > 1 else ""
    return f"{read} tokens read, {document['new_tokens']} written{mean}"


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
