"""A benchmark as pictures: what the tiles, bars, curves and live dots say of a document."""

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.process.events import Measured, Stage
from firstlight_tui.state.work import Work
from firstlight_tui.steps.benchmark.dials import tiles
from firstlight_tui.steps.benchmark.live import live_bars, live_plots, live_rows, live_tiles
from firstlight_tui.widgets.bench_plots import curves, label_of, speed_bars
from tests.support.chart_gallery import text_of

GIB = 2**30


def spread(median: float, around: float = 0.02) -> Figure:
    low, high = median * (1 - around), median * (1 + around)
    return {"median": median, "min": low, "max": high, "samples": [low, median, high]}


def case(length: int, ttft: float, prefill: float, decode: float) -> BenchCase:
    return {
        "prompt_tokens": length,
        "ttft_s": spread(ttft),
        "prefill_tps": spread(prefill),
        "decode_tps": spread(decode),
    }


def result(
    precision: str, decode: float, *, ttft: float = 0.0035, void: bool = False
) -> BenchResult:
    made: BenchResult = {
        "kind": "artifact",
        "target": f"/models/{precision}",
        "folder": f"/models/{precision}",
        "label": precision,
        "precision": precision,
        "load_s": 0.2,
        "rss_bytes": {"baseline": 1, "loaded": 2, "peak": GIB // 2},
        "cases": [case(32, ttft / 2, 3e4, decode * 1.2), case(128, ttft, 3.69e4, decode)],
    }
    if void:
        made["void"] = True
    return made


def document(*results: BenchResult, void: bool = False) -> BenchDocument:
    return {
        "machine": {"cores": 2, "memory_bytes": 24 * GIB},
        "lengths": [32, 128],
        "new_tokens": 32,
        "repeats": 5,
        "interleaved": True,
        "results": list(results),
        "notes": [],
        "void": void,
    }


def words(*rows: str) -> str:
    return "\n".join(rows)


def test_four_tiles_quote_the_length_nearest_to_128() -> None:
    int4, int8 = result("int4", 12_740), result("int8", 12_250)
    first, writing, reading, memory = tiles(document(int4, int8), int8)
    assert (first.figure, first.judged, first.origin) == ("3.5 ms", "good", "measured")
    assert "instant" in first.verdict and first.share is not None and first.share < 0.01
    assert writing.figure == "12.2 k tok/s" and writing.verdict == "×2450 reading pace"
    assert writing.share is not None and 0.9 < writing.share < 1
    assert reading.figure == "36.9 k tok/s" and reading.verdict == "best measured"
    assert memory.figure == "512.0 MiB peak" and memory.range_text == "of 24.0 GiB"


def test_a_slow_first_token_is_judged_by_the_threshold_of_the_course() -> None:
    verdicts = [
        tiles(document(artifact := result("int4", 3, ttft=seconds)), artifact)[0].judged
        for seconds in (0.1, 0.9, 1.9, 2.5)
    ]
    assert verdicts == ["good", "good", "caution", "bad"]


def test_a_void_benchmark_is_void_on_every_speed_and_draws_no_curve() -> None:
    int4 = result("int4", 12_740)
    void = document(int4, result("int8", 9_000), void=True)
    first, writing, reading, memory = tiles(void, int4)
    assert [tile.origin for tile in (first, writing, reading, memory)] == [
        *["void"] * 3,
        "measured",
    ]
    assert writing.verdict == "measure again" and curves(void) == ()
    bars = speed_bars(void)
    assert bars is not None
    text = words(*text_of(bars, 100))
    assert text.count("✗ VOID") == 2 and "★" not in text


def test_what_was_not_measured_is_a_dash() -> None:
    assert [tile.figure for tile in tiles(document(), None)] == ["–"] * 4
    assert speed_bars(document()) is None and curves(document()) == ()
    assert [tile.figure for tile in live_tiles({"decode_tps": 18.2}, None)] == [
        "–",
        "18.2 tok/s",
        "–",
        "–",
    ]


def test_bars_and_curves_name_the_precisions() -> None:
    several = document(result("int4", 12_740), result("int8", 9_250))
    bars = speed_bars(several)
    assert bars is not None
    text = text_of(bars, 100)
    assert "128-token prompt" in text[0]
    assert text[1].strip().startswith("INT4") and "★" in text[1] and "−27 %" in text[2]
    first, writing = curves(several)
    assert [line.label for line in first.series] == ["INT4", "INT8"]
    assert text_of(first, 80, 10)[-1].split() == ["32", "128"]
    assert "ms" in first.title and "Writing" in writing.title
    server: BenchResult = {
        "kind": "server",
        "target": "http://127.0.0.1:1/v1#m",
        "label": "m",
        "model": "m",
        "load_s": 0.0,
        "cases": [],
    }
    assert label_of(server) == "m" and tiles(document(server), server)[3].origin is None


def test_every_round_drops_a_dot() -> None:
    work = Work("benchmark", "The benchmark")
    work.take(Stage("measure", "Measuring"))
    assert live_bars(work.repetitions) is None
    for round_ in range(3):
        for length in (32, 128):
            for label, rate in (("int4", 100.0), ("int8", 80.0)):
                work.take(Measured("ttft_s", 0.1, "s", label, length))
                work.take(Measured("decode_tps", rate + 10 * round_, "tokens/s", label, length))
    work.take(Measured("rss_bytes", 5.0, "bytes"))
    bars = live_bars(work.repetitions)
    assert bars is not None and "128-token prompt" in bars.title
    assert [row.samples for row in bars.bars] == [(100, 110, 120), (80, 90, 100)]
    assert words(*text_of(bars, 80)).count("●") == 6
    first, writing = live_plots(work.repetitions)
    assert [len(line.points) for line in (*first.series, *writing.series)] == [3] * 4
    rows = [[str(text) for text in row] for row in live_rows(work.repetitions)]
    assert [row[:3] for row in rows] == [
        ["int4", "32", "3×"],
        ["int8", "32", "3×"],
        ["int4", "128", "3×"],
        ["int8", "128", "3×"],
    ]
    assert rows[0][3:6] == ["100", "–", "110 (100–120)"]
