"""Which row fits a goal, before and after measurements; the Pareto front; figures joined by artifact."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.documents.measure import BenchDocument, CheckRow, QualityDocument
from firstlight_core.estimate.calibrated_offer import offer_calibrated
from firstlight_core.estimate.measured_figures import Figures, Measurements, measured_figures
from firstlight_core.estimate.recommendation import GOALS, next_goal, pareto_front, recommend
from firstlight_core.ledger import Entry
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.session import Session
from tests.support.measured_documents import (
    bench_case,
    bench_document,
    bench_result,
    check_row,
    drift_document,
    figure,
    qualities_document,
    quality_document,
)

MIB = 2**20
ESTIMATES: dict[str, dict[str, Any]] = {
    key: {"bytes": size * MIB, "run_ram_bytes": ram * MIB, "available": True}
    for key, size, ram in (
        ("fp32", 90, 200),
        ("fp16", 45, 200),
        ("int8", 50, 160),
        ("int8-compact", 30, 150),
        ("int4", 18, 130),
        ("int4-compact", 15, 128),
        ("int4-quality", 23, 135),
        ("int4-calibrated", 20, 132),
    )
}


def figures(key: str, **values: Any) -> dict[str, Figures]:
    return {key: Figures(precision=key, artifact=f"/out/{key}", **values)}


@pytest.mark.parametrize(
    ("goal", "row"),
    [("smallest", "int4-compact"), ("fastest", "int4-compact"), ("closest", "fp16")],
)
def test_without_measurements_estimates_decide(goal: str, row: str) -> None:
    advice = recommend(goal, ESTIMATES, {})
    assert advice is not None
    assert (advice.precision, advice.basis) == (row, "estimate")
    assert "estimate" in advice.sentence


def test_a_measured_size_takes_the_place_of_its_estimate() -> None:
    advice = recommend("smallest", ESTIMATES, figures("int4", bytes=10 * MIB))
    assert advice is not None
    assert (advice.precision, advice.basis) == ("int4", "measured")
    assert "10.0 MiB (measured), before INT4 compact with 15.0 MiB (estimate)" in advice.sentence


def test_one_measured_speed_compares_nothing_two_do() -> None:
    first = figures("int8", decode_tps=900.0)
    advice = recommend("fastest", ESTIMATES, first)
    assert advice is not None and advice.basis == "estimate"
    two = first | figures("int4-compact", decode_tps=700.0)
    advice = recommend("fastest", ESTIMATES, two)
    assert advice is not None
    assert (advice.precision, advice.basis) == ("int8", "measured")
    assert "of the 2 rows measured here: 900 tokens/s" in advice.sentence


def test_overlapping_spreads_are_said() -> None:
    apart = figures("int8", decode_tps=900.0, decode_range=(890.0, 910.0)) | figures(
        "int4", decode_tps=700.0, decode_range=(690.0, 710.0)
    )
    close = apart | figures("int4", decode_tps=895.0, decode_range=(880.0, 905.0))
    for known, overlap in ((apart, False), (close, True)):
        advice = recommend("fastest", ESTIMATES, known)
        assert advice is not None and ("overlap" in advice.sentence) is overlap


def test_speeds_of_a_void_benchmark_decide_nothing() -> None:
    known = figures("int8", decode_tps=900.0, void=True) | figures(
        "int4", decode_tps=700.0, void=True
    )
    advice = recommend("fastest", ESTIMATES, known)
    assert advice is not None and advice.basis == "estimate"


def test_drift_decides_what_is_closest_and_the_reference_does_not_take_part() -> None:
    known = (
        figures("fp32", kl_mean=0.0)
        | figures("int4-quality", kl_mean=0.002)
        | figures("int8", kl_mean=0.004)
    )
    advice = recommend("closest", ESTIMATES, known)
    assert advice is not None
    assert (advice.precision, advice.basis) == ("int4-quality", "measured")
    assert "mean KL 0.002, before INT8" in advice.sentence


def refuted(key: str, *, drifted: bool = True, **values: Any) -> dict[str, Figures]:
    return figures(key, usable=False, drifted=drifted, **values)


@pytest.mark.parametrize("goal", [goal.key for goal in GOALS])
def test_a_row_that_quality_refuted_is_never_recommended(goal: str) -> None:
    first = recommend(goal, ESTIMATES, {})
    assert first is not None
    known: dict[str, Figures] = {}
    seen = []
    # Whatever is recommended is checked and refuted, until nothing is left.
    for _ in ESTIMATES:
        advice = recommend(goal, ESTIMATES, known)
        assert advice is not None and advice.precision and advice.precision not in known
        assert all(f"{label}" in advice.sentence for label in seen)
        known |= refuted(advice.precision, bytes=1, kl_mean=0.0, decode_tps=1e6)
        seen.append(next(row.label for row in PRECISIONS if row.key == advice.precision))
    nothing = recommend(goal, ESTIMATES, known)
    assert nothing is not None and nothing.precision == ""
    assert "not good enough, and no other row can run here" in nothing.sentence


def test_fewer_bits_than_a_row_that_drifted_too_far_come_last() -> None:
    # INT4 is far from the original: INT4 compact keeps fewer bits, INT4 quality more.
    advice = recommend("smallest", ESTIMATES, refuted("int4"))
    assert advice is not None and advice.precision == "int4-calibrated"
    assert (
        "Left out, not good enough by Quality: INT4; of fewer bits than a row that drifted too far: INT4 compact."
        in advice.sentence
    )
    # A check that fails says nothing about other rows.
    advice = recommend("smallest", ESTIMATES, refuted("int4", drifted=False))
    assert advice is not None and advice.precision == "int4-compact"
    # Measured and good enough: no doubt about it.
    known = refuted("int4") | figures("int4-compact", usable=True, bytes=15 * MIB)
    advice = recommend("smallest", ESTIMATES, known)
    assert advice is not None and advice.precision == "int4-compact"
    only = {key: {**row, "available": "int4" in key} for key, row in ESTIMATES.items()}
    known = refuted("int4") | refuted("int4-quality") | refuted("int4-calibrated")
    advice = recommend("smallest", only, known)
    assert advice is not None and advice.precision == "int4-compact", "better than a refuted one"


def test_a_calibrated_row_is_offered_where_int4_drifts_noticeably() -> None:
    guesses = {key: {**row, "seconds": 60.0} for key, row in ESTIMATES.items()}
    close = figures("int4", kl_mean=0.02, closeness="close", bytes=18 * MIB, seconds=6.0)
    far = figures("int4", kl_mean=0.4, closeness="far", bytes=18 * MIB, seconds=6.0)
    assert offer_calibrated(guesses, {}) == offer_calibrated(guesses, close) == ""
    offer = offer_calibrated(guesses, far)
    assert offer.startswith("INT4 is noticeably different (mean KL 0.4): INT4 calibrated stores")
    assert "2.00 MiB more, about 60 s to convert; estimate" in offer
    for goal in GOALS:
        advice = recommend(goal.key, guesses, far)
        assert advice is not None and advice.sentence.endswith(offer)
    # What was measured takes the place of what was guessed.
    made = figures("int4-calibrated", kl_mean=0.2, bytes=20 * MIB, seconds=90.0)
    offer = offer_calibrated(guesses, far | made)
    assert "mean KL 0.2 instead of 0.4 (0.50 ×), 20.0 MiB instead of 18.0 MiB" in offer
    assert "converted in" in offer
    # Where it cannot be made, or was refuted, it is not offered.
    blocked = guesses | {"int4-calibrated": {"available": False}}
    assert offer_calibrated(blocked, far) == ""
    assert offer_calibrated(guesses, far | refuted("int4-calibrated")) == ""


def test_rows_that_cannot_run_are_not_recommended() -> None:
    only = {key: {**row, "available": key == "fp32"} for key, row in ESTIMATES.items()}
    for goal in GOALS:
        advice = recommend(goal.key, only, {})
        assert advice is not None and advice.precision == "fp32"
    none = {key: {**row, "available": False} for key, row in ESTIMATES.items()}
    assert recommend("smallest", none, {}) is None


def test_goals_go_round() -> None:
    keys = [GOALS[0].key]
    for _ in GOALS:
        keys.append(next_goal(keys[-1]).key)
    assert keys == ["smallest", "fastest", "closest", "smallest"]
    assert next_goal("unheard of").key == "fastest"


POINTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.tuples(st.integers(0, 9).map(float), st.integers(0, 9).map(float)),
    max_size=8,
)


@given(POINTS)
def test_the_front_is_beaten_by_none_and_beats_the_rest(
    points: dict[str, tuple[float, float]],
) -> None:
    front = pareto_front(points)

    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a != b and a[0] <= b[0] and a[1] <= b[1]

    for key, point in points.items():
        beaten = any(beats(other, point) for other in points.values())
        assert (key in front) is not beaten
    assert bool(front) is bool(points)


# Figures ------------------------------------------------------------------------------------------


def artifact(key: str) -> dict[str, Any]:
    return {
        "artifact": f"/out/{key}",
        "precision": key,
        "bytes": 10,
        "seconds": 2.0,
        "peak_rss_bytes": 5,
    }


def bench(*keys: str, void: bool = False) -> BenchDocument:
    cases = [
        bench_case(n, decode=figure(float(n), 90.0, 110.0), ttft=figure(0.1))
        for n in (32, 128, 512)
    ]
    return bench_document(
        *[bench_result(f"/out/{key}", *cases, peak=77) for key in keys], void=void
    )


def quality(
    key: str, kl: float, *checks: CheckRow, agreement: float = 0.99, ok: bool = True
) -> QualityDocument:
    drift = drift_document(
        kl_mean=kl, kl_p95=kl, top1_agreement=agreement, perplexity_ratio=1.2, tokens=512
    )
    return quality_document(f"/out/{key}", *checks, ok=ok, drift=drift)


def entry(step: str, values: Mapping[str, Any], status: str = "done") -> Entry:
    return Entry(at=0.0, step=step, status=status, seconds=0.0, values=values)


def test_figures_are_joined_by_the_artifacts_folder() -> None:
    session = Session(
        artifacts=(artifact("int8"), artifact("int4")),
        benchmark=bench("int4", "elsewhere"),
        quality=quality("int8", 0.25),
    )
    measured = measured_figures(session.artifacts, session)
    assert set(measured) == {"int8", "int4"}
    assert (measured["int8"].kl_mean, measured["int8"].decode_tps) == (0.25, None)
    four = measured["int4"]
    assert (four.bytes, four.load_s, four.ttft_s, four.run_rss_bytes) == (10, 0.21, 0.1, 77)
    assert (four.prompt_tokens, four.decode_tps, four.decode_range) == (128, 128.0, (90.0, 110.0))
    assert four.kl_mean is None and not four.void


def test_the_distance_has_quality_s_word() -> None:
    session = Session(artifacts=(artifact("int4"),), quality=quality_document("/out/int4"))
    assert measured_figures(session.artifacts, session)["int4"].closeness == ""
    drifted = session.decide(quality=quality("int4", 0.4, agreement=0.9))
    assert measured_figures(session.artifacts, drifted)["int4"].closeness == "noticeable"


def test_the_ledger_remembers_what_another_choice_made_the_session_forget() -> None:
    session = Session(artifacts=(artifact("int8"), artifact("int4")), quality=quality("int4", 0.5))
    entries = [
        entry("convert", artifact("int8")),
        entry("quality", quality("int8", 0.25)),
        entry("quality", quality("int4", 0.75), status="failed"),
        entry("benchmark", bench("int8", void=True)),
    ]
    measured = measured_figures(session.artifacts, Measurements.of(session, entries))
    assert measured["int8"].kl_mean == 0.25 and measured["int8"].void
    assert measured["int4"].kl_mean == 0.5


def test_a_verdict_of_no_is_remembered_and_an_error_is_none() -> None:
    session = Session(artifacts=(artifact("int8"), artifact("int4")))
    far = quality("int4", 0.7, check_row("answer-format"), ok=False)
    entries = [
        entry("quality", far, status="failed"),
        entry("quality", {"error": {"message": "died"}}, status="failed"),
    ]
    measured = measured_figures(session.artifacts, Measurements.of(session, entries))
    assert measured["int4"].usable is False and measured["int4"].drifted
    assert measured["int4"].kl_mean == 0.7
    assert measured["int8"].usable is None and not measured["int8"].drifted
    several = qualities_document(far, quality("int8", 0.01))
    measured = measured_figures(
        session.artifacts, Measurements.of(session, [entry("quality", several, status="failed")])
    )
    assert (measured["int8"].usable, measured["int4"].usable) == (True, False)
    bad = quality("int4", 0.7, check_row("memory-leak", "fail"), ok=False)
    measured = measured_figures(
        session.artifacts, Measurements.of(session, [entry("quality", bad, status="failed")])
    )
    assert measured["int4"].usable is False and not measured["int4"].drifted


def test_a_new_conversion_forgets_the_figures_of_the_old_one() -> None:
    session = Session(artifacts=(artifact("int4"),))
    entries = [
        entry("convert", artifact("int4")),
        entry("quality", quality("int4", 0.25)),
        entry("convert", {**artifact("int4"), "bytes": 11}),
    ]
    measured = measured_figures(session.artifacts, Measurements.of(session, entries))
    assert measured["int4"].bytes == 11 and measured["int4"].kl_mean is None
