"""Step 3: the table that puts claim, estimate and measurement side by side."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from firstlight_core.conversion.calibration_choice import CalibrationWord, text_for
from firstlight_core.errors import FirstlightError
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.estimate.recommendation import Recommendation, find_goal, next_goal
from firstlight_core.ledger import Entry
from firstlight_core.precision.options import options_for, read_options, with_options
from firstlight_core.precision.table import PRECISIONS, REFERENCE_PRECISION, find_precision
from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.modals import DetailScreen
from firstlight_tui.state.precision_choice import (
    advised,
    asks_text,
    calibrated_on,
    configured,
    estimates_of,
    form_in,
    initial_text,
    is_tied,
    recommended,
)
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.precision.card import card
from firstlight_tui.steps.precision.keys import HELP, KEYS
from firstlight_tui.steps.precision.options_screen import AdvancedScreen, RowOptions
from firstlight_tui.steps.precision.plot import NOT_YET, trade_off
from firstlight_tui.steps.precision.rows import figures_of, rows_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart, PointChart
from firstlight_tui.widgets.charts.paragraphs import HangingText
from firstlight_tui.widgets.precision_bars import memory_bars, size_bars
from firstlight_tui.widgets.precision_table import PrecisionTable
from firstlight_tui.widgets.words import part


class PrecisionStep(StepScreen):
    """Mark one or several rows; unavailable ones stay visible with their reason."""

    STEP_ID = "precision"
    PURPOSE = "The course's claims, our estimates, what we measured here"
    HELP = HELP
    CSS = """
    PrecisionStep #advice { height: auto; margin-top: 1; }
    PrecisionStep.-narrow #advice { margin-top: 0; }
    PrecisionStep #pictures { height: 1fr; min-height: 13; layout: horizontal; margin-top: 1; }
    PrecisionStep #picture { width: 3fr; height: 100%; margin-right: 1; }
    PrecisionStep #trade-off { height: 100%; display: none; }
    PrecisionStep #picture Words { height: auto; max-width: 100; color: $foreground-muted; margin-top: 1; }
    PrecisionStep #memories { display: none; margin-top: 1; }
    PrecisionStep.-tall #memories { display: block; }
    PrecisionStep #picture .-gone { display: none; }
    PrecisionStep #detail { width: 2fr; height: 100%; margin: 0; scrollbar-size-vertical: 2; }
    PrecisionStep.-narrow #pictures { layout: vertical; height: auto; margin: 0; }
    PrecisionStep.-narrow #picture { width: 100%; height: auto; margin: 0; }
    PrecisionStep.-narrow #sizes, PrecisionStep.-narrow #not-yet { display: none; }
    PrecisionStep.-narrow #trade-off { height: 13; }
    PrecisionStep.-narrow #detail { width: 100%; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return None if session.precisions else "Mark at least one precision with Space."

    @classmethod
    def done(cls, session: Session) -> bool:
        return bool(session.precisions)

    def __init__(self) -> None:
        super().__init__()
        self._ledger: tuple[Entry, ...] = ()
        self._earlier: dict[str, Figures] = {}
        self._by_speed = False

    def compose_step(self) -> ComposeResult:
        yield PrecisionTable(id="precisions")
        yield Words(id="advice")
        with Container(id="pictures"):
            with Vertical(id="picture"):
                yield PointChart(id="trade-off")
                yield Chart(id="sizes")
                yield Chart(id="memories")
                yield Words(NOT_YET, id="not-yet")
            with VerticalScroll(id="detail", classes="card", can_focus=False):
                yield Words(id="precision-detail")

    def opened(self) -> None:
        if not self.session.precisions:
            self.workspace.session = self.session.decide(precisions=(advised(self.session),))
        self._table.point_at(self.session.precisions[0])
        self._paint()
        begin(self, self._read_ledger, group="ledger", name="ledger")
        if self.session.model is not None:
            reading = partial(self._read_history, self.session.model["fingerprint"])
            begin(self, reading, group="history", name="history")

    async def _read_ledger(self) -> None:
        record = await self.workspace.ledger.written()
        if record is not None:
            self._ledger = tuple(await asyncio.to_thread(lambda: list(record.entries())))
            self._paint()

    async def _read_history(self, fingerprint: str) -> None:
        """Read from the history what was measured of this model before this run."""
        service = self.workspace.services.earlier_figures
        self._earlier = await asyncio.to_thread(service, fingerprint)
        if self._earlier:
            self._paint()

    def _session_changed(self) -> None:
        super()._session_changed()
        self._paint()

    # Painting -------------------------------------------------------------------------------------

    @property
    def _table(self) -> PrecisionTable:
        return self.query_one("#precisions", PrecisionTable)

    def _available(self, key: str) -> bool:
        return bool(estimates_of(self.session).get(key, {}).get("available", True))

    def _card(self, *, whole: bool = False) -> HangingText:
        """Return the card of the highlighted row."""
        session, key = self.session, self._table.highlighted
        rows = rows_of(session, figures_of(session, self._ledger, self._earlier))
        return card(
            rows[key],
            config=(session.configs or {}).get(key),
            tied=is_tied(session),
            reference=rows[REFERENCE_PRECISION],
            source_bytes=session.model.get("weight_bytes") if session.model is not None else None,
            whole=whole,
        )

    def _paint(self) -> None:
        if not self.is_attached:
            return
        session = self.session
        figures = figures_of(session, self._ledger, self._earlier)
        advice = self._advice(session, figures)
        rows = list(rows_of(session, figures, advice).values())
        self._table.show(rows)
        self.query_one("#sizes", Chart).show(size_bars(rows))
        self.query_one("#memories", Chart).show(memory_bars(rows))
        sentence = advice.sentence if advice else "No row can run here; the card says why."
        self.query_one("#advice", Words).update(
            Content.assemble(
                part("★ " if advice else "", "bold $text-success"),
                part(sentence),
                part(f"  {self._goal_hint()}", "$foreground-muted"),
            )
        )
        self.query_one("#precision-detail", Words).update(self._card())
        self._plot(figures)

    def _advice(self, session: Session, figures: Mapping[str, Figures]) -> Recommendation | None:
        return recommended(session, figures, by_goal=self._by_goal)

    @property
    def _by_goal(self) -> bool:
        """Whether somebody has asked for a goal, now or in an earlier sitting."""
        return self.workspace.drafts.by_goal or self.session.goal != Session().goal

    def _goal_hint(self) -> str:
        return "g: another goal" if self._by_goal else "g: other goals"

    def _plot(self, figures: Mapping[str, Figures]) -> None:
        """Draw the trade-off; the highlighted row is the selected point."""
        chart = self.query_one("#trade-off", PointChart)
        plot = trade_off(figures, by_speed=self._by_speed, selected=self._table.highlighted)
        chart.display = plot is not None
        for other in ("#sizes", "#memories", "#not-yet"):
            self.query_one(other).set_class(plot is not None, "-gone")
        chart.show_points(plot)

    # Choosing -------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark or unmark the highlighted row."""
        self._toggle(self._table.highlighted)

    @on(PrecisionTable.MarkClicked)
    def _mark_clicked(self, event: PrecisionTable.MarkClicked) -> None:
        self._toggle(event.key)

    @on(DataTable.RowSelected, "#precisions")
    def _selected(self, event: DataTable.RowSelected) -> None:
        # Enter on a row chooses that row alone and goes on; several marks are not thrown away.
        key = str(event.row_key.value)
        if not self._available(key):
            self._toggle(key)
            return
        if key not in self.session.precisions:
            self.workspace.session = self.session.decide(precisions=(key,))
        self.query_one("#primary").focus()

    def _toggle(self, key: str) -> None:
        if not self._available(key) and key not in self.session.precisions:
            reason = str(
                estimates_of(self.session).get(key, {}).get("reason") or "This row cannot run here."
            )
            self.say_why_not(one_line(reason))
            return
        marked = set(self.session.precisions) ^ {key}
        chosen = tuple(p.key for p in PRECISIONS if p.key in marked)
        self.workspace.session = self.session.decide(precisions=chosen)

    @on(DataTable.RowHighlighted, "#precisions")
    def _highlighted(self) -> None:
        self.query_one("#precision-detail", Words).update(self._card())
        self._plot(figures_of(self.session, self._ledger, self._earlier))

    @on(PointChart.PointSelected, "#trade-off")
    def _point_selected(self, event: PointChart.PointSelected) -> None:
        self._table.point_at(event.key)

    def action_to_table(self, rows: int) -> None:
        """Let the arrow keys move between the rows."""
        if self.focused is self._table:
            # This one was on its way to the button when the one before it came here.
            self._table.move_cursor(row=self._table.cursor_row + rows)
        else:
            self.set_focus(self._table)

    def action_goal(self) -> None:
        """Recommend for the next goal; a choice that only followed the recommendation follows it."""
        session = self.session
        figures = figures_of(session, self._ledger, self._earlier)
        before = self._advice(session, figures)
        goal = next_goal(session.goal) if self._by_goal else find_goal(session.goal)
        self.workspace.drafts.by_goal = True
        session = session.decide(goal=goal.key)
        advice = self._advice(session, figures)
        followed = before is not None and session.precisions == (before.precision,)
        if advice is not None and advice.precision and followed and not session.artifacts:
            session = session.decide(precisions=(advice.precision,))
            self._table.point_at(advice.precision)
        self.workspace.session = session
        self._paint()

    def action_details(self) -> None:
        """Show everything that is known of the highlighted row."""
        label = find_precision(self._table.highlighted).label
        self.app.push_screen(DetailScreen(label, self._card(whole=True).paragraphs.content))

    def action_picture(self) -> None:
        """Draw the other picture."""
        self._by_speed = not self._by_speed
        self._paint()

    def action_advanced(self) -> None:
        """Choose the quantiser's options of the highlighted row."""
        session, key = self.session, self._table.highlighted
        row, tied = form_in(session, key), is_tied(session)
        options = options_for(row, tied=tied)
        if not options or session.source is None:
            self.say_why_not(f"{row.label} is not quantised: there is nothing to choose.")
            return
        # A text changes no option; `none` makes the row's other form.
        nearest = session.calibration == CalibrationWord.NEAREST
        try:
            own = self.workspace.services.plan_conversion(
                Path(session.source),
                Path("OUTPUT"),
                precision=key,
                calibration=text_for(find_precision(key), session.calibration) if nearest else None,
            ).run_config
        except FirstlightError as error:
            self.show_problem(error)
            return
        calibration = initial_text(session, key)

        def use(chosen: RowOptions | None) -> None:
            if chosen is None:
                return
            config = with_options(own, chosen.values, precision=row, tied=tied)
            changed = configured(self.session, key, None if config == own else config)
            if chosen.calibration != calibration:
                changed = calibrated_on(changed, chosen.calibration)
            self.workspace.session = changed

        config = (session.configs or {}).get(key, own)
        screen = AdvancedScreen(
            f"Advanced: {row.label}",
            options,
            read_options(config),
            asks_text=asks_text(session, key),
            calibration=calibration,
        )
        self.app.push_screen(screen, use)
