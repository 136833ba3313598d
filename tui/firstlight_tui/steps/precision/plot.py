"""The measured trade-off of the precisions, as a picture: drift against size or speed."""

from collections.abc import Mapping

from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.estimate.recommendation import pareto_front
from firstlight_core.measure.drift_words import KL_ZERO, kl_text
from firstlight_core.precision.table import find_precision
from firstlight_core.text import bytes_text
from firstlight_tui.widgets.charts.scale import short
from firstlight_tui.widgets.charts.scatter import Scatter, Spot

NOT_YET = (
    "Convert two precisions and check their quality: their drift against their size is drawn here."
)


def trade_off(
    figures: Mapping[str, Figures], *, by_speed: bool, selected: str | None
) -> Scatter | None:
    """Return the plot of the precisions whose drift and size, or speed, were measured; None for fewer than two.

    A speed is drawn as the time a token takes, so that both pictures are better to the left and below. A void speed is
    shown as void and wins nothing.
    """
    costs = {key: _cost(each, by_speed=by_speed) for key, each in figures.items()}
    points = {
        key: (cost, max(KL_ZERO, drift))
        for key, each in figures.items()
        if (cost := costs[key]) and (drift := each.kl_mean) is not None
    }
    if len(points) < 2:
        return None
    void = {key for key in points if by_speed and figures[key].void}
    front = pareto_front({key: point for key, point in points.items() if key not in void})
    axis, better, other = (
        ("writing speed", "faster", "size") if by_speed else ("size", "smaller", "speed")
    )
    return Scatter(
        spots=tuple(
            Spot(
                key=key,
                label=find_precision(key).label,
                x=x,
                y=y,
                front=key in front,
                void=key in void,
            )
            for key, (x, y) in points.items()
        ),
        title=f"Drift against {axis}  ● nothing {better} is closer",
        y_label="measured mean KL, nats: lower is closer",
        x_label=f"{better} to the left · p: {other}",
        x_text=_token_words if by_speed else _size_words,
        y_text=_drift_words,
        x_in_bytes=not by_speed,
        selected=selected if selected in points else None,
    )


def _cost(figures: Figures, *, by_speed: bool) -> float | None:
    if by_speed:
        return 1 / figures.decode_tps if figures.decode_tps else None
    return float(figures.bytes) if figures.bytes else None


def _size_words(size: float, largest: float) -> str:
    return bytes_text(size)


def _token_words(seconds: float, largest: float) -> str:
    return f"{short(1 / seconds)} tok/s"


def _drift_words(nats: float, largest: float) -> str:
    return kl_text(nats) if nats >= 0.001 else short(nats)
