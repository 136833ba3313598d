"""The quality checks of a server: what can be seen from outside, and why the rest is not run."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from firstlight_core.artifact.target import Target
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.endpoint import open_endpoint
from firstlight_core.measure.benchmark import LENGTHS
from firstlight_core.measure.quality_checks import (
    QualityCheck,
    Recorded,
    answer_format,
    because,
    consistent_speed,
    domain_answers,
    edge_cases,
    memory_leak,
)
from firstlight_core.measure.quality_prompts import QualityPrompt
from firstlight_core.measure.quality_runs import (
    EDGE_TOKENS,
    Listener,
    ask_questions,
    edge_inputs,
    try_edges,
)
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.process.events import Progress, Stage

OVERLONG_WORDS = 20_000
"""Words of the over-long input: the context of a server is not known."""
ROUNDS = 3
"""Repetitions of each prompt length, after one that is not counted."""


async def check_server(
    target: Target,
    prompts: Sequence[QualityPrompt],
    ratings: Sequence[int],
    tell: Listener,
    recorded: list[Recorded],
    *,
    network: bool,
) -> list[QualityCheck]:
    """Return the course's five checks of a server; each of its answers is added to `recorded`.

    Raises:
        FirstlightError: as `talk.endpoint.open_endpoint`.
    """
    async with open_endpoint(target, network=network) as server:
        await ask_questions(server, prompts, tell, recorded)
    rates, why = await _rates(target, tell, network=network)

    def reopen() -> AbstractAsyncContextManager[ChatBackend]:
        return open_endpoint(target, network=network)

    return [
        domain_answers(recorded, ratings=ratings),
        answer_format(recorded),
        because(memory_leak([]), "A server's memory cannot be seen from outside."),
        consistent_speed(rates) if not why else because(consistent_speed({}), why),
        edge_cases(await try_edges(reopen, edge_inputs([], OVERLONG_WORDS), tell)),
    ]


async def _rates(
    target: Target, tell: Listener, *, network: bool
) -> tuple[dict[int, list[float]], str]:
    """Decode rates by prompt length, as the stream shows them; or why there are none."""
    tell(Stage("speed", "Measuring speed over prompt lengths"))
    subject = EndpointSubject(target, LENGTHS, network=network)
    async with AsyncExitStack() as stack:
        await subject.open(stack, None)
        for number in range(ROUNDS + 1):
            for length in list(subject.lengths):
                if number:
                    await subject.repeat(length, EDGE_TOKENS, tell)
                else:
                    await subject.warm_up(length, EDGE_TOKENS)
            tell(Progress(number + 1, ROUNDS + 1, "rounds"))
    rates = {
        length: [sample["decode_tps"] for sample in samples if "decode_tps" in sample]
        for length, samples in subject.samples.items()
    }
    if subject.faults:
        return {}, f"The server failed while its speed was measured: {subject.faults[-1]}"
    if sum(bool(values) for values in rates.values()) < 2:
        return {}, "The server sends its words in portions, which tell no decode rate."
    return rates, ""
