"""Which parts of a screen still ask for a layout: one that is made answers all that was asked until then.

Textual 8 lays a screen out again for every part whose size comes out of the layout itself, and again for what was
asked before it: two to four layouts, each with a painting, where one is right (bench/responsiveness.py).
"""

from collections.abc import Iterable, Mapping

from textual.widget import Widget

Bars = Mapping[Widget, tuple[bool, bool]]
"""For each part, whether its vertical and its horizontal scrollbar are shown."""


def shown_bars(screen: Widget) -> Bars:
    """Return the scrollbars of all parts of a screen, itself among them."""
    return {
        part: (part.show_vertical_scrollbar, part.show_horizontal_scrollbar)
        for part in screen.walk_children(Widget, with_self=True)
    }


def answer_requests(parts: Iterable[Widget]) -> None:
    """Let the layout that follows take in what these parts asked for, as their own idle event would."""
    for part in parts:
        if part._layout_required:
            part._layout_required = False
            for ancestor in part.ancestors:
                if not isinstance(ancestor, Widget):
                    break
                ancestor._clear_arrangement_cache()
                ancestor._layout_updates += 1
                if not ancestor.styles.auto_dimensions:
                    break


def drop_echoes(bars: Bars) -> None:
    """Drop what a layout has asked for itself, unless a scrollbar has come or gone since `bars`."""
    for part, shown in bars.items():
        if shown == (part.show_vertical_scrollbar, part.show_horizontal_scrollbar):
            part._layout_required = False
            for bar in part._get_virtual_dom():
                bar._layout_required = False
