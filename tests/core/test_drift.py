"""Drift: the block-wise arithmetic against the plain formula, and the document made of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight_core.errors import CheckFailed, InputRefused, ModelRefused
from firstlight_core.jobs.drift import _score
from firstlight_core.measure import metrics
from firstlight_core.measure.drift import Reference, find_reference, measure_drift
from tests.core.tiny_models import tiny_hf


def fields() -> dict[str, Any]:
    return {"kl": [], "agree": [], "logprob": [], "reference": [], "top": []}


def plain_log_softmax(row: list[float]) -> list[float]:
    total = math.log(math.fsum(math.exp(value) for value in row))
    return [value - total for value in row]


def test_scores_equal_the_plain_formulas() -> None:
    chance = np.random.default_rng(1)
    logits = chance.normal(size=(5, 40)).astype(np.float32) * 4
    original = chance.normal(size=(5, 40)).astype(np.float32) * 4
    rows = np.array([plain_log_softmax(row.tolist()) for row in original], dtype=np.float32)
    tokens = rows.argmax(axis=1).tolist()
    found = fields()
    _score(found, logits, rows, tokens)
    for index, token in enumerate(tokens):
        own = plain_log_softmax(logits[index].tolist())
        kl = metrics.kl_divergence(rows[index].tolist(), own)
        assert found["kl"][index] == pytest.approx(kl, abs=1e-4)
        assert found["logprob"][index] == pytest.approx(own[token], abs=1e-4)
        assert found["reference"][index] == pytest.approx(float(rows[index][token]))
        assert found["agree"][index] == (own.index(max(own)) == token)
        assert found["top"][index] == own.index(max(own))


def test_equal_distributions_have_no_drift() -> None:
    rows = np.array([plain_log_softmax([1.0, 2.0, 3.0])], dtype=np.float32)
    found = fields()
    _score(found, np.array([[1.0, 2.0, 3.0]], dtype=np.float32), rows, [2])
    assert found["kl"][0] == pytest.approx(0, abs=1e-6)
    assert found["agree"] == [True]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_fail_the_check(bad: float) -> None:
    rows = np.zeros((1, 2), dtype=np.float32)
    with pytest.raises(CheckFailed, match="not finite"):
        _score(fields(), np.array([[bad, 0.0]], dtype=np.float32), rows, [0])


class StandIn:
    """An engine that says what its table says of each prompt."""

    def __init__(self, scored: list[Any]) -> None:
        self.scored = iter(scored)

    async def request(self, op: str, **values: Any) -> dict[str, Any]:
        assert op == "compare"
        found = next(self.scored)
        if isinstance(found, Exception):
            raise found
        return dict(found)

    async def render(self, messages: Any) -> dict[str, Any]:
        return {"ids": [1, 2]}

    async def answer(self, messages: Any, **settings: Any) -> dict[str, Any]:
        return {"text": "four bytes"}


def scored(kl: list[float], agree: list[bool]) -> dict[str, Any]:
    return {
        "kl": kl,
        "agree": agree,
        "logprob": [math.log(0.25)] * len(kl),
        "reference": [math.log(0.5)] * len(kl),
        "top": [0] * len(kl),
    }


def reference(count: int) -> Reference:
    prompts = [
        {"ids": [1, 2, 7, 8], "prompt_tokens": 2, "text": "four bits", "first_row": 2 * n}
        for n in range(count)
    ]
    return Reference(
        rows=Path("rows.bin"), dtype="float32", vocab=9, prompts=prompts, forward_s=1, cached=True
    )


async def test_the_document_of_hand_made_scores() -> None:
    engine: Any = StandIn(
        [
            scored([0.0, 0.2], [True, False]),
            InputRefused("too long"),
            scored([0.0, 0.0], [True, True]),
        ]
    )
    asked = [[{"role": "user", "content": f"question {n}"}] for n in range(3)]
    found = await measure_drift(engine, reference(3), asked)
    assert found["top1_agreement"] == pytest.approx(3 / 4)
    assert found["kl_mean"] == pytest.approx(0.05)
    assert found["kl_p95"] == pytest.approx(0.17)
    assert found["perplexity_ratio"] == pytest.approx(2)
    assert (found["prompts"], found["prompts_skipped"], found["prompts_equal"]) == (2, 1, 2)
    assert (found["prompts_diverged"], found["first_divergence"]) == (1, 1)
    worst = found["worst"][0]
    assert worst["prompt"] == "question 0"
    assert (worst["original"], worst["artifact"]) == ("four bits", "four bytes")
    assert worst["texts_differ_at"] == 6


async def test_no_prompt_that_fits_is_said() -> None:
    engine: Any = StandIn([InputRefused("too long")])
    with pytest.raises(InputRefused, match="None of the prompts"):
        await measure_drift(engine, reference(1), [[{"role": "user", "content": "x"}]])


@pytest.mark.real
async def test_the_reference_is_kept_and_a_damaged_one_made_again(
    tmp_path: Path, sample: Path
) -> None:
    asked = [[{"role": "user", "content": "What is int4?"}]]
    cache = tmp_path / "cache"
    first = await find_reference(sample, asked, new_tokens=8, cache=cache)
    assert first.cached is False
    again = await find_reference(sample, asked, new_tokens=8, cache=cache)
    assert again.cached is True
    assert again.prompts == first.prompts
    assert [entry.name for entry in cache.iterdir()] == [first.rows.parent.name]
    first.rows.write_bytes(first.rows.read_bytes()[:-1])
    third = await find_reference(sample, asked, new_tokens=8, cache=cache)
    assert third.cached is False
    assert third.prompts == first.prompts


async def test_a_broken_source_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = tiny_hf(tmp_path / "hf")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    cache = tmp_path / "cache"
    with pytest.raises(ModelRefused):
        await find_reference(source, [[{"role": "user", "content": "x"}]], cache=cache)
    assert not cache.exists() or not list(cache.iterdir())
