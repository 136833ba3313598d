"""The result of a run at a glance, and the course's claims against it."""

import pytest

from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.precision.table import find_precision
from firstlight_core.report.claims import check_claims
from firstlight_tui.steps.summary.trophy import claim_line, headline, tiles
from tests.support.chart_gallery import text_of

MIB = 2**20
FP32 = round(9.16 * MIB)
INT4 = Figures(
    precision="int4",
    artifact="/m/int4",
    bytes=round(1.78 * MIB),
    decode_tps=12_740,
    decode_range=(12_600, 12_800),
    ttft_s=0.0035,
    run_rss_bytes=68 * MIB,
    kl_mean=4e-4,
    top1_agreement=1.0,
    closeness="very-close",
)
INT8 = Figures(
    precision="int8",
    artifact="/m/int8",
    bytes=round(4.87 * MIB),
    decode_tps=12_250,
    decode_range=(12_000, 12_300),
    closeness="noticeable",
)
BOTH = {"int4": INT4, "int8": INT8}


def test_the_first_line_says_what_was_reached() -> None:
    text = headline("sample", INT4, FP32).plain
    assert text == (
        "☼ sample runs on this machine.   INT4 · 1.78 MiB (FP32 ÷5.1) · 12.7 k tok/s · "
        "first token 3.5 ms · very close to the original"
    )
    assert headline("a server", None, None).plain == "☼ a server runs on this machine."


def test_four_tiles_compare_the_precisions() -> None:
    size, speed, closeness, memory = tiles(BOTH, "int4", FP32, 128 * MIB)
    assert [row.label for row in size.bars] == ["≈ FP32", "INT8", "INT4"]
    assert [row.chosen for row in size.bars] == [False, False, True]
    assert speed.figure == "12.7 k tok/s" and len(speed.bars) == 2
    assert closeness.figure == "100.0 % same" and closeness.judged == "good"
    assert closeness.verdict == "very close to the original" and "0.0004" in closeness.detail
    assert memory.figure == "68.0 MiB peak" and memory.share == pytest.approx(68 / 128)
    drawn = "\n".join(text_of(size, 30))
    assert "INT4" in drawn and "█" in drawn
    nothing = tiles({}, "int4", None, None)
    assert [tile.figure for tile in nothing] == ["–"] * 4


def test_a_void_speed_stays_void() -> None:
    void = Figures(precision="int4", artifact="", decode_tps=12.0, void=True)
    _, speed, _, _ = tiles({"int4": void, "int8": INT8}, "int4", None, None)
    assert speed.origin == "void" and [row.label for row in speed.bars] == ["INT8"]
    (check,) = check_claims(find_precision("int4"), {"int4": void}, None)
    assert check.measured == "void" and check.holds is None
    assert "tok/s" not in headline("m", void, None).plain


def test_claims_are_held_against_measurements() -> None:
    checks = check_claims(find_precision("int4"), BOTH, FP32)
    assert [(c.subject, c.claim, c.measured, c.holds) for c in checks] == [
        ("size", "×0.125", "×0.194", False),
        ("speed", "Fastest", "fastest of 2", True),
        ("quality", "Acceptable", "very close", True),
    ]
    facts = claim_line(checks)
    assert facts is not None
    line = facts.plain
    narrow = facts.draw(58, 9).plain.split("\n")
    assert [row.split(" ")[0] for row in narrow] == ["Claim", "speed", "quality"], (
        "no claim is cut in two"
    )
    assert "size ×0.125 → ×0.194 ✗" in line and "Fastest → fastest of 2 ✓" in line
    assert [c.holds for c in check_claims(find_precision("int8"), BOTH, FP32)] == [
        False,
        None,
        False,
    ]
    # The course says nothing of FP32, and nothing was measured of FP16.
    assert check_claims(find_precision("fp32"), BOTH, FP32) == []
    assert check_claims(find_precision("fp16"), BOTH, FP32) == []
    assert claim_line([]) is None


def test_the_fastest_within_its_noise_still_holds() -> None:
    near = Figures(precision="int8", artifact="", decode_tps=12_790, decode_range=(12_700, 12_900))
    speed = check_claims(find_precision("int4"), {"int4": INT4, "int8": near}, None)[0]
    assert speed.measured == "100 % of the fastest" and speed.holds is True
