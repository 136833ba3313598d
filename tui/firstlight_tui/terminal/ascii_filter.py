"""ASCII mode: every box, block, braille and mark character becomes one ASCII character of the same width.

It works on what is painted, so charts, borders and scroll bars need to know nothing of it. `WizardApp(ascii=True)` switches it on.
"""

from collections.abc import Sequence

from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

from firstlight_tui.terminal.ascii_marks import to_ascii


class AsciiFilter(LineFilter):
    """Replaces the characters of drawing in every line that an app paints."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the same segments in ASCII; `background` does not matter."""
        return [
            segment if segment.text.isascii() else segment._replace(text=to_ascii(segment.text))
            for segment in segments
        ]


class AsciiApp(App[int]):
    """An app whose whole screen can be painted in ASCII: the one switch."""

    def __init__(self, *, ascii: bool = False) -> None:
        super().__init__()
        self._ascii = AsciiFilter(enabled=ascii)

    @property
    def ascii(self) -> bool:
        """True if the screen is painted in ASCII."""
        return self._ascii.enabled

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters of Textual, and the one for ASCII when it is on."""
        filters = super().get_line_filters()
        return [*filters, self._ascii] if self._ascii.enabled else filters
