"""A benchmark document as its readers need it: the result of one target, and what it says about services in words."""

from firstlight_core.documents.measure import BenchDocument, BenchResult, ClientsLevel
from firstlight_core.text import seconds_text


def find_result(document: BenchDocument, target: str | None) -> BenchResult | None:
    """Return the result of a target, given as `target` or `folder`; the first one where it was not measured."""
    results = document["results"]
    own = (r for r in results if target and target in (r.get("folder"), r["target"]))
    return next(own, results[0] if results else None)


def level_sentence(level: ClientsLevel) -> str:
    """Return one level of the sweep in words."""
    words = [f"{level['clients']} client{'s' * (level['clients'] != 1)}"]
    if "requests_per_s" in level:
        words.append(f"{level['requests_per_s']:.2f} requests/s")
        words.append(f"{level['tokens_per_s']:.1f} tokens/s together")
    if latency := level.get("latency_s"):
        words.append(
            f"an answer p50 {seconds_text(latency['p50'])}, p95 {seconds_text(latency['p95'])}"
        )
    words.append(f"{level['error_rate']:.0%} errors")
    return ", ".join(words)


def service_sentences(bench: BenchDocument) -> list[str]:
    """Return what a benchmark says about services: what they add, and how they bear several clients."""
    sentences = [
        case["summary"] for overhead in bench.get("overhead", []) for case in overhead["cases"]
    ]
    for result in bench["results"]:
        for level in result.get("clients", []):
            sentences.append(f"{result['label']}: {level_sentence(level)}.")
    return sentences
