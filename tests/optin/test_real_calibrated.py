"""Rows rounded on a text, against INT4 to the nearest and INT4 quality: real weights, questions of no calibration."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift
from firstlight_core.measure.reference import find_reference

pytestmark = [pytest.mark.real, pytest.mark.slow]

QUESTIONS = (
    "What is a good way to learn a language?",
    "Write a short note to thank a neighbour.",
    "Who was Marie Curie?",
    "Explain what a database index is.",
    "Give three tips for a job interview.",
    "Write a haiku about autumn leaves.",
    "What happens when water freezes?",
    "How do I change a flat tyre?",
    "What is 17 times 6?",
    "Plan a day in a city by the sea.",
    "Write a SQL query that counts the rows of a table.",
    "Explain the word irony with an example.",
)


NEAREST = ("int4", "none")


async def test_smollm2_drifts_less_where_its_weights_are_rounded_on_a_text(
    real_folder: Callable[[str], Path],
    real_artifact: Callable[..., Path],
    record_property: Callable[[str, object], None],
) -> None:
    source = real_folder("smollm2")
    conversations = [[{"role": "user", "content": question}] for question in QUESTIONS]
    reference = await find_reference(source, conversations, new_tokens=48)
    drift = {}
    for build in (NEAREST, ("int4",), ("int4-quality",), ("int4-calibrated",)):
        async with open_engine(real_artifact("smollm2", *build)) as engine:
            measured = await measure_drift(engine, reference, conversations)
        drift[build] = measured["kl_mean"]
        record_property(f"kl_mean {' '.join(build)}", drift[build])
    assert drift["int4",] <= 0.8 * drift[NEAREST]
    assert drift["int4-calibrated",] <= 0.5 * drift[NEAREST]
    assert drift["int4-calibrated",] < drift["int4-quality",] < drift[NEAREST]
