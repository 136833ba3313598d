"""Waiting for a quiet machine, as a picture: the load of other programs against the limit, and who causes it."""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from firstlight_core.measure.busy_processes import (
    OTHERS_PERCENT,
    QUIET_FOR,
    QUIET_SECONDS,
    QUIET_SHARE,
)
from firstlight_core.process.events import Measured
from firstlight_core.text import one_line, seconds_text
from firstlight_tui.state.work import Work
from firstlight_tui.widgets.charts.canvas import Piece, lines_of, trough
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series
from firstlight_tui.widgets.charts.roles import BOLD, CAUTION, FILL, GOOD, MUTED, TITLE

WAITING = "quiet"
"""Name of the stage."""
LIMIT = 100 * QUIET_SHARE
PLOTTED = 120
"""Seconds that the plot looks back."""
BAR = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietWait:
    """One second of waiting. Loads in percent of all cores."""

    seconds: float
    """How long it has waited."""
    others: float | None
    """Load of other programs; None before the first look."""
    culprit: str
    """The busiest program."""
    quiet_for: int
    """Seconds in a row without a disturbance."""
    loads: tuple[float, ...]

    def content(self) -> Content:
        """The state of waiting in four lines."""
        rows: list[list[Piece]] = [
            [
                ("Waiting for a quiet machine", f"{BOLD} {TITLE}"),
                (f"  {seconds_text(float(round(self.seconds)))}", MUTED),
            ],
            [
                (
                    f"It starts by itself when other programs leave {100 - LIMIT:.0f} % of the processor "
                    f"free for {QUIET_SECONDS} s.",
                    MUTED,
                )
            ],
        ]
        if self.others is None:
            return lines_of([*rows, [("Looking at the other programs …", MUTED)]])
        busy = self.others >= LIMIT
        style = CAUTION if busy else GOOD
        rows.append(
            [
                ("other programs  ", MUTED),
                *trough(self.others / 100, BAR, CAUTION if busy else FILL),
                (f" {self.others:.0f} %".rjust(6), f"{BOLD} {style}"),
                (f"  limit {LIMIT:.0f} %", MUTED),
            ]
        )
        dots = "● " * self.quiet_for + "○ " * (QUIET_SECONDS - self.quiet_for)
        rows.append(
            [
                ("quiet for       ", MUTED),
                (dots, GOOD),
                (f"{self.quiet_for} of {QUIET_SECONDS} s", MUTED),
            ]
        )
        if busy:
            rows.append([("! ", CAUTION), (f"{one_line(self.culprit, 60)} disturbs most", CAUTION)])
        return lines_of(rows)

    def plot(self) -> LinePlot | None:
        """The load of other programs so far; None before there are two looks."""
        if len(self.loads) < 2:
            return None
        first = 1 - len(self.loads)
        points = tuple((float(first + at), load) for at, load in enumerate(self.loads))
        return LinePlot(
            series=(Series(label="other programs", points=points, filled=True),),
            title="Load of other programs, % of all cores",
            x_ends=(f"{seconds_text(float(-first))} ago", "now"),
            reference=Reference(value=LIMIT, label=f"quiet below {LIMIT:.0f} %"),
            tall=9,
        )


def quiet_wait(work: Work) -> QuietWait | None:
    """Return what a waiting benchmark shows; None when it does not wait for a quiet machine."""
    if work.stage is None or work.stage.name != WAITING or not work.running:
        return None
    looks = list(_looks(work.repetitions))
    return QuietWait(
        seconds=work.seconds,
        others=looks[-1].value if looks else None,
        culprit=looks[-1].label if looks else "",
        quiet_for=round(work.measured.get(QUIET_FOR, 0.0)),
        loads=tuple(look.value for look in looks[-PLOTTED:]),
    )


def _looks(repetitions: Iterable[Measured]) -> Iterable[Measured]:
    return (figure for figure in repetitions if figure.name == OTHERS_PERCENT)
