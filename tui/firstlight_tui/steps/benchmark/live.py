"""A benchmark while it is measured: the newest figures, dots and lines of the rounds so far, the table as it fills."""

from collections.abc import Iterable, Iterator, Mapping

from rich.text import Text

from firstlight_core.measure.metrics import spread
from firstlight_core.measure.quoted_length import quoted_index
from firstlight_core.process.events import Measured
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.steps.benchmark.dials import rate_figure, seconds_figure
from firstlight_tui.steps.benchmark.rows import spread_text
from firstlight_tui.widgets import cell
from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.charts.lines import LinePlot, Series
from firstlight_tui.widgets.charts.tile import Tile

SPEEDS = ("ttft_s", "prefill_tps", "decode_tps")


def live_tiles(measured: Mapping[str, float], memory: int | None) -> tuple[Tile, ...]:
    """Return the same four while it is being measured: the newest repetition."""
    ttft, decode = measured.get("ttft_s"), measured.get("decode_tps")
    prefill = measured.get("prefill_tps")
    return (
        Tile(title="first token", figure=seconds_figure(ttft), origin=None),
        Tile(title="writing", figure=rate_figure(decode), origin=None),
        Tile(title="reading", figure=rate_figure(prefill), origin=None),
        Tile(title="memory", figure=bytes_text(memory) if memory else "–", origin=None),
    )


def live_bars(repetitions: Iterable[Measured]) -> Bars | None:
    """Return the single measurements so far as dots, a row for each target, at the quoted prompt length."""
    rounds = _rounds(repetitions, "decode_tps")
    if (length := _quoted_length(rounds)) is None:
        return None
    return Bars(
        bars=tuple(
            Bar(label=one_line(label, 20), samples=tuple(samples))
            for (label, prompt), samples in rounds.items()
            if prompt == length
        ),
        title=f"Writing so far, tokens a second ({length}-token prompt)",
    )


def live_plots(repetitions: Iterable[Measured]) -> tuple[LinePlot, ...]:
    """Return first token and writing speed over the rounds so far, a line for each target; empty before two rounds."""
    figures = list(repetitions)
    plots = (
        _course(_rounds(figures, "ttft_s"), "First token each round, ms", 1000),
        _course(_rounds(figures, "decode_tps"), "Writing each round, tok/s", 1),
    )
    return tuple(plot for plot in plots if plot is not None)


def live_rows(repetitions: Iterable[Measured]) -> Iterator[list[Text]]:
    """Yield one row of the table for each target and prompt length that has been measured at least once."""
    figures = list(repetitions)
    ttft, prefill, decode = (_rounds(figures, name) for name in SPEEDS)
    for label, length in dict.fromkeys([*ttft, *prefill, *decode]):
        key = (label, length)
        rounds = max(len(found.get(key, ())) for found in (ttft, prefill, decode))
        yield [
            cell(one_line(label, 20), "bold"),
            cell(str(length), right=True),
            cell(f"{rounds}×", right=True),
            *(
                cell(spread_text(spread(samples) if samples else None, scale), right=True)
                for samples, scale in (
                    (ttft.get(key), 1000.0),
                    (prefill.get(key), 1.0),
                    (decode.get(key), 1.0),
                )
            ),
            cell("–", right=True),
            cell("–", right=True),
        ]


def _rounds(repetitions: Iterable[Measured], name: str) -> dict[tuple[str, int], list[float]]:
    """Label and prompt length → one figure of each round."""
    rounds: dict[tuple[str, int], list[float]] = {}
    for figure in repetitions:
        if figure.name == name and figure.label:
            rounds.setdefault((figure.label, figure.prompt_tokens), []).append(figure.value)
    return rounds


def _quoted_length(rounds: Iterable[tuple[str, int]]) -> int | None:
    lengths = [length for _, length in rounds]
    index = quoted_index(lengths)
    return lengths[index] if index is not None else None


def _course(
    rounds: dict[tuple[str, int], list[float]], title: str, scale: float
) -> LinePlot | None:
    length = _quoted_length(rounds)
    series = tuple(
        Series(
            label=one_line(label, 20),
            points=tuple((float(n), sample * scale) for n, sample in enumerate(samples, start=1)),
            marked=True,
        )
        for (label, prompt), samples in rounds.items()
        if prompt == length and len(samples) > 1
    )
    return LinePlot(series=series, title=title, tall=9) if series else None
