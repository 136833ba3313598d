"""Several clients at once: what a server gives to all of them together, and to each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from firstlight_core.errors import UsageError
from firstlight_core.measure.metrics import percentile
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.text import seconds_text

MOST_CLIENTS = 64
"""Threads of one process; beyond that the client itself would be measured."""


def check_clients(clients: Sequence[int]) -> list[int]:
    """The levels of the sweep, smallest first.

    Raises:
        UsageError: a level is out of range.
    """
    if any(not 1 <= count <= MOST_CLIENTS for count in clients):
        raise UsageError(
            f"The number of clients must lie between 1 and {MOST_CLIENTS}.",
            hint="Write for example --clients 1,2,4",
        )
    return sorted(set(clients))


async def measure_crowd(
    subject: EndpointSubject, clients: int, *, new_tokens: int, repeats: int
) -> dict[str, Any]:
    """One level of the sweep: `clients` ask at the same time, `repeats` questions each, of the shortest length.

    Returns clients, requests, errors, error_rate, seconds, requests_per_s and tokens_per_s (of all together),
    latency_s and ttft_s {p50, p95, p99, max} (of each), faults {sentence: count}.
    """
    words = subject.wording.words(subject.lengths[0])
    reply = await subject.endpoint.request(
        "crowd",
        clients=clients,
        conversations=[subject.wording.conversation(words) for _ in range(clients * repeats)],
        max_tokens=new_tokens,
    )
    answers, faults = reply["answers"], reply["faults"]
    requests = len(answers) + len(faults)
    level: dict[str, Any] = {
        "clients": clients,
        "requests": requests,
        "errors": len(faults),
        "error_rate": len(faults) / max(1, requests),
        "seconds": reply["seconds"],
    }
    if answers and reply["seconds"] > 0:
        level["requests_per_s"] = len(answers) / reply["seconds"]
        level["tokens_per_s"] = sum(a["new_tokens"] for a in answers) / reply["seconds"]
        counted = {answer["counted_by"] for answer in answers}
        level["counted_by"] = "server" if counted == {"server"} else "chunks"
    for name, key in (("latency_s", "total_s"), ("ttft_s", "ttft_s")):
        if values := [answer[key] for answer in answers if key in answer]:
            level[name] = {f"p{p}": percentile(values, p) for p in (50, 95, 99)}
            level[name]["max"] = max(values)
    return {**level, **({"faults": dict(Counter(faults))} if faults else {})}


def level_sentence(level: Mapping[str, Any]) -> str:
    """One level of the sweep in words."""
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


def service_sentences(bench: Mapping[str, Any]) -> list[str]:
    """What a benchmark found out about services: what they add, and how they bear several clients."""
    sentences = [
        str(case["summary"])
        for overhead in bench.get("overhead") or ()
        for case in overhead.get("cases") or ()
    ]
    for result in bench.get("results") or ():
        for level in result.get("clients") or ():
            sentences.append(
                f"{result.get('label') or result.get('target')}: {level_sentence(level)}."
            )
    return sentences
