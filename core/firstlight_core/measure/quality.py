"""Runs the course's five checks and the drift against the original on a real artifact."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from firstlight_core.errors import FirstlightError, JobDied, OutOfMemory, UsageError
from firstlight_core.events import Event, Progress, Stage
from firstlight_core.measure.benchmark import LENGTHS
from firstlight_core.measure.drift import find_reference, measure_drift
from firstlight_core.measure.quality_checks import (
    Check,
    EdgeCase,
    Recorded,
    answer_format,
    consistent_speed,
    domain_answers,
    edge_cases,
    memory_leak,
)
from firstlight_core.measure.quality_prompts import Prompt, load_prompts, read_prompt
from firstlight_core.measure.quality_verdict import give_verdict
from firstlight_core.model.inspection import find_source
from firstlight_core.paths import find_paths
from firstlight_core.talk.artifacts import (
    Artifact,
    Target,
    artifact_folder,
    check_artifact,
    find_target,
)
from firstlight_core.talk.endpoint import open_endpoint
from firstlight_core.talk.engine import Engine, open_engine
from firstlight_core.talk.sampling import Message
from firstlight_core.template.files import added_tokens
from firstlight_core.text import shown_path

__all__ = ["check_quality", "load_prompts"]

ANSWER_TOKENS = 160
"""Longest answer to a quality prompt, in tokens."""
GENERATIONS = 32
WARM_UP = 8
"""Generations that are not counted: caches and arenas fill in them."""
GENERATION_TOKENS = 24
SPEED_REPEATS = 7
DRIFT_PROMPTS = 20
EDGE_TOKENS = 16

GENERAL_PROMPTS = (
    "Hello! Who are you?",
    "Explain in one sentence what you can help with.",
    "Give me three short pieces of advice.",
    "What is the capital of France?",
    "Write one sentence about the sea.",
)
"""Asked when there is no prompts file; nothing is expected of their content."""

Listener = Callable[[Event], None]


class Speaker(Protocol):
    """Whatever answers: an engine or an endpoint."""

    @property
    def alive(self) -> bool: ...

    async def answer(self, messages: Sequence[Message], **settings: Any) -> dict[str, Any]: ...


async def check_quality(
    target: str | Path | Target,
    *,
    prompts: Path | Sequence[Prompt] | None = None,
    reference: str | Path | None = None,
    on_event: Listener | None = None,
    started: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """The quality document: checks[] {id, title, status, evidence}, drift (with a reference), verdict, ok.

    Without `prompts` an artifact of the sample model is asked the sample's held-out questions, any other artifact
    general ones. `ok` is false when a check failed or the drift is too large.

    Raises:
        InputRefused: the target, the prompts or the reference cannot be used.
        JobDied: the engine died while it was loaded.
    """
    found = find_target(target)
    tell = on_event or (lambda event: None)
    if found.kind == "endpoint":
        return await _check_endpoint(found, prompts, reference, tell)
    artifact = check_artifact(artifact_folder(found))
    asked, origin = _prompts(artifact, prompts)
    source = find_source(str(reference)) if reference is not None else None
    conversations = [prompt.messages for prompt in asked[:DRIFT_PROMPTS]]
    original = None
    if source is not None:
        original = await find_reference(source, conversations, on_event=on_event, started=started)
    drift: dict[str, Any] | None = None
    async with open_engine(artifact.folder, started=started) as engine:
        recorded = await _ask(engine, asked, tell)
        special = [token for token in added_tokens(artifact.folder) if len(token) > 1]
        checks = [domain_answers(recorded), answer_format(recorded, special)]
        checks.append(memory_leak(await _generate(engine, asked, tell)))
        checks.append(consistent_speed(await _speeds(engine, tell)))
        if original is not None:
            drift = await measure_drift(engine, original, conversations, on_event=on_event)

    def reopen() -> AbstractAsyncContextManager[Speaker]:
        return open_engine(artifact.folder, started=started)

    checks.append(
        edge_cases(await _edges(reopen, edge_inputs(special, artifact.context_length), tell))
    )
    return _document(found, origin, recorded, checks, drift)


async def _check_endpoint(
    found: Target,
    prompts: Path | Sequence[Prompt] | None,
    reference: str | Path | None,
    tell: Listener,
) -> dict[str, Any]:
    """What can be checked from outside: answers, format, edge cases. Memory and speed are the server's own."""
    if reference is not None:
        raise UsageError(
            "Drift needs the artifact itself; an endpoint does not tell its probabilities.",
            hint="Name the artifact folder, or leave out --reference.",
        )
    asked, origin = _prompts(None, prompts)
    async with open_endpoint(found) as server:
        recorded = await _ask(server, asked, tell)

    def reopen() -> AbstractAsyncContextManager[Speaker]:
        return open_endpoint(found)

    checks = [
        domain_answers(recorded),
        answer_format(recorded),
        memory_leak([]),
        consistent_speed({}),
    ]
    checks.append(edge_cases(await _edges(reopen, edge_inputs([], 20_000), tell)))
    return _document(found, origin, recorded, checks, None)


