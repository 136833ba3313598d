"""How much Firstlight's chat costs on top of onnxruntime-genai, and what the kept KV cache saves.

python bench/decode.py ARTIFACT [--tokens 256] [--rounds 7] [--history 750]

Interleaved in one run: the decode rate of a bare onnxruntime-genai loop (its default threads, and with ours), of
the engine behind chat; then the TTFT of a second turn against the same prompt without a cache. One JSON document.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from firstlight_core.events import Reply
from firstlight_core.jobs.generation import THREADING
from firstlight_core.measure.benchmark import machine
from firstlight_core.talk.engine import Engine, open_engine

QUESTION = [{"role": "user", "content": "What is int4 quantization, and when is it worth it?"}]


def bare(folder: str, options: str) -> None:
    """The child: a plain loop as in onnxruntime-genai's own examples; one request a line of stdin."""
    import numpy as np
    import onnxruntime_genai as og

    config = og.Config(folder)
    if settings := json.loads(options):
        config.overlay(json.dumps({"model": {"decoder": {"session_options": settings}}}))
    model = og.Model(config)
    tokenizer = og.Tokenizer(model)
    for line in sys.stdin:
        asked = json.loads(line)
        ids, new = asked["ids"], asked["tokens"]
        parameters = og.GeneratorParams(model)
        parameters.set_search_options(
            do_sample=False, max_length=asked["max_length"], min_length=len(ids) + new
        )
        generator = og.Generator(model, parameters)
        spent = time.process_time_ns()
        generator.append_tokens(np.array(ids, dtype=np.int32))
        stream = tokenizer.create_stream()
        text = ""
        times = []
        for _ in range(new):
            if generator.is_done():
                break
            generator.generate_next_token()
            text += stream.decode(generator.get_next_tokens()[0])
            times.append(time.perf_counter_ns())
        spent = time.process_time_ns() - spent
        rate = (len(times) - 1) * 1e9 / (times[-1] - times[0])
        sys.stdout.write(json.dumps({"rate": rate, "cpu": spent / 1e9, "text": text}) + "\n")
        sys.stdout.flush()


class Bare:
    """The parent's side of `bare`."""

    def __init__(self, folder: Path, options: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--bare", json.dumps(options), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, ids: list[int], tokens: int, max_length: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"ids": ids, "tokens": tokens, "max_length": max_length}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


async def ours(engine: Engine, ids: list[int], tokens: int) -> dict[str, Any]:
    """The chat operation as Engine.chat asks it, held to exactly `tokens` tokens."""
    result: dict[str, Any] = {}
    began = time.perf_counter()
    asked = engine._job.ask(
        "chat",
        ids=ids,
        max_tokens=tokens,
        fresh=True,
        search={"do_sample": False, "min_length": len(ids) + tokens},
    )
    async for event in asked:
        if isinstance(event, Reply):
            result = event.result
    stats = result["stats"]
    return {
        "rate": stats["decode_tps"],
        "cpu": stats["cpu_s"],
        "text": result["text"],
        # The way of the question and of the last words through the pipe, and the search for the options.
        "around": time.perf_counter() - began - stats["total_s"],
    }


async def second_turn(engine: Engine, history: int, rounds: int) -> dict[str, Any]:
    """TTFT of a follow-up question with and without the cache of `history` tokens."""
    messages: list[dict[str, str]] = []
    used = 0
    while used < history:
        messages += [
            *QUESTION,
            {"role": "assistant", "content": "It stores weights in 4 bits. " * 8},
        ]
        used = (await engine.render(messages))["prompt_tokens"]
    first = [*messages, {"role": "user", "content": "What does it cost?"}]
    kept: list[float] = []
    fresh: list[float] = []
    reused = prompt = 0
    for _ in range(rounds):
        full = await engine.request(
            "chat", messages=first, max_tokens=8, search={"do_sample": False}, fresh=True
        )
        fresh.append(full["stats"]["ttft_s"])
        turns = [
            *first,
            {"role": "assistant", "content": full["text"]},
            {"role": "user", "content": "And how do I measure that?"},
        ]
        answer = await engine.request(
            "chat", messages=turns, max_tokens=8, search={"do_sample": False}
        )
        kept.append(answer["stats"]["ttft_s"])
        reused, prompt = answer["stats"]["reused_tokens"], answer["stats"]["prompt_tokens"]
        again = await engine.request(
            "chat", messages=turns, max_tokens=8, search={"do_sample": False}, fresh=True
        )
        fresh[-1] = again["stats"]["ttft_s"]
    return {
        "prompt_tokens": prompt,
        "reused_tokens": reused,
        "ttft_kept_s": statistics.median(kept),
        "ttft_full_s": statistics.median(fresh),
        "ratio": statistics.median(k / f for k, f in zip(kept, fresh, strict=True)),
    }


async def measure(folder: Path, tokens: int, rounds: int, history: int) -> dict[str, Any]:
    """Every figure of this file, for one artifact."""
    rates: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    around: list[float] = []
    plain = {"bare": Bare(folder, {}), "bare_no_spin": Bare(folder, THREADING)}
    try:
        async with open_engine(folder) as engine:
            ids = (await engine.render(QUESTION))["ids"]
            length = engine.loaded["max_length"]
            for number in range(rounds + 1):
                found: dict[str, float] = {}
                texts = set()
                # Each takes every place in the order in turn, so that none profits from its place.
                order = ["engine", *plain]
                for name in order[number % 3 :] + order[: number % 3]:
                    if name == "engine":
                        answer = await ours(engine, ids, tokens)
                        around.append(answer["around"])
                    else:
                        answer = plain[name].measure(ids, tokens, length)
                    found[name] = answer["rate"]
                    spent.setdefault(name, []).append(answer["cpu"])
                    texts.add(answer["text"])
                # The same words, or they were not doing the same work.
                assert len(texts) == 1
                if number:
                    for name, rate in found.items():
                        rates.setdefault(name, []).append(rate)
            turn = await second_turn(engine, history, rounds)
    finally:
        for child in plain.values():
            child.close()
    pairs = {
        f"engine_over_{name}": statistics.median(
            mine / theirs for mine, theirs in zip(rates["engine"], rates[name], strict=True)
        )
        for name in plain
    }
    return {
        "artifact": folder.name,
        "tokens": tokens,
        "rounds": rounds,
        "decode_tps": {name: statistics.median(values) for name, values in rates.items()},
        "best_decode_tps": {name: max(values) for name, values in rates.items()},
        "cpu_us_per_token": {
            name: 1e6 * statistics.median(values) / tokens for name, values in spent.items()
        },
        "ratios": pairs,
        "around_an_answer_s": statistics.median(around),
        # Other programs only slow a round down, so the fastest rounds compare best on a busy machine.
        "best_ratio": max(rates["engine"]) / max(rates["bare"]),
        "second_turn": turn,
    }


def main() -> None:
    """Arguments only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path, nargs="+")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--history", type=int, default=750)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare is not None:
        bare(str(given.artifact[0]), given.bare)
        return
    results = [
        asyncio.run(measure(folder, given.tokens, given.rounds, given.history))
        for folder in given.artifact
    ]
    document = {"schema": "firstlight/bench-decode/1", "machine": machine(), "results": results}
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
