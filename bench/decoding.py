"""Measure the overhead of Firstlight's engine over onnxruntime-genai, and the gain of the kept KV cache.

In turn, each at every place of the order: a bare loop as onnxruntime sets itself up, the same loop with our threads,
the engine behind the wizard's chat, and, each in a process of its own for one answer, `firstlight chat --json` and a
bare loop. All make the same number of tokens. On the sample, which decodes so fast that fixed costs weigh more than on
any real model, and on the shape of a 0.5 B model.
"""

import asyncio
import json
import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.bare_loop import BareLoop
from bench.measuring import Figure, spoken
from bench.random_model import bench_folder, big_source, int4_of
from bench.terminal import firstlight
from firstlight_core.documents import jobs_engine
from firstlight_core.documents.inference import ChatAnswer, SearchOptions
from firstlight_core.documents.messages import Message
from firstlight_core.inference.engine import Engine, open_engine
from firstlight_core.inference.session_options import session_options
from firstlight_core.paths import find_paths

ROUNDS = 9
QUESTION = "What is int4 quantization, and when is it worth it?"
HISTORY, TURNS = 1_000, 3
"""Tokens of history before the second turn, and how often that is measured."""
Samples = dict[str, list[float]]


def measure() -> list[Figure]:
    """Both models: decode, prefill, processor time a token, and the second turn."""
    figures = []
    with bench_folder() as folder:
        for name, source, tokens in (
            ("sample", find_paths().sample, 256),
            ("0.5 B shape", big_source(folder), 64),
        ):
            artifact = int4_of(source, folder)
            home = {"FIRSTLIGHT_HOME": str(folder / "home")}
            figures += asyncio.run(_measure(name, artifact, tokens, home))
    return figures


async def _measure(name: str, artifact: Path, tokens: int, home: dict[str, str]) -> list[Figure]:
    rates: dict[str, Samples] = defaultdict(lambda: defaultdict(list))
    bare = {
        "bare": BareLoop(artifact),
        "bare, our threads": BareLoop(artifact, session_options({})),
    }
    try:
        async with open_engine(artifact) as engine:
            ids = (await engine.render([_turn(QUESTION)]))["ids"]
            length = engine.loaded["max_length"]
            lasting = _held_to(len(ids) + tokens, artifact)

            async def ask(who: str) -> dict[str, Any]:
                if who == "engine":
                    return await _engine_answer(engine, ids, tokens)
                if who == "chat --json":
                    # Beside the event loop: the engine's pipes must be read meanwhile.
                    return await asyncio.to_thread(_chat_answer, lasting, tokens, home)
                if who == "bare, one answer":
                    return await asyncio.to_thread(_one_answer, artifact, ids, tokens, length)
                return dict(await asyncio.to_thread(bare[who].answer, ids, tokens, length))

            order = ["engine", "chat --json", "bare, one answer", *bare]
            for number in range(ROUNDS + 1):
                texts = set()
                turn = number % len(order)
                for who in order[turn:] + order[:turn]:
                    answer = await ask(who)
                    texts.add(answer["text"])
                    # The first round warms up.
                    for what in ("decode_tps", "prefill_tps", "cpu_s") if number else ():
                        rates[who][what].append(float(answer[what]))
                # The same words, or they did not do the same work.
                assert len(texts) == 1, texts
            cached, full = await _second_turns(engine)
    finally:
        for child in bare.values():
            child.close()
    turn_figure = Figure(
        name=f"TTFT of a second turn, {name}",
        unit="s",
        samples=tuple(cached),
        target="<= 0.3 × a full prefill",
        against="a full prefill",
        against_samples=tuple(full),
    )
    return [*_figures(name, rates, tokens), turn_figure]


