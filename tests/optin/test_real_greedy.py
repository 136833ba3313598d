"""Real weights: greedy answers are the same each time, and every figure of drift is that of an independent computation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents import jobs_engine
from firstlight_core.inference.engine import Engine, open_engine
from tests.core.measure.test_drift_figures import check_figures

LENGTHS = (1, 2, 63, 64, 65, 127, 128, 129, 200)
TEXT = (
    "The harbour was quiet when the ferry came in, an hour late and half empty. Two men in orange jackets threw the ropes, "
    "and a woman with a clipboard counted the cars. Nobody spoke. "
)
QUESTIONS = (
    "What is the capital of Italy?",
    "Write one sentence about the sea.",
    "Name three fruits.",
    "Why is the sky blue?",
)


async def _answer(engine: Engine, ids: list[int], **more: Any) -> tuple[Any, ...]:
    """Tokens of a greedy answer, and the exact probabilities of the likeliest hundred at its first and fifth place."""
    request = {"ids": ids, "max_tokens": 24, "search": {"do_sample": False}, "stream": False}
    tokens = (await engine.call(jobs_engine.CHAT({**request, **more})))["tokens"]
    seen = [
        await engine.call(jobs_engine.ALTERNATIVES({"ids": ids, "tokens": spoken, "count": 100}))
        for spoken in (tokens[:4], [])
    ]
    return tokens, seen


@pytest.mark.parametrize("precision", ["int8", "int4"])
async def test_greedy_answers_are_the_same_each_time(
    real_artifact: Callable[[str, str], Path], precision: str
) -> None:
    folder = real_artifact("smollm2", precision)
    async with open_engine(folder) as engine:
        ids = (await engine.render([{"role": "user", "content": TEXT * 8}]))["ids"]
        first = {count: await _answer(engine, ids[:count]) for count in LENGTHS}
        for _ in range(2):
            for count in reversed(LENGTHS):
                assert await _answer(engine, ids[:count]) == first[count], count
        # A conversation of three turns, whose answers the cache has from decoding.
        turns: list[dict[str, str]] = []
        lines = []
        for question in QUESTIONS[:3]:
            turns.append({"role": "user", "content": question})
            lines.append(await engine.answer(turns, greedy=True, max_tokens=48))
            turns.append({"role": "assistant", "content": lines[-1]["text"]})
        again = await engine.answer(turns[:-1], greedy=True, max_tokens=48)
    async with open_engine(folder, max_length=1024) as fresh:
        for count in (65, 129, 200):
            assert await _answer(fresh, ids[:count]) == first[count], count
        alone = await fresh.answer(turns[:-1], greedy=True, max_tokens=48)
    assert alone["tokens"] == again["tokens"] == lines[-1]["tokens"]


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("smollm2", "fp32"),
        ("smollm2", "int8"),
        ("smollm2", "int4"),
        ("gemma3", "fp32"),
        ("gemma3", "int4"),
    ],
)
async def test_figures_of_drift_are_those_of_an_independent_computation(
    real_folder: Callable[[str], Path],
    real_artifact: Callable[[str, str], Path],
    tmp_path: Path,
    name: str,
    precision: str,
) -> None:
    # A base model has no template to ask questions with.
    await check_figures(
        real_folder(name),
        real_artifact(name, precision),
        tmp_path / "independent",
        zero=(name, precision) == ("smollm2", "fp32"),
        questions=QUESTIONS if name == "smollm2" else (),
    )
