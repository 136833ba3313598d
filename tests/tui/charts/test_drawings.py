"""What the drawings say, as text; and that they keep to their room at every size."""

import pytest
from rich.cells import cell_len
from textual.content import Content

from firstlight_core.text import bytes_text, visible
from firstlight_tui.terminal.ascii_marks import to_ascii
from firstlight_tui.widgets.charts.bars import NOISE, VOID, Bar, Bars, Part, StackedBar, cell_bar
from firstlight_tui.widgets.charts.canvas import bar, cut, fitted, spark, wrapped
from firstlight_tui.widgets.charts.chart import Drawing
from firstlight_tui.widgets.charts.drift_gauge import DriftGauge, Histogram, Marker, PromptDrift
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series
from firstlight_tui.widgets.charts.paragraphs import Paragraph, Paragraphs
from firstlight_tui.widgets.charts.pipeline import MachineScale, Pipeline, PipelineStage, Size
from firstlight_tui.widgets.charts.scatter import Scatter, Spot
from firstlight_tui.widgets.charts.tile import Tile, columns_for
from tests.support.chart_gallery import (
    BY_LENGTH,
    DRAWINGS,
    GAUGE,
    HISTORY,
    PIPELINE,
    SCATTER,
    TILES,
    text_of,
)

HOSTILE = "\x1b[31mred\x07\n名前[b]"
EMPTY: dict[str, Drawing] = {
    "bars": Bars(bars=()),
    "lines": LinePlot(series=()),
    "scatter": Scatter(spots=()),
    "gauge": DriftGauge(markers=()),
    "prompts": PromptDrift(nats=()),
    "histogram": Histogram(nats=()),
    "pipeline": Pipeline(stages=()),
    "machine": MachineScale(sizes=()),
    "stacked": StackedBar(parts=()),
    "tile": Tile(title="", figure=""),
    "paragraphs": Paragraphs([]),
}
ODD: dict[str, Drawing] = {
    "bars": Bars(
        title=HOSTILE, bars=(Bar(label=HOSTILE, median=0.0), Bar(label="b", note=HOSTILE))
    ),
    "lines": LinePlot(
        title=HOSTILE,
        series=(Series(label=HOSTILE, points=((1, 1),), marked=True),),
        reference=Reference(value=5, label=HOSTILE),
    ),
    "scatter": Scatter(spots=(Spot(key="a", label=HOSTILE, x=1, y=0, front=True),)),
    "gauge": DriftGauge(markers=(Marker(label=HOSTILE, nats=0),)),
    "pipeline": Pipeline(stages=(PipelineStage(label=HOSTILE, note=HOSTILE, status="failed"),)),
    "stacked": StackedBar(parts=(Part(HOSTILE, 1), Part("b", 0))),
    "tile": Tile(title=HOSTILE, figure=HOSTILE, verdict=HOSTILE, share=7, range_text=HOSTILE),
    "paragraphs": Paragraphs(
        [
            Paragraph(
                head=[(" 名前 │ ", "")], text=Content(f"{visible(HOSTILE)} {'名前' * 30} and words")
            )
        ]
    ),
}


@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param(drawing, id=f"{kind}-{name}")
        for kind, group in (("full", DRAWINGS), ("empty", EMPTY), ("odd", ODD))
        for name, drawing in group.items()
    ],
)
def test_a_drawing_keeps_to_its_room(drawing: Drawing) -> None:
    for width in (8, 19, 30, 47, 60, 80, 120, 200):
        for height in (1, 3, 5, 9, 24):
            lines = drawing.draw(width, height).plain.split("\n")
            assert len(lines) <= height, (width, height)
            assert max(map(cell_len, lines)) <= width, (width, height, lines)
            assert "\x1b" not in "".join(lines)
        assert drawing.rows(width) >= 0
        text = text_of(drawing, width)
        assert len(text) <= max(1, drawing.rows(width))


@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_in_ascii_a_drawing_is_ascii_and_as_wide(name: str) -> None:
    for line in text_of(DRAWINGS[name], 90, 14):
        assert to_ascii(line).isascii(), line
        assert len(to_ascii(line)) == len(line)


def test_a_bar_ends_in_eighths_and_never_vanishes() -> None:
    assert bar(0.5, 4) == "██"
    assert bar(1e-9, 4) == "▎"
    assert bar(0, 4) == bar(1, 0) == ""
    assert bar(9, 3) == "███"
    assert cell_bar(5, 10, 8).plain == "████    "
    assert spark([0, 1, 8], 3) == " ▁█" and spark([1, 1, 9, 1], 2) == "▁█"
    assert fitted("名前", 3) == "名…" and cut("abcdef", 4) == "abc…"
    assert wrapped("one two three four", 9, 2) == ["one two", "three fo…"]


