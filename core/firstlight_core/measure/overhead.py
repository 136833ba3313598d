"""Measure the overhead of a service: the same questions directly and through it, pair by pair."""

from typing import Literal

from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.measure import Overhead, OverheadCase
from firstlight_core.measure.metrics import figure
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.measure.subjects import PairedArtifact
from firstlight_core.text import seconds_text


def overhead(direct: PairedArtifact, service: EndpointSubject, *, name: str) -> Overhead:
    """Return what the service adds to the artifact.

    Differences and ratios are taken within each pair, which ran one right after the other, and then spread (median,
    min, max). A ratio of 0.9 means 0.9 x the direct rate, or of the direct time.
    """
    cases: list[OverheadCase] = []
    for length in service.lengths:
        pairs = list(zip(direct.samples[length], service.samples[length], strict=False))
        if service.faults or not pairs:
            # After a failed repetition the pairs are unknown.
            continue
        case: OverheadCase = {
            "prompt_tokens": direct.case(length, direct.samples[length])["prompt_tokens"],
            "pairs": len(pairs),
            "same_answers": sum(d["text"] == s["text"] for d, s in pairs),
            "summary": "",
        }
        if added := [
            s["ttft_s"] - d["ttft_s"] for d, s in pairs if "ttft_s" in d and "ttft_s" in s
        ]:
            case["ttft_added_s"] = figure(added)
        if ratios := _ratios(pairs, "decode_tps"):
            case["decode_ratio"] = figure(ratios)
        if ratios := _ratios(pairs, "total_s"):
            case["total_ratio"] = figure(ratios)
        case["summary"] = summary(case, name)
        cases.append(case)
    return {"target": direct.target.text, "label": direct.label, "service": name, "cases": cases}


def _ratios(
    pairs: list[tuple[Repetition, Repetition]], name: Literal["decode_tps", "total_s"]
) -> list[float]:
    return [s[name] / d[name] for d, s in pairs if d.get(name) and name in s]


def summary(case: OverheadCase, name: str) -> str:
    """Return one sentence with the spread; a difference within the spread is reported as none."""
    words = []
    if added := case.get("ttft_added_s"):
        median, low, high = map(_signed, (added["median"], added["min"], added["max"]))
        when = f"{median.lstrip('+-')} {'later' if added['median'] >= 0 else 'earlier'}"
        if added["min"] < 0 < added["max"]:
            when = "neither earlier nor later, within the spread"
        words.append(f"the first token comes {when} ({low} to {high})")
    if decode := case.get("decode_ratio"):
        rate = f"{decode['median']:.2f} × the direct rate"
        if decode["min"] < 1 < decode["max"]:
            rate = "the direct rate, within the spread"
        words.append(f"decode runs at {rate} ({decode['min']:.2f}–{decode['max']:.2f})")
    if total := case.get("total_ratio"):
        span = f"({total['min']:.2f}–{total['max']:.2f})"
        words.append(f"an answer takes {total['median']:.2f} × as long {span}")
    if not words:
        return f"{name} answered, but nothing could be compared."
    return f"Through {name}, at {case['prompt_tokens']} prompt tokens: {', '.join(words)}."


def _signed(seconds: float) -> str:
    return ("-" if seconds < 0 else "+") + seconds_text(abs(seconds))
