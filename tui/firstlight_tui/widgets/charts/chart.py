"""The widget that shows any drawing in the room it has."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget


class Drawing(Protocol):
    """A drawing; equal drawings look equal."""

    def rows(self, width: int) -> int:
        """The lines it wants at this width."""
        ...

    def draw(self, width: int, height: int) -> Content:
        """Return the lines, at most `height`, each at most `width` cells."""
        ...


class Chart(Widget):
    """Shows a drawing; nothing, and no line, as long as there is none."""

    DEFAULT_CSS = "Chart { height: auto; width: 1fr; }"

    def __init__(
        self, drawing: Drawing | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._drawing = drawing

    @property
    def drawing(self) -> Drawing | None:
        """The drawing that is shown now."""
        return self._drawing

    def show(self, drawing: Drawing | None) -> None:
        """Show another drawing; one that is equal to the last is not painted again."""
        if drawing == self._drawing:
            return
        before = self._lines()
        self._drawing = drawing
        self.refresh(layout=self.styles.auto_dimensions and before != self._lines())

    def _lines(self) -> int:
        return self._drawing.rows(self.size.width) if self._drawing is not None else 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines that the drawing wants."""
        return self._drawing.rows(width) if self._drawing is not None else 0

    def render(self) -> Content:
        """Return the drawing at the size of the widget."""
        if self._drawing is None or self.size.width < 1 or self.size.height < 1:
            return Content("")
        return self._drawing.draw(self.size.width, self.size.height)


class PointDrawing(Drawing, Protocol):
    """A drawing with named points that can be pointed at."""

    @property
    def selected(self) -> str | None:
        """Key of the highlighted point."""
        ...

    def positions(self, width: int, height: int) -> dict[str, tuple[int, int]]:
        """Column and row of every point by its key, from left to right."""
        ...


class PointChart(Chart, can_focus=True):
    """Shows a drawing with points: click near one, or walk them with the arrow keys."""

    DEFAULT_CSS = "PointChart { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "walk(-1)", "Point to the left", show=False),
        Binding("right,down", "walk(1)", "Point to the right", show=False),
    ]

    @dataclass
    class PointSelected(Message):
        """A point was clicked or walked to."""

        chart: "PointChart"
        key: str

        @property
        def control(self) -> "PointChart":
            """The chart of the point."""
            return self.chart

    def __init__(self, drawing: PointDrawing | None = None, *, id: str | None = None) -> None:
        super().__init__(drawing, id=id)
        self._pointed = drawing

    def show_points(self, drawing: PointDrawing | None) -> None:
        """Show another drawing with points."""
        self._pointed = drawing
        self.show(drawing)

    def _positions(self) -> dict[str, tuple[int, int]]:
        if self._pointed is None:
            return {}
        return self._pointed.positions(self.size.width, self.size.height)

    def on_click(self, event: events.Click) -> None:
        """Select the point nearest to the mouse; a cell is twice as high as it is wide."""
        positions = self._positions()
        offset = event.get_content_offset(self)
        if positions and offset is not None:
            self._select(
                min(
                    positions,
                    key=lambda key: (
                        (positions[key][0] - offset.x) ** 2
                        + (2 * (positions[key][1] - offset.y)) ** 2
                    ),
                )
            )

    def action_walk(self, step: int) -> None:
        """Select the next point to the right, or to the left."""
        keys = list(self._positions())
        if not keys or self._pointed is None:
            return
        selected = self._pointed.selected
        index = keys.index(selected) + step if selected in keys else 0
        self._select(keys[max(0, min(len(keys) - 1, index))])

    def _select(self, key: str) -> None:
        self.post_message(self.PointSelected(self, key))