def test_the_winner_is_marked_and_noise_is_told() -> None:
    best = Bar(label="a", median=12.6, low=12.0, high=13.0)
    near = Bar(label="b", median=12.1, low=11.0, high=12.2)
    slow = Bar(label="c", median=9.0, low=8.9, high=9.1)
    lines = text_of(Bars(bars=(near, best, slow)), 100)
    assert NOISE in lines[0] and "★ best" in lines[1] and "−29 %" in lines[2]
    assert "├" in lines[0] and "┿" in lines[0] and "┤" in lines[0]
    # The least is the best of times.
    assert "★" in text_of(Bars(bars=(best, slow), most=False), 100)[1]
    # Nobody wins alone.
    assert "★" not in "".join(text_of(Bars(bars=(best,)), 100))


def test_a_void_row_is_loud_and_wins_nothing() -> None:
    void = Bar(label="a", median=99.0, void=True)
    lines = text_of(Bars(bars=(void, Bar(label="b", median=1.0), Bar(label="c", median=2.0))), 60)
    assert VOID in lines[0] and "▒▒▒" in lines[0] and "█" not in lines[0]
    assert "★" in lines[2]
    # It is said even where there is no room for notes.
    assert VOID in text_of(Bars(bars=(void,)), 36)[0]


def test_single_measurements_are_dots() -> None:
    (line,) = text_of(Bars(bars=(Bar(label="a", samples=(1.0, 5.0, 9.0)),)), 60)
    assert line.count("●") == 3 and "3 so far" in line


def test_a_tile_says_figure_origin_range_and_verdict() -> None:
    lines = text_of(TILES[0], 30)
    assert lines[0].startswith("╭─ first token ─") and lines[0].endswith(" measured ─╮")
    assert "3.5 ms" in lines[1]
    assert "▕" in lines[2] and "░" in lines[2] and "< 200 ms" in lines[2]
    assert "✓ feels instant" in lines[3]
    assert "✗ VOID" in text_of(TILES[2], 30)[0]
    assert "✗" in text_of(TILES[2], 18)[0]
    # A figure says where it comes from in a narrow tile as well.
    assert text_of(TILES[0], 22)[0] == "╭─ first token meas. ╮"
    assert text_of(TILES[0], 25)[0] == "╭─ first token ─ meas. ─╮"
    assert "┏" in text_of(Tile(title="a", figure="b", focused=True), 20)[0]
    assert [columns_for(4, width) for width in (120, 60, 18, 5)] == [4, 2, 1, 1]
    assert columns_for(5, 60) == 3


def test_a_line_plot_has_axes_marks_and_a_legend() -> None:
    lines = text_of(BY_LENGTH, 80, 12)
    assert lines[0].startswith("Writing speed") and lines[0].endswith("● INT4  ■ INT8")
    assert "10 k ┤" in "\n".join(lines)
    assert lines[-1].split() == ["32", "128", "512"]
    assert "\n".join(lines[1:]).count("●") == 3 and "\n".join(lines[1:]).count("■") == 3
    # Falling lines: the first point stands above the last.
    marks = [row for row, line in enumerate(lines) if "●" in line and row]
    assert lines[marks[0]].index("●") < lines[marks[-1]].index("●")


def test_a_history_has_time_a_reference_and_an_area() -> None:
    lines = text_of(HISTORY, 80, 12)
    assert lines[-1].split() == ["60", "s", "ago", "now"] and lines[-1].endswith("now")
    assert "predicted peak 1.0 GiB" in "\n".join(lines) and "┈┈┈" in "\n".join(lines)
    assert "⣿⣿⣿" in lines[-3]
    tall = text_of(HISTORY, 80, 40)
    assert len(tall) == 40 and sum("⣿" in line for line in tall) > 15
    assert len(text_of(BY_LENGTH, 80, 2)) == 2 and "INT8" in text_of(BY_LENGTH, 80, 2)[1]


def test_points_are_named_without_collision() -> None:
    for width, height in ((60, 12), (90, 14), (150, 45)):
        text = "\n".join(text_of(SCATTER, width, height))
        for spot in SCATTER.spots:
            assert spot.label in text, (width, height, spot.label)
        assert text.count("◉") == 1 and text.count("○") == 1
        assert len(set(SCATTER.positions(width, height).values())) == len(SCATTER.spots)
    columns = [column for column, _ in SCATTER.positions(90, 14).values()]
    assert columns == sorted(columns)
    assert "(void)" in "\n".join(
        text_of(Scatter(spots=(Spot(key="a", label="A", x=1, y=1, void=True),)), 60, 10)
    )
    assert "MiB" in text_of(SCATTER, 90, 14)[-1]
    assert bytes_text(2 * 2**20) in text_of(SCATTER, 90, 14)[-1]


