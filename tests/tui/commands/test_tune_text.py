"""`firstlight tune` as text: the verdict first, what is allowed and taken over, each length, and the peer."""

import pytest

from firstlight_core.documents.tuning import LengthFigures, PublishedTuningDocument
from firstlight_core.measure.metrics import figure
from firstlight_tui.commands.tune_ import _show
from tests.tui.benchmark.test_tune import BUILD, PEER

EACH: list[LengthFigures] = [
    {
        "prompt_tokens": length,
        "total_s": figure([length / 100]),
        "decode_tps": figure([10.0]),
        "prefill_tps": figure([100.0]),
    }
    for length in (128, 512)
]


def test_every_part_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    document: PublishedTuningDocument = {
        **BUILD,
        "best": {**BUILD["best"], "by_length": EACH, "gain": PEER["gain"]},
        "machine": {**BUILD["machine"], "memory": "16 GB"},
        "lengths": [128, 512],
        "peer": {**PEER, "by_length": EACH},
        "taken_over": {"builds": 4, "measurements": 1},
    }
    _show(document)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "Against what Olive makes, measured in turns: answer 1.25 × (1.20 to 1.30), decode 1.25 × (1.20 to 1.30), "
        "prefill 1.00 × (0.90 to 1.10, inside the noise).",
        "Against llama.cpp b11434 (llama 135M Q4_0), measured in turns: faster. decode 1.25 × (1.20 to 1.30), "
        "prefill 1.00 × (0.90 to 1.10, inside the noise), answer 1.25 × (1.20 to 1.30).",
        "Drift allowed: a mean KL of 1 nats, as you asked.",
        "Taken over from an earlier tuning: 4 builds and 1 measurement.",
    ]
    assert (
        "An answer: 128 / 512 tokens read, 64 written, geometric mean; medians, measured" in lines
    )
    assert sum("512 tokens of prompt" in line and "5.12 s" in line for line in lines) == 2
    assert any(line.startswith("  llama.cpp, llama 135M Q4_0") for line in lines)
    assert lines[-1] == "Published: /models/out/int4-tuned"
    figures = [line for line in lines if line.startswith("  ") and line.rstrip().endswith("3")]
    assert figures, "the rounds stand at the end of a setting's line"
