"""Drift: the block-wise arithmetic against the plain formula, and the document made of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight_core.documents import jobs_engine
from firstlight_core.errors import CheckFailed, InputRefused, ModelRefused
from firstlight_core.jobs.drift import TokenScores, score_token, stretches
from firstlight_core.measure import metrics
from firstlight_core.measure.drift import drift_figures, measure_drift
from firstlight_core.measure.reference import Reference, find_reference, load_text
from firstlight_core.process.operations import Call
from tests.support.tiny_models import tiny_hf


def fields() -> TokenScores:
    return TokenScores(kl=[], agree=[], logprob=[], reference=[], top=[])


def plain_log_softmax(row: list[float]) -> list[float]:
    most = max(row)
    total = math.log(math.fsum(math.exp(value - most) for value in row))
    return [value - most - total for value in row]


def test_scores_equal_the_plain_formulas() -> None:
    chance = np.random.default_rng(1)
    logits = chance.normal(size=(5, 40)).astype(np.float32) * 4
    original = chance.normal(size=(5, 40)).astype(np.float32) * 4 + 30
    scores = fields()
    for index in range(5):
        token = index * 7
        score_token(scores, logits[index], original[index], token)
        own = plain_log_softmax(logits[index].tolist())
        reference = plain_log_softmax(original[index].tolist())
        kl = metrics.kl_divergence(reference, own)
        assert scores["kl"][index] == pytest.approx(kl, rel=1e-12)
        assert scores["logprob"][index] == pytest.approx(own[token], rel=1e-12)
        assert scores["reference"][index] == pytest.approx(reference[token], rel=1e-12)
        assert scores["agree"][index] == (own.index(max(own)) == reference.index(max(reference)))
        assert scores["top"][index] == own.index(max(own))


def test_equal_distributions_have_no_drift_however_large_the_vocabulary() -> None:
    """In float32 the sum over 49,152 probabilities alone is off by 7e-6."""
    logits = np.random.default_rng(2).normal(size=49_152).astype(np.float32) * 3
    scores = fields()
    score_token(scores, logits, logits, 5)
    # A constant added to all logits is no difference, and neither is padding at the end.
    score_token(scores, np.append(logits + np.float32(0.5), [-3.0]), logits, 5)
    assert abs(scores["kl"][0]) < 1e-14
    assert abs(scores["kl"][1]) < 1e-11
    assert scores["agree"] == [True, True]


def test_a_mean_is_not_clamped_at_zero() -> None:
    """Tokens that rounding puts below zero weigh like those it puts above."""
    scores = {**scored([-2e-12, 1e-12], [True, True])}
    assert drift_figures([scores])["kl_mean"] == pytest.approx(-5e-13)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_fail_the_check(bad: float) -> None:
    with pytest.raises(CheckFailed, match="not finite"):
        score_token(fields(), np.array([bad, 0.0]), np.zeros(2), 0)


def test_a_text_is_read_in_stretches_spread_over_it() -> None:
    text = list(range(10_000))
    pieces = stretches(text, width=128, count=8)
    assert [len(piece) for piece in pieces] == [128] * 8
    assert (pieces[0][0], pieces[-1][-1]) == (0, 9_999)
    assert [i for piece in stretches(text[:1024], width=128, count=8) for i in piece] == text[:1024]
    # Shorter ones are cut narrower, down to 32 tokens.
    assert [len(piece) for piece in stretches(text[:500], width=128, count=8)] == [63] * 7 + [59]
    assert [len(piece) for piece in stretches(text[:70], width=128, count=8)] == [32, 32, 6]
    assert [len(piece) for piece in stretches(text[:33], width=128, count=8)] == [32]
    assert stretches(text[:1], width=128, count=8) == stretches([], width=128, count=8) == []


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b" \n", "empty"), (b"\xff\xfea", "UTF-8"), (b"a\0b", "NUL"), (None, "no text file")],
)
def test_a_text_that_cannot_be_read_is_refused(
    tmp_path: Path, raw: bytes | None, words: str
) -> None:
    path = tmp_path / "text.txt"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(InputRefused, match=words) as caught:
        load_text(path)
    assert caught.value.hint


class StandIn:
    """An engine that returns prepared scores, one entry a prompt."""

    def __init__(self, scored: list[Any]) -> None:
        self.scored = iter(scored)

    async def call(self, call: Call[Any]) -> Any:
        assert call.op == jobs_engine.COMPARE.name
        scores = next(self.scored)
        if isinstance(scores, Exception):
            raise scores
        return scores

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
        rows=Path("rows.bin"), vocab=9, prompts=prompts, text_tokens=0, forward_s=1, cached=True
    )


async def test_the_document_of_hand_made_scores() -> None:
    engine: Any = StandIn(
        [
            scored([0.0, 0.2], [True, False]),
            InputRefused("too long"),
            scored([0.0, 0.0], [True, True]),
        ]
    )
    conversations = [[{"role": "user", "content": f"question {n}"}] for n in range(3)]
    drift_document = await measure_drift(engine, reference(3), conversations)
    assert drift_document["top1_agreement"] == pytest.approx(3 / 4)
    assert drift_document["kl_mean"] == pytest.approx(0.05)
    assert drift_document["kl_p95"] == pytest.approx(0.17)
    assert drift_document["perplexity_ratio"] == pytest.approx(2)
    low, high = drift_document["top1_interval"]
    assert 0 < low < 3 / 4 < high < 1
    # Two prompts say nothing of how prompts differ.
    assert "kl_interval" not in drift_document and "perplexity_interval" not in drift_document
    assert (
        drift_document["prompts"],
        drift_document["prompts_skipped"],
        drift_document["prompts_equal"],
    ) == (2, 1, 2)
    assert (drift_document["prompts_diverged"], drift_document["first_divergence"]) == (1, 1)
    worst = drift_document["worst"][0]
    assert worst["prompt"] == "question 0"
    assert (worst["original"], worst["artifact"]) == ("four bits", "four bytes")
    assert worst["texts_differ_at"] == 6


async def test_no_prompt_that_fits_is_said() -> None:
    engine: Any = StandIn([InputRefused("too long")])
    with pytest.raises(InputRefused, match="None of the prompts"):
        await measure_drift(engine, reference(1), [[{"role": "user", "content": "x"}]])


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_the_reference_is_kept_and_a_damaged_one_made_again(
    tmp_path: Path, sample: Path
) -> None:
    conversations = [[{"role": "user", "content": "What is int4?"}]]
    cache = tmp_path / "cache"
    first = await find_reference(sample, conversations, new_tokens=8, cache=cache)
    assert first.cached is False
    again = await find_reference(sample, conversations, new_tokens=8, cache=cache)
    assert again.cached is True
    assert again.prompts == first.prompts
    assert [entry.name for entry in cache.iterdir()] == [first.rows.parent.name]
    first.rows.write_bytes(first.rows.read_bytes()[:-1])
    third = await find_reference(sample, conversations, new_tokens=8, cache=cache)
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