def test_points_on_one_cell_move_apart() -> None:
    spots = tuple(Spot(key=key, label=f"row {key}", x=5, y=5) for key in "abcd")
    positions = Scatter(spots=spots).positions(60, 12)
    assert len(set(positions.values())) == 4
    text = "\n".join(text_of(Scatter(spots=spots), 60, 12))
    assert all(spot.label in text for spot in spots)


def test_the_gauge_names_its_zones_and_every_marker() -> None:
    for width in (36, 57, 60, 120):
        text = "\n".join(text_of(GAUGE, width))
        for words in ("very close", " close ", " noticeable ", " far", "1e-6", "1e-2"):
            assert words in text, (width, words)
    for width in (57, 60, 120):
        text = "\n".join(text_of(GAUGE, width))
        for marker in GAUGE.markers:
            assert f"{marker.label} " in text
        assert "◀FP32 0" in text and "▶" in text and "▲INT4 0.00038" in text
        assert text.count("◆") >= 4


def test_kl_per_prompt_points_at_the_worst() -> None:
    above, line = text_of(PromptDrift(nats=(1e-5, 1e-2, 1e-4)), 60)
    assert line.endswith("▃▅▃") or line[-2] > line[-1]
    assert above.index("▾") == len(line) - 2 and "0.01" in above
    counts = text_of(Histogram(nats=(1e-5, 2e-5, 1e-3)), 60)
    assert len(counts) == 4 and counts[1].endswith(" 2") and counts[2].endswith(" 0")


def test_a_pipeline_shows_the_pending_stages_and_one_honest_bar() -> None:
    wide, narrow = text_of(PIPELINE, 120), text_of(PIPELINE, 60)
    assert len(wide) == 5 and len(narrow) == 6
    for text in ("\n".join(wide), "\n".join(narrow)):
        for words in ("✓ Load Olive", "◐ Quantise", "○ Check", "55 %", "about 1 min 40 s left"):
            assert words in text
    assert "2 min 07 s" in wide[2]
    failed = Pipeline(stages=(PipelineStage(label="a", status="failed"), PipelineStage(label="b")))
    assert "✗ a" in "\n".join(text_of(failed, 60)) and failed.overall() == 0.0
    done = Pipeline(stages=(PipelineStage(label="a", status="done", weight=0),))
    assert done.overall() == 0.0
    # In too little height the running stage stays on the screen.
    assert "◐" in "\n".join(PIPELINE.draw(50, 3).plain.split("\n"))


def test_the_stages_of_a_calibrated_conversion_lie_side_by_side_at_120_columns() -> None:
    labels = ("Load", "Calibrate", "Build", "Quantise", "Compare", "Check", "Publish")
    pipeline = Pipeline(stages=tuple(PipelineStage(label=label) for label in labels))
    for width in (95, 97, 105, 112, 168):
        lines = text_of(pipeline, width)
        assert len(lines) == 5 and all(f"○ {label} " in lines[1] for label in labels), width
        assert all(cell_len(line) <= width for line in lines)
    assert len(text_of(pipeline, 94)) == 8


def test_a_machine_scale_ends_where_the_memory_does() -> None:
    scale = MachineScale(
        sizes=(Size("1 B", True), Size("7 B", True, tight=True), Size("14 B", False))
    )
    lines = text_of(scale, 60)
    assert "up to 7 B" in lines[0] and lines[2].split() == [
        "✓",
        "1",
        "B",
        "!",
        "7",
        "B",
        "✗",
        "14",
        "B",
    ]
    assert "none of these" in text_of(MachineScale(sizes=(Size("1 B", False),)), 60)[0]


def test_a_stacked_bar_names_its_parts_inside_or_below() -> None:
    wide = StackedBar(parts=(Part("embedding", 21), Part("body", 79)))
    assert text_of(wide, 90)[0].count("▕") == 2 and "body 79 %" in text_of(wide, 90)[0]
    narrow = text_of(wide, 40)
    assert narrow[1] == "embedding 21 % · body 79 %".ljust(40)


def test_further_lines_of_a_paragraph_begin_below_its_text() -> None:
    text = Content("one two three four five six seven eight")
    drawing = Paragraphs(
        [Paragraph(head=[("  名 │ ", "")], text=text), Paragraph(text=Content("end"))]
    )
    assert drawing.draw(26, 9).plain.split("\n") == [
        "  名 │ one two three four",
        "     │ five six seven",
        "     │ eight",
        "end",
    ]
    assert drawing.rows(26) == 4 and drawing.draw(26, 2).plain.count("\n") == 1
    # Without room for an indent there is none.
    assert drawing.draw(18, 9).plain.split("\n")[1][0] != " "
