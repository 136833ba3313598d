"""What a service costs: the same artifact asked the same questions directly and through it, pair by pair."""

from typing import Any

from firstlight_core.measure.metrics import spread
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.measure.subjects import AskedArtifact
from firstlight_core.text import seconds_text


def overhead(direct: AskedArtifact, service: EndpointSubject, *, name: str) -> dict[str, Any]:
    """The document: target, service, cases[] {prompt_tokens, pairs, ttft_added_s, decode_ratio, total_ratio, same_answers}.

    Differences and ratios are taken within each pair, which ran one right after the other, and then spread (median,
    min, max). A ratio of 0.9 means 0.9 x the direct rate, or of the direct time.
    """
    cases = []
    for length in service.lengths:
        pairs = list(zip(direct.samples[length], service.samples[length], strict=False))
        if service.faults or not pairs:
            # After a repetition that failed nobody knows which ones belong together.
            continue
        added = [s["ttft_s"] - d["ttft_s"] for d, s in pairs if "ttft_s" in d and "ttft_s" in s]
        figures = {
            "ttft_added_s": added,
            "decode_ratio": _ratios(pairs, "decode_tps"),
            "total_ratio": _ratios(pairs, "total_s"),
        }
        case = {
            "prompt_tokens": direct.case(length, direct.samples[length])["prompt_tokens"],
            "pairs": len(pairs),
            "same_answers": sum(d["text"] == s["text"] for d, s in pairs),
            **{
                key: {**spread(samples), "samples": samples}
                for key, samples in figures.items()
                if samples
            },
        }
        cases.append({**case, "summary": summary(case, name)})
    return {"target": direct.target.text, "label": direct.label, "service": name, "cases": cases}


def _ratios(pairs: list[tuple[dict[str, Any], dict[str, Any]]], name: str) -> list[float]:
    return [s[name] / d[name] for d, s in pairs if d.get(name) and name in s]


def summary(case: dict[str, Any], name: str) -> str:
    """One sentence with the spread; a difference that the spread does not rule out is none, and said to be none."""
    words = []
    if figures := case.get("ttft_added_s"):
        median, low, high = (_signed(figures[key]) for key in ("median", "min", "max"))
        when = f"{median.lstrip('+-')} {'later' if figures['median'] >= 0 else 'earlier'}"
        if figures["min"] < 0 < figures["max"]:
            when = "neither earlier nor later, within the spread"
        words.append(f"the first token comes {when} ({low} to {high})")
    if figures := case.get("decode_ratio"):
        rate = f"{figures['median']:.2f} × the direct rate"
        if figures["min"] < 1 < figures["max"]:
            rate = "the direct rate, within the spread"
        words.append(f"decode runs at {rate} ({figures['min']:.2f}–{figures['max']:.2f})")
    if figures := case.get("total_ratio"):
        span = f"({figures['min']:.2f}–{figures['max']:.2f})"
        words.append(f"an answer takes {figures['median']:.2f} × as long {span}")
    if not words:
        return f"{name} answered, but nothing could be compared."
    return f"Through {name}, at {case['prompt_tokens']} prompt tokens: {', '.join(words)}."


def _signed(seconds: float) -> str:
    return ("-" if seconds < 0 else "+") + seconds_text(abs(seconds))
