"""The last check before the terminal: control characters that passed the sanitiser at entry stop here.

Textual strips only five control characters of the text it draws and writes link targets as they are (SAFETY D3, D4), so
the method that turns a styled piece of text into bytes is wrapped: the text is made visible, links are dropped.
"""

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from firstlight_core.text import visible

_RENDER_STYLE = Strip.render_style
_RENDER = Strip.render


def _render_style(cls: type[Strip], style: Style, text: str, color_system: ColorSystem) -> str:
    plain = style.update_link(None) if style.link else style
    return _RENDER_STYLE(plain, _one_row(text), color_system)


def _render(strip: Strip, console: Console) -> str:
    """Text without any style would be written as it is: give it the empty style, so that it meets the net too."""
    if any(style is None for _, style, _ in strip):
        styled = [Segment(text, style or Style.null(), control) for text, style, control in strip]
        strip = Strip(styled, strip.cell_length)
    return _RENDER(strip, console)


def _one_row(text: str) -> str:
    """A strip is one row of cells: a newline or tab in it would move the cursor."""
    return text if text.isprintable() else visible(text).replace("\n", "⏎").replace("\t", " ")


def install() -> None:
    """Put the net up; once is enough, twice does no harm."""
    Strip.render_style = classmethod(_render_style)  # type: ignore[method-assign, assignment]
    Strip.render = _render  # type: ignore[method-assign, assignment]
