"""A gauge: name, value, bar, and the recent past as a line of blocks."""

from collections.abc import Sequence

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from firstlight_core.text import visible

BLOCKS = " ▁▂▃▄▅▆▇█"


def blocks(values: Sequence[float], width: int, top: float) -> str:
    """The last `width` values as block characters, `top` being a full block."""
    newest = list(values)[-width:] if width > 0 else []
    if top <= 0:
        return " " * width
    steps = len(BLOCKS) - 1
    line = "".join(BLOCKS[max(0, min(steps, round(steps * v / top)))] for v in newest)
    return line.rjust(width)


class Gauge(Widget):
    """One figure that lives; `fraction` (0..1) fills the bar, None leaves it out."""

    DEFAULT_CSS = """
    Gauge { height: auto; width: 1fr; min-height: 2; }
    """

    text: reactive[str] = reactive("", layout=True)
    fraction: reactive[float | None] = reactive(None)
    past: reactive[tuple[float, ...]] = reactive(())

    def __init__(
        self, name: str, *, unit_note: str = "", alert: float | None = None, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._name = name
        self._note = unit_note
        self._alert = alert
        """Fraction from which the bar is drawn in the warning colour."""

    def show(self, text: str, *, fraction: float | None = None, past: Sequence[float] = ()) -> None:
        """Set everything at once."""
        self.text, self.fraction, self.past = visible(text), fraction, tuple(past)

    def render(self) -> Content:
        width = max(8, self.size.width)
        head = f"{self._name} "
        value = self.text or "–"
        gap = max(1, width - len(head) - len(value))
        lines = [Content.assemble((head, "$foreground-muted"), " " * gap, (value, "bold"))]
        if self.fraction is not None:
            share = max(0.0, min(1.0, self.fraction))
            full = round(share * width)
            hot = self._alert is not None and share >= self._alert
            lines.append(
                Content.assemble(
                    ("━" * full, "$warning" if hot else "$primary"),
                    ("─" * (width - full), "$border-blurred"),
                )
            )
        if self.past:
            top = max(self.past) if self.fraction is None else 1.0
            lines.append(Content.styled(blocks(self.past, width, top or 1.0), "$accent"))
        return Content("\n").join(lines)
