"""Several clients at once: what a server gives to all of them together, and to each."""

from collections import Counter
from collections.abc import Sequence

from firstlight_core.documents.bench_parts import ClientsLevel
from firstlight_core.documents.inference import TokenTimes
from firstlight_core.errors import UsageError
from firstlight_core.measure.metrics import percentile, spread, tail_percentiles
from firstlight_core.measure.server_subject import EndpointSubject, counted_by

MOST_CLIENTS = 64
"""Threads of one process; beyond that the client itself would be measured."""


def check_clients(clients: Sequence[int]) -> list[int]:
    """Return the levels of the sweep, smallest first.

    Raises:
        UsageError: a level is out of range.
    """
    if any(not 1 <= count <= MOST_CLIENTS for count in clients):
        raise UsageError(
            f"The number of clients must lie between 1 and {MOST_CLIENTS}.",
            hint="Write for example --clients 1,2,4",
        )
    return sorted(set(clients))


async def measure_clients(
    subject: EndpointSubject, clients: int, *, new_tokens: int, repeats: int
) -> ClientsLevel:
    """Measure one level of the sweep: `clients` ask at the same time, `repeats` questions each, of the shortest length."""
    words = subject.sizer.words(subject.lengths[0])
    reply = await subject.endpoint.measure_clients(
        [subject.sizer.conversation(words) for _ in range(clients * repeats)],
        clients=clients,
        max_tokens=new_tokens,
    )
    answers, faults, seconds = reply["answers"], reply["faults"], reply["seconds"]
    requests = len(answers) + len(faults)
    level: ClientsLevel = {
        "clients": clients,
        "requests": requests,
        "errors": len(faults),
        "error_rate": len(faults) / max(1, requests),
        "seconds": seconds,
    }
    if answers and seconds > 0:
        level["requests_per_s"] = len(answers) / seconds
        level["tokens_per_s"] = sum(answer["new_tokens"] for answer in answers) / seconds
        level["counted_by"] = counted_by(answers)
    if times := [answer["total_s"] for answer in answers if "total_s" in answer]:
        level["latency_s"] = tail_percentiles(times)
        level["client_p95_s"] = spread(_each_client(reply["asked_by"], answers))
    if times := [answer["ttft_s"] for answer in answers if "ttft_s" in answer]:
        level["ttft_s"] = tail_percentiles(times)
    if faults:
        level["faults"] = dict(Counter(faults))
    return level


def _each_client(asked_by: Sequence[int], answers: Sequence[TokenTimes]) -> list[float]:
    """The 95th percentile of the time of an answer, of each client that got one."""
    times: dict[int, list[float]] = {}
    for client, answer in zip(asked_by, answers, strict=True):
        times.setdefault(client, []).append(answer["total_s"])
    return [percentile(own, 95) for own in times.values()]