def _document(
    found: Target,
    origin: str,
    recorded: Sequence[Recorded],
    checks: Sequence[Check],
    drift: dict[str, Any] | None,
) -> dict[str, Any]:
    verdict, usable = give_verdict(checks, drift)
    return {
        "ok": usable,
        "target": found.text,
        "prompts": origin,
        "checks": [check.to_json() for check in checks],
        **({"drift": drift} if drift is not None else {}),
        "answers": [_answer(entry) for entry in recorded],
        "verdict": verdict,
    }


def _prompts(
    artifact: Artifact | None, prompts: Path | Sequence[Prompt] | None
) -> tuple[list[Prompt], str]:
    """The questions, and where they come from."""
    if isinstance(prompts, Path):
        return load_prompts(prompts), shown_path(prompts)
    if prompts is not None:
        return list(prompts), "given"
    paths = find_paths()
    if (
        artifact is not None
        and artifact.source
        and Path(artifact.source).resolve() == paths.sample.resolve()
    ):
        return load_prompts(paths.sample_prompts), "sample"
    return [read_prompt({"prompt": text}) for text in GENERAL_PROMPTS], "general"


def _answer(entry: Recorded) -> dict[str, Any]:
    return {
        "prompt": entry.prompt.question,
        **({"error": entry.error} if entry.error else {"text": entry.text}),
    }


async def _ask(engine: Speaker, prompts: Sequence[Prompt], tell: Listener) -> list[Recorded]:
    tell(Stage("answers", "Asking the questions"))
    recorded = []
    for number, prompt in enumerate(prompts):
        try:
            answer = await engine.answer(prompt.messages, greedy=True, max_tokens=ANSWER_TOKENS)
            recorded.append(Recorded(prompt=prompt, answer=answer))
        except (JobDied, OutOfMemory):
            raise
        except FirstlightError as error:
            recorded.append(Recorded(prompt=prompt, error=str(error)))
        tell(Progress(number + 1, len(prompts), "questions"))
    return recorded


async def _generate(engine: Engine, prompts: Sequence[Prompt], tell: Listener) -> list[int]:
    """Resident bytes after each of the generations, each from an empty KV cache."""
    tell(Stage("memory", "Watching memory over many generations"))
    cycle = [prompt.messages for prompt in prompts[:4]]
    rss: list[int] = []
    for number in range(WARM_UP + GENERATIONS):
        try:
            reply = await engine.request(
                "chat",
                template=True,
                messages=[dict(message) for message in cycle[number % len(cycle)]],
                max_tokens=GENERATION_TOKENS,
                search={"do_sample": False},
                fresh=True,
                stream=False,
            )
        except (JobDied, OutOfMemory):
            raise
        except FirstlightError:
            # A prompt that is refused generates nothing; the check says how many were recorded.
            continue
        if number >= WARM_UP:
            rss.append(int(reply["stats"]["rss_bytes"]))
        tell(Progress(number + 1, WARM_UP + GENERATIONS, "generations"))
    return rss


async def _speeds(engine: Engine, tell: Listener) -> dict[int, list[float]]:
    """Decode rates by prompt length, interleaved; the first round warms up."""
    tell(Stage("speed", "Measuring speed over prompt lengths"))
    room = engine.loaded["max_length"] - EDGE_TOKENS
    lengths = sorted({min(length, room) for length in LENGTHS if room > 0})
    rates: dict[int, list[float]] = {length: [] for length in lengths}
    for repeat in range(SPEED_REPEATS + 1):
        for length in lengths:
            sample = await engine.request("measure", prompt_tokens=length, new_tokens=EDGE_TOKENS)
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


async def _edges(
    reopen: Callable[[], AbstractAsyncContextManager[Speaker]],
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


async def _edge(engine: Speaker, name: str, text: str) -> EdgeCase:
    messages = [{"role": "user", "content": text}]
    try:
        answer = await engine.answer(messages, greedy=True, max_tokens=EDGE_TOKENS)
    except (JobDied, OutOfMemory) as error:
        return EdgeCase(name=name, outcome="failed", words=str(error))
    except FirstlightError as error:
        clear = error.code != "job-failed"
        return EdgeCase(name=name, outcome="refused" if clear else "failed", words=str(error))
    return EdgeCase(name=name, outcome="answered", words=answer["text"])
