"""INT4 calibrated on real weights, against INT4 and INT4 quality, on questions that it was not rounded on."""

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


async def test_smollm2_drifts_at_most_six_tenths_as_far_as_int4(
    real_folder: Callable[[str], Path],
    real_artifact: Callable[[str, str], Path],
    record_property: Callable[[str, object], None],
) -> None:
    source = real_folder("smollm2")
    conversations = [[{"role": "user", "content": question}] for question in QUESTIONS]
    reference = await find_reference(source, conversations, new_tokens=48)
    by_name = {}
    for key in ("int4", "int4-quality", "int4-calibrated"):
        folder = real_artifact("smollm2", key)
        async with open_engine(folder) as engine:
            by_name[key] = await measure_drift(engine, reference, conversations)
        record_property(f"kl_mean {key}", by_name[key]["kl_mean"])
    assert by_name["int4-calibrated"]["kl_mean"] <= 0.6 * by_name["int4"]["kl_mean"]
