"""Run the model for the quality checks: ask questions, repeat generations, measure rates, try unusual inputs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from firstlight_core.documents import jobs_engine
from firstlight_core.documents.messages import Message
from firstlight_core.errors import FirstlightError, JobDied, OutOfMemory
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.engine import Engine
from firstlight_core.measure.benchmark import LENGTHS
from firstlight_core.measure.quality_checks import EdgeCase, Recorded
from firstlight_core.measure.quality_prompts import QualityPrompt
from firstlight_core.process.events import Event, Progress, Stage

ANSWER_TOKENS = 160
"""Longest answer to a quality prompt, in tokens."""
GENERATIONS = 32
WARM_UP = 8
"""Generations that are not counted: caches and arenas fill in them."""
GENERATION_TOKENS = 24
SPEED_REPEATS = 7
EDGE_TOKENS = 16

Listener = Callable[[Event], None]


async def ask_questions(
    engine: ChatBackend,
    prompts: Sequence[QualityPrompt],
    tell: Listener,
    recorded: list[Recorded],
) -> None:
    """Ask greedily, one after another, and add each answer to `recorded`; a refused question is added with its error.

    Raises:
        JobDied: the engine died.
    """
    tell(Stage("answers", "Asking the questions"))
    for number, prompt in enumerate(prompts):
        try:
            answer = await engine.answer(prompt.messages, greedy=True, max_tokens=ANSWER_TOKENS)
            recorded.append(Recorded(prompt=prompt, answer=answer))
        except (JobDied, OutOfMemory):
            raise
        except FirstlightError as error:
            recorded.append(Recorded(prompt=prompt, error=str(error)))
        tell(Progress(number + 1, len(prompts), "questions"))


async def generate_often(
    engine: Engine, prompts: Sequence[QualityPrompt], tell: Listener
) -> list[int]:
    """Resident bytes after each of the generations, each from an empty KV cache."""
    tell(Stage("memory", "Watching memory over many generations"))
    cycle = [prompt.messages for prompt in prompts[:4]]
    rss: list[int] = []
    for number in range(WARM_UP + GENERATIONS):
        try:
            reply = await engine.call(
                jobs_engine.CHAT(
                    {
                        "messages": list(cycle[number % len(cycle)]),
                        "max_tokens": GENERATION_TOKENS,
                        "search": {"do_sample": False},
                        "fresh": True,
                        "stream": False,
                    }
                ),
                template=True,
            )
        except (JobDied, OutOfMemory):
            raise
        except FirstlightError:
            # A prompt that is refused generates nothing; the check says how many were recorded.
            continue
        if number >= WARM_UP:
            rss.append(reply["stats"]["rss_bytes"])
        tell(Progress(number + 1, WARM_UP + GENERATIONS, "generations"))
    return rss


async def measure_speeds(engine: Engine, tell: Listener) -> dict[int, list[float]]:
    """Decode rates by prompt length, interleaved; the first round warms up."""
    tell(Stage("speed", "Measuring speed over prompt lengths"))
    room = engine.loaded["max_length"] - EDGE_TOKENS
    lengths = sorted({min(length, room) for length in LENGTHS if room > 0})
    rates: dict[int, list[float]] = {length: [] for length in lengths}
    for repeat in range(SPEED_REPEATS + 1):
        for length in lengths:
            sample = await engine.call(
                jobs_engine.MEASURE({"prompt_tokens": length, "new_tokens": EDGE_TOKENS})
            )
            if repeat and "decode_tps" in sample:
                rates[length].append(sample["decode_tps"])
        tell(Progress(repeat + 1, SPEED_REPEATS + 1, "rounds"))
    return rates


def edge_inputs(special: Sequence[str], context: int) -> dict[str, str]:
    """Unusual inputs by name."""
    inputs = {
        "empty": "",
        "white space": " \n\t ",
        "longer than the context": "word " * (context + 16),
        "control characters": "a\x01\x1b[31mb\x7f\x9bc",
        "NUL character": "before\0after",
        "emoji": "👩‍👩‍👧‍👦 🚀 🇪🇺",
        "right to left": "مرحبا بالعالم שלום עולם",
        "one very long word": "x" * 2_000,
    }
    if special:
        inputs["template tokens as text"] = " ".join([*special[:8], "system", *special[:8]])
    return inputs


async def try_edges(
    reopen: Callable[[], AbstractAsyncContextManager[ChatBackend]],
    inputs: Mapping[str, str],
    tell: Listener,
) -> list[EdgeCase]:
    """Try every unusual input; an engine that dies is started again for the next one."""
    tell(Stage("edges", "Trying unusual inputs"))
    cases: list[EdgeCase] = []
    waiting = list(inputs.items())
    while waiting:
        async with reopen() as engine:
            while waiting and engine.alive:
                name, text = waiting.pop(0)
                cases.append(await _edge(engine, name, text))
                if cases[-1].outcome == "failed":
                    break
    return cases


async def _edge(engine: ChatBackend, name: str, text: str) -> EdgeCase:
    messages: list[Message] = [{"role": "user", "content": text}]
    try:
        answer = await engine.answer(messages, greedy=True, max_tokens=EDGE_TOKENS)
    except (JobDied, OutOfMemory) as error:
        return EdgeCase(name=name, outcome="failed", words=str(error))
    except FirstlightError as error:
        clear = error.code != "job-failed"
        return EdgeCase(name=name, outcome="refused" if clear else "failed", words=str(error))
    return EdgeCase(name=name, outcome="answered", words=answer["text"])
