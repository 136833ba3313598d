"""A benchmark document as its readers need it: the result of one target, and what it says about services in words."""

from firstlight_core.documents.bench_parts import BenchConditions, ClientsLevel
from firstlight_core.documents.measure import BenchDocument, BenchResult
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
    if (each := level.get("client_p95_s")) and level["clients"] > 1:
        words.append(
            f"each client's p95 {seconds_text(each['min'])} to {seconds_text(each['max'])}"
        )
    words.append(f"{level['error_rate']:.0%} errors")
    return ", ".join(words)


def load_sentence(result: BenchResult) -> str:
    """Return how long an artifact loads, cold and warm as far as it was measured."""
    load = result.get("load", {})
    warm = seconds_text(result["load_s"])
    if "cold_s" in load:
        return f"loaded cold in {seconds_text(load['cold_s']['median'])}, warm in {warm}"
    if "cold_unknown" in load:
        return f"loaded warm in {warm}; cold is unknown: {load['cold_unknown']}"
    return f"loaded in {warm}"


def energy_sentence(result: BenchResult) -> str:
    """Return the energy of a written token; empty where none was measured."""
    if (energy := result.get("energy")) is None:
        return ""
    whose = "the processor's counter" if energy["source"] == "processor" else "the battery"
    return (
        f"{energy['joules_per_token']:.3g} J for each written token, reading the prompt and idle power included "
        f"(measured by {whose})"
    )


def condition_sentences(conditions: BenchConditions) -> list[str]:
    """Return what the machine did while it was measured, and what it does not tell; for runs that are not void."""
    sentences = []
    match conditions.get("throttled"):
        case None:
            sentences.append(
                "Whether heat slowed the processor down is unknown: this system does not tell."
            )
        case False:
            clocks = conditions.get("clock_mhz")
            words = (
                f" (clock {clocks['min'] / 1000:.1f} to {clocks['max'] / 1000:.1f} GHz)"
                if clocks
                else ""
            )
            sentences.append(f"Nothing slowed the processor down{words}.")
    if "slept_s" not in conditions:
        sentences.append("Whether the machine slept is unknown: this system does not tell.")
    if "others_share" not in conditions:
        sentences.append(
            "The load of other programs is unknown: a server's work cannot be told from theirs."
        )
    if reason := conditions.get("energy_unknown"):
        sentences.append(f"No energy: {reason}.")
    return sentences


def service_sentences(bench: BenchDocument) -> list[str]:
    """Return what a benchmark says about services: what they add, and how they bear several clients."""
    sentences = [
        case["summary"] for overhead in bench.get("overhead", []) for case in overhead["cases"]
    ]
    for result in bench["results"]:
        for level in result.get("clients", []):
            sentences.append(f"{result['label']}: {level_sentence(level)}.")
    return sentences
