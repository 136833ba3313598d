"""What may be claimed: a gain whose whole interval is one; and the drift that a user allows."""

import random
from collections.abc import Sequence

import pytest

from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import PeerFigures
from firstlight_core.errors import UsageError
from firstlight_core.measure.metrics import figure
from firstlight_core.tuning.budget import read_budget
from firstlight_core.tuning.gains import gain_words, gains, proven, slower
from firstlight_core.tuning.summary import peer_verdict
from firstlight_core.tuning.trial import combined


def series(seconds: Sequence[float]) -> list[Repetition]:
    return [{"total_s": s, "decode_tps": 10 / s, "prefill_tps": 100 / s} for s in seconds]


def noisy(chance: random.Random, seconds: float) -> list[Repetition]:
    return series([seconds * chance.lognormvariate(0, 0.03) for _ in range(11)])


@pytest.mark.slow
def test_noise_is_no_gain_and_a_planted_gain_is_one() -> None:
    chance = random.Random(7)
    claimed = sum(
        proven(gains([noisy(chance, 1.0)], [noisy(chance, 1.0)])["answer"]) for _ in range(200)
    )
    assert claimed <= 4
    seen = sum(
        proven(gains([noisy(chance, 0.9)], [noisy(chance, 1.0)])["answer"]) for _ in range(50)
    )
    assert seen >= 48


def test_gains_at_several_lengths_are_one_figure() -> None:
    new, old = [series([1.0] * 5), series([4.0] * 5)], [series([2.0] * 5), series([4.0] * 5)]
    gain = gains(new, old)
    assert gain["answer"]["ratio"] == pytest.approx(2**0.5)
    assert proven(gain["answer"])
    assert slower(gains(old, new)["answer"])
    assert 0.97 < gain["level"] < 1


def test_words_say_what_is_noise() -> None:
    assert gain_words({"ratio": 1.2, "interval": [1.1, 1.3]}) == "1.20 × (1.10 to 1.30)"
    assert gain_words({"ratio": 0.8, "interval": [0.7, 0.9]}) == "0.80 × (0.70 to 0.90)"
    inside = gain_words({"ratio": 1.05, "interval": [0.98, 1.1]})
    assert inside == "1.05 × (0.98 to 1.10, inside the noise)"
    assert "too few" in gain_words(gains([series([1.0])], [series([2.0])])["answer"])


def test_a_peer_that_is_faster_is_called_so() -> None:
    peer: PeerFigures = {
        "name": "llama.cpp",
        "program": "/llama-bench",
        "version": "b11434",
        "model": "/m.gguf",
        "label": "llama 135M Q4_0",
        "threads": 2,
        "total_s": figure([1.0]),
        "decode_tps": figure([1.0]),
        "prefill_tps": figure([1.0]),
        "by_length": [],
        "gain": gains([series([1.0] * 5)], [series([0.8] * 5)]),
    }
    words = peer_verdict(peer)
    assert words.startswith(
        "Against llama.cpp b11434 (llama 135M Q4_0), measured in turns: slower."
    )
    peer["gain"] = gains([series([1.0] * 5)], [series([1.01] * 5)])
    assert "as fast, as far as can be told" in peer_verdict(peer)


def test_a_round_over_several_lengths_is_their_geometric_mean() -> None:
    (single,) = series([2.0])
    assert combined([single]) is single
    both = combined(series([1.0, 4.0]))
    assert both["total_s"] == pytest.approx(2.0)
    assert both["decode_tps"] == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("text", "limit", "words"),
    [
        (None, 0.44, None),
        ("0.05", 0.05, "0.05"),
        ("1.5x", 0.6, "1.5x"),
        (" 2 X", 0.8, "2x"),
        ("0x", 1e-9, "0x"),
    ],
)
def test_the_budget_is_in_nats_or_times_the_row(
    text: str | None, limit: float, words: str | None
) -> None:
    budget = read_budget(text)
    allowed = budget.limit(0.4, "INT4")
    assert allowed["kl_mean"] == pytest.approx(limit)
    assert ("as you asked" in allowed["why"]) == (text is not None)
    assert budget.words == words


@pytest.mark.parametrize("text", ["", "x", "nan", "infx", "-0.1", "10%"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no drift budget"):
        read_budget(text)
