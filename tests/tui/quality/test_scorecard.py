"""A quality document as a scorecard: verdict, tiles, gauge, worst example."""

from firstlight_core.documents.measure import CheckRow, DriftDocument, QualityDocument
from firstlight_core.measure.quality_verdict import usability
from firstlight_tui.steps.quality.scorecard import (
    check_tiles,
    drift_line,
    headline,
    prompt_drift,
    worst_example,
)
from firstlight_tui.widgets.drift_plot import documents_of, drift_gauge
from tests.support.chart_gallery import text_of

CHECKS: list[CheckRow] = [
    {
        "id": "domain-answers",
        "title": "Domain questions are answered",
        "status": "pass",
        "evidence": {"summary": "", "right": 38, "asked": 39},
    },
    {
        "id": "answer-format",
        "title": "",
        "status": "pass",
        "evidence": {"summary": "", "faults": []},
    },
    {
        "id": "memory-leak",
        "title": "",
        "status": "pass",
        "evidence": {
            "summary": "",
            "bytes_per_generation": {"value": -512.0, "low": -900.0, "high": 100.0},
        },
    },
    {
        "id": "consistent-speed",
        "title": "",
        "status": "needs-you",
        "evidence": {
            "summary": "",
            "slowest_share": 0.62,
            "decode_tps": {"32": 100.0, "512": 62.0, "128": 90.0},
        },
    },
    {
        "id": "edge-cases",
        "title": "",
        "status": "fail",
        "evidence": {
            "summary": "",
            "cases": [
                {"name": "a", "outcome": "answered", "words": ""},
                {"name": "b", "outcome": "failed", "words": ""},
            ],
        },
    },
]
DRIFT: DriftDocument = {
    "top1_agreement": 0.964,
    "kl_mean": 0.0048,
    "kl_p95": 0.02,
    "perplexity_ratio": 1.0088,
    "prompts": 20,
    "prompts_equal": 20,
    "prompts_skipped": 0,
    "prompts_diverged": 2,
    "first_divergence": 5,
    "reference_cached": True,
    "kl_by_prompt": [1e-4, 6e-3, 2e-4],
    "worst": [
        {
            "prompt": "What is int4?",
            "kl_mean": 0.006,
            "original": "It stores 4 bits.",
            "artifact": "It stores four bits.",
            "first_divergence": 5,
            "texts_differ_at": 10,
        }
    ],
    "closeness": "close",
    "closeness_sure": True,
}


def quality(*checks: CheckRow, ok: bool = True, target: str = "/m/int8") -> QualityDocument:
    return {
        "kind": "quality",
        "ok": ok,
        "target": target,
        "prompts": "sample",
        "checks": list(checks),
        "drift": DRIFT,
        "answers": [],
        "verdict": "",
    }


def test_the_verdict_is_the_headline() -> None:
    assert headline(quality(*CHECKS[:3])).plain == (
        " ✓ USABLE   3 of 3 checks passed · close to the original"
    )
    assert "! USABLE WITH CAUTION" in headline(quality(*CHECKS[:4])).plain
    assert "✗ NOT GOOD ENOUGH" in headline(quality(*CHECKS, ok=False)).plain
    assert usability(quality(*CHECKS[:3])) == "usable"


def test_each_check_is_a_tile_with_its_figure() -> None:
    tiles = check_tiles(quality(*CHECKS))
    assert [(tile.title, tile.figure, tile.verdict) for tile in tiles] == [
        ("answers", "38 of 39", "passed"),
        ("format", "0 faults", "passed"),
        ("memory", "−512 B", "passed"),
        ("speed", "≥ 62 %", "needs you"),
        ("edge cases", "1 of 2", "failed"),
    ]
    assert [tile.judged for tile in tiles] == ["good", "good", "good", "caution", "bad"]
    # By length, not by the text of the length.
    assert tiles[3].detail == "█▇▅"
    # A check without a figure has no word in its place: the verdict below says it.
    (plain,) = check_tiles(quality({**CHECKS[0], "evidence": {"summary": "passed"}}))
    assert (plain.figure, plain.verdict) == ("–", "passed")
    skipped: CheckRow = {"id": "new", "title": "", "status": "not-run", "evidence": {"summary": ""}}
    (tile,) = check_tiles(quality(skipped))
    assert (tile.title, tile.figure, tile.verdict) == ("new", "–", "not run")


def test_the_drift_of_every_target_stands_on_one_scale() -> None:
    several = [quality(), quality(target="/m/int4")]
    gauge = drift_gauge(several, {"/m/int4": "INT4"}, "/m/int4")
    assert gauge is not None
    assert [(marker.label, marker.selected) for marker in gauge.markers] == [
        ("int8", False),
        ("INT4", True),
    ]
    no_drift = quality()
    del no_drift["drift"]
    assert drift_gauge([no_drift], {}, None) is None
    assert documents_of({"kind": "qualities", "ok": True, "artifacts": several}) == several
    assert documents_of(several[0]) == several[:1]


def test_the_figures_beside_the_divergence() -> None:
    (text,) = text_of(drift_line(DRIFT), 100)
    assert "Same next token 96.4 %" in text and "×1.009" in text and "18 of 20" in text
    # A narrow terminal cuts none of them in two.
    assert [line.strip()[:22] for line in text_of(drift_line(DRIFT), 52)] == [
        "Same next token 96.4 %",
        "Perplexity ×1.009   Sa",
    ]
    prompts = prompt_drift(DRIFT)
    assert prompts is not None and "0.006" in text_of(prompts, 60)[0]
    older = DRIFT.copy()
    del older["kl_by_prompt"]
    assert prompt_drift(older) is None


def test_the_worst_example_shows_what_changed() -> None:
    text = worst_example(DRIFT, "INT8")
    assert text is not None
    first, original, artifact = text.plain.split("\n")
    assert "What is int4?" in first and "KL 0.006 at token 6" in first
    assert original.endswith("│ It stores 4 bits.")
    assert "INT8     │ It stores 4four bits." in artifact
    nothing = DRIFT.copy()
    nothing["worst"] = []
    assert worst_example(nothing, "INT8") is None
