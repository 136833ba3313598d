"""The text that a part of the screen shows, as it is painted."""

import re

from textual.geometry import Region
from textual.widget import Widget

_FRAME = re.compile("[─━│┃╭╮╰╯┏┓┗┛┌┐└┘├┤┬┴┼▏▕░█▁-▇]+")


def shown_text(part: Widget) -> str:
    """Return the words of all widgets below `part` that can be seen, without frames and bars."""
    lines: list[str] = []
    whole = part.screen.region
    for widget in part.walk_children(Widget):
        if widget.children or not widget.visible or not widget.region.overlaps(whole):
            continue
        width, height = widget.size
        strips = widget.render_lines(Region(0, 0, width, height))
        lines += [strip.text for strip in strips]
        lines.append("")
    return _FRAME.sub(" ", "\n".join(lines))
