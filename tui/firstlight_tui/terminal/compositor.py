"""A compositor that asks a widget for the lines of it that can be seen, and for no others.

Textual 8 asks every widget for all its lines and keeps what no other widget covers: of a step a third of all lines were
the backgrounds of containers below their children, and a change of one line asked everything above and below it too. And of a
container that only has a background one line is like the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from textual._compositor import Compositor
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


class SeenCompositor(Compositor):
    """Composes the same picture as Textual's own."""

    def _render_chops(
        self, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        cuts = self.cuts
        chops: list[dict[int, Strip | None]] = [dict.fromkeys(line[:-1]) for line in cuts]
        empty = [len(line) if is_rendered_line(y) else 0 for y, line in enumerate(chops)]
        """Pieces of each line that nobody has filled yet; none where nothing is wanted."""
        for widget, (region, clip) in self.visible_widgets.items():  # From the front to the back.
            seen = region.intersection(clip)
            if not (seen and crop.overlaps(clip)):
                continue
            first, last = seen.column_span
            pieces: dict[int, list[int]] = {}
            for y in seen.line_range:
                if empty[y]:
                    line = chops[y]
                    spans = [cut for cut in cuts[y] if first <= cut < last]
                    if any(line[cut] is None for cut in spans):
                        pieces[y] = spans
            for y, strip in _strips(widget, region, seen, list(pieces)):
                line, spans = chops[y], pieces[y]
                ends = [cut - seen.x for cut in (*spans[1:], last)]
                for cut, cut_strip in zip(spans, strip.divide(ends), strict=False):
                    if line[cut] is None:
                        line[cut] = cut_strip
                        empty[y] -= 1
        # As in Textual: the screen itself lies below everything, so no piece is left empty.
        return cast(Sequence[Mapping[int, Strip]], chops)


def _strips(
    widget: Widget, region: Region, seen: Region, lines: Sequence[int]
) -> Iterator[tuple[int, Strip]]:
    """Yield lines of the terminal with what a widget at `region` shows of them in the columns of `seen`."""

    def ask(first: int, rows: int) -> list[Strip]:
        part = Region(seen.x - region.x, first - region.y, seen.width, rows)
        return widget.render_lines(part)

    alike = _rows_alike(widget, region)
    same = [y for y in lines if y in alike]
    if same:
        strip = ask(same[0], 1)[0]
        yield from ((y, strip) for y in same)
    others = [y for y in lines if y not in alike]
    if isinstance(widget, Screen) and others:
        # A dialog draws the screen below it: once for each painting.
        wanted = set(others)
        strips = ask(others[0], others[-1] + 1 - others[0])
        yield from (line for line in enumerate(strips, others[0]) if line[0] in wanted)
        return
    while others:
        rows = 1
        while rows < len(others) and others[rows] == others[0] + rows:
            rows += 1
        yield from zip(others[:rows], ask(others[0], rows), strict=False)
        others = others[rows:]


def _rows_alike(widget: Widget, region: Region) -> range:
    """Return the lines of the terminal on which a widget looks the same: of a container all within its frame."""
    kind = type(widget)
    if (
        not widget.is_container
        or kind.render is not Widget.render
        or kind.render_line is not Widget.render_line
        or kind.render_lines is not Widget.render_lines
        or str(widget.styles.keyline[0]) != "none"
    ):
        return range(0)
    gutter = widget.styles.gutter
    return range(region.y + gutter.top, region.bottom - gutter.bottom)