def _figures(name: str, rates: dict[str, Samples], tokens: int) -> list[Figure]:
    figures = []
    for who, what, unit, against, target in (
        ("engine", "decode_tps", "tok/s", "bare", ">= 0.98 × a bare loop"),
        ("chat --json", "decode_tps", "tok/s", "bare, one answer", ">= 0.98 × a bare loop"),
        ("chat --json", "decode_tps", "tok/s", "bare", ""),
        ("engine", "decode_tps", "tok/s", "bare, our threads", ""),
        ("engine", "prefill_tps", "tok/s", "bare", ""),
        ("engine", "prefill_tps", "tok/s", "bare, our threads", ""),
        ("engine", "cpu_s", "s", "bare, our threads", ""),
    ):
        label = {"decode_tps": "decode", "prefill_tps": "prefill"}.get(
            what, f"processor time of {tokens} tokens"
        )
        figures.append(
            Figure(
                name=f"{label} of the {who}, {name}",
                unit=unit,
                samples=tuple(rates[who][what]),
                target=target,
                against=f"the loop: {against}",
                against_samples=tuple(rates[against][what]),
            )
        )
    return figures


def _turn(text: str, role: str = "user") -> Message:
    return {"role": role, "content": text}


async def _engine_answer(engine: Engine, ids: list[int], tokens: int) -> dict[str, Any]:
    """As the chat asks it, held to exactly `tokens` tokens and without the KV cache."""
    search: SearchOptions = {"do_sample": False, "min_length": len(ids) + tokens}
    result = await engine.call(
        jobs_engine.CHAT({"ids": ids, "max_tokens": tokens, "fresh": True, "search": search})
    )
    return {**result["stats"], "text": result["text"]}


def _one_answer(artifact: Path, ids: list[int], tokens: int, max_length: int) -> dict[str, Any]:
    """The bare loop as the command line has it: load, answer, end."""
    child = BareLoop(artifact)
    try:
        return dict(child.answer(ids, tokens, max_length))
    finally:
        child.close()


def _held_to(length: int, artifact: Path) -> Path:
    """The artifact with `length` as the least length in its own settings: the command line has no word for that.

    Without it the sample ends its answer after 23 tokens, two milliseconds.
    """
    lasting = artifact.with_name(f"{artifact.name}-lasting")
    shutil.rmtree(lasting, ignore_errors=True)
    shutil.copytree(artifact, lasting, copy_function=os.link)
    settings = lasting / "genai_config.json"
    config = json.loads(settings.read_text(encoding="utf-8"))
    config["search"]["min_length"] = length
    settings.unlink()
    settings.write_text(json.dumps(config), encoding="utf-8")
    return lasting


def _chat_answer(artifact: Path, tokens: int, home: dict[str, str]) -> dict[str, Any]:
    options = ["--prompt", QUESTION, "--greedy", "--max-tokens", str(tokens), "--json"]
    answer = spoken([firstlight(), "chat", artifact, *options], env=home)
    assert answer["stats"]["new_tokens"] == tokens, answer["stats"]
    return {**answer["stats"], "text": answer["text"]}


async def _second_turns(engine: Engine) -> tuple[list[float], list[float]]:
    """TTFT of a follow-up question with the KV cache of the history, and without any."""
    limit = min(HISTORY, engine.loaded["max_length"] - 100)
    history: list[Message] = []
    while True:
        longer = [
            *history,
            _turn(QUESTION),
            _turn("It stores weights in 4 bits. " * 8, "assistant"),
        ]
        if (await engine.render(longer))["prompt_tokens"] > limit:
            break
        history = longer
    first = [*history, _turn("What does it cost?")]

    async def ask(messages: list[Message], *, fresh: bool) -> ChatAnswer:
        return await engine.call(
            jobs_engine.CHAT(
                {
                    "messages": messages,
                    "max_tokens": 8,
                    "search": {"do_sample": False},
                    "fresh": fresh,
                }
            )
        )

    cached, full = [], []
    for _ in range(TURNS):
        answer = await ask(first, fresh=True)
        second = [*first, _turn(answer["text"], "assistant"), _turn("And how do I measure that?")]
        cached.append((await ask(second, fresh=False))["stats"]["ttft_s"])
        full.append((await ask(second, fresh=True))["stats"]["ttft_s"])
    return cached, full
