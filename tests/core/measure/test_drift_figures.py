"""Every figure of drift against an independent float64 computation (tests/support/independent_drift.py), on the really converted sample."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift, measure_own_text
from firstlight_core.measure.reference import find_reference, read_text
from tests.conftest import make_once
from tests.support import independent_drift

QUESTIONS = (
    "What is int4 quantization?",
    "Which precision is the smallest?",
    "How do I measure speed?",
    "Tell me about the sea.",
)
TOKENS = 24
PRECISIONS = ("fp32", "int8", "int4")
TEXT = (
    "Each block of weights has a scale of its own. The harbour was quiet when the ferry came in, an hour late and half "
    "empty; on the quay stood a row of crates. An int8 artifact is larger than an int4 artifact, and closer to the original. "
    "Beside the crates stood a dog that belonged to nobody in particular, and looked at the water. To measure the speed of a "
    "model, count the tokens that it decodes in a second, and do not count the prompt; a busy machine spoils the figure. "
    "Nobody spoke while two men in orange jackets threw the ropes and a woman with a clipboard counted the cars."
)


def independent(
    source: Path,
    artifacts: Sequence[Path],
    folder: Path,
    questions: Sequence[str],
    texts: list[list[int]],
) -> None:
    """Write what the script finds, in a process of its own, to `figures.json` in the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "questions.json").write_text(json.dumps(list(questions)))
    (folder / "text.json").write_text(json.dumps(texts))
    done = subprocess.run(
        [
            sys.executable,
            independent_drift.__file__,
            str(source),
            str(folder / "questions.json"),
            str(TOKENS),
            str(folder / "text.json"),
            *map(str, artifacts),
        ],
        capture_output=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    (folder / "figures.json").write_bytes(done.stdout)


async def check_figures(
    source: Path,
    artifact: Path,
    folder: Path,
    *,
    zero: bool,
    questions: Sequence[str] = QUESTIONS,
    cache: Path | None = None,
    beside: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """Hold the product's figures on TEXT, and on the original's answers to questions, against the script's; returns the product's.

    `cache` holds what the original says, where several artifacts of one source are held against it; `beside` are those that
    the script looks at in the same process, for all who name this folder.
    """
    conversations = [[{"role": "user", "content": question}] for question in questions]
    reading = await read_text(source, TEXT, cache=cache)
    async with open_engine(artifact) as engine:
        measured = [await measure_own_text(engine, reading)]
        if conversations:
            reference = await find_reference(source, conversations, new_tokens=TOKENS, cache=cache)
            measured.append(await measure_drift(engine, reference, conversations))
    texts = [list(p["ids"]) for p in reading.prompts]
    artifacts = sorted({artifact, *beside})
    done = make_once(folder, lambda part: independent(source, artifacts, part, questions, texts))
    own = json.loads((done / "figures.json").read_text())[artifacts.index(artifact)]
    for figures_measured, wanted in zip(measured, (own["text"], own["answers"]), strict=False):
        assert figures_measured["tokens"] == wanted["tokens"]
        assert figures_measured["top1_agreement"] == wanted["top1_agreement"]
        # A percentile is one token's figure, which the last bit of the original's own float32 logits moves.
        for key, near in (("kl_mean", 1e-4), ("perplexity_ratio", 1e-4), ("kl_p95", 5e-4)):
            # Below 1e-9 both sides have float32's rounding only.
            assert figures_measured[key] == pytest.approx(wanted[key], rel=near, abs=1e-9), key
        if zero:
            assert abs(figures_measured["kl_mean"]) < 1e-8
            assert figures_measured["perplexity_ratio"] == pytest.approx(1, abs=1e-5)
        low, high = figures_measured["top1_interval"]
        assert low <= figures_measured["top1_agreement"] <= high
        for key, interval in (
            ("kl_mean", "kl_interval"),
            ("perplexity_ratio", "perplexity_interval"),
        ):
            low, high = figures_measured[interval]
            assert low <= figures_measured[key] <= high
    return measured


@pytest.mark.real
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.usefixtures("loaded_jobs")
async def test_the_samples_figures_are_those_of_an_independent_computation(
    artifact: Callable[[str], Path],
    sample: Path,
    shared_folder: Path,
    precision: str,
) -> None:
    text, answers = await check_figures(
        sample,
        artifact(precision, *PRECISIONS),
        shared_folder / "independent-drift",
        zero=precision == "fp32",
        cache=shared_folder / "drift-figures",
        beside=[artifact(other) for other in PRECISIONS],
    )
    assert text["text_tokens"] >= text["tokens"]
    assert text["stretches"] >= 2
    if precision == "int4":
        assert answers["kl_mean"] > 1e-6 < text["kl_mean"]
