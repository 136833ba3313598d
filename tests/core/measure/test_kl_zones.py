"""The zones of the drift gauge agree with the words of every artifact in the README's tables."""

import re
from pathlib import Path

import pytest

from firstlight_core.measure.drift_words import (
    KL_LIMITS,
    THRESHOLDS,
    closeness,
    kl_level,
    level_words,
)
from firstlight_core.precision.table import PRECISIONS

README = (Path(__file__).parents[3] / "README.md").read_text()
ROW = re.compile(r"^\| (\w+[\w ]*) \|.*\| ([\d.]+) % \| ([\d.]+) \| × ([\d.]+) \|", re.MULTILINE)
ROWS = [
    (name, float(share), float(kl), float(ratio)) for name, share, kl, ratio in ROW.findall(README)
]


def test_the_table_was_read() -> None:
    forms = sum(len(row.forms) for row in PRECISIONS)
    assert len(ROWS) == forms and {row.label for row in PRECISIONS} <= {name for name, *_ in ROWS}


@pytest.mark.parametrize(("name", "share", "nats", "ratio"), ROWS)
def test_a_real_artifact_lies_in_the_zone_of_its_word(
    name: str, share: float, nats: float, ratio: float
) -> None:
    word, _ = closeness({"top1_agreement": share / 100, "perplexity_ratio": ratio})
    assert kl_level(nats) == word, name


def test_every_word_has_one_zone_in_the_same_order() -> None:
    assert [level for level, _ in KL_LIMITS] == [level for level, _, _ in THRESHOLDS]
    assert [limit for _, limit in KL_LIMITS] == sorted(limit for _, limit in KL_LIMITS)
    # The sample's artifacts choose the original's token in at least 98 %.
    assert {kl_level(nats) for nats in (0.0, 2e-8, 4.5e-6, 3.8e-4, 9.8e-4)} == {"very-close"}
    assert kl_level(0.235) == "noticeable" and kl_level(0.24) == "far"
    assert level_words("very-close") == "very close"
