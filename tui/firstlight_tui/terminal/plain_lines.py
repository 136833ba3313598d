"""Lines of widgets without a frame, put together without the work that a frame takes.

Textual 8 asks for borders, outlines, hatches and tints anew for each line of each widget; most widgets have none of them.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from textual._segment_tools import line_pad
from textual._styles_cache import StylesCache
from textual.color import Color
from textual.css.styles import StylesBase
from textual.filter import LineFilter
from textual.geometry import Region, Size, Spacing
from textual.strip import Strip

_FRAMES = tuple(
    f"{kind}_{edge}"
    for kind in ("border", "outline")
    for edge in ("top", "right", "bottom", "left")
)


class _Lines(Protocol):
    """Paints one line of a content."""

    def __call__(self, y: int, /) -> Strip: ...


_render_framed = StylesCache.render


def _is_plain(styles: StylesBase, opacity: float) -> bool:
    """Return whether nothing but padding stands around and over the content."""
    return (
        opacity == 1.0
        and not any(styles.has_rule(name) and getattr(styles, name)[0] for name in _FRAMES)
        and not styles.has_rule("hatch")
        and styles.text_opacity == 1.0
        and not styles.tint.a
    )


def _render(
    cache: StylesCache,
    styles: StylesBase,
    size: Size,
    base_background: Color,
    background: Color,
    render_content_line: _Lines,
    filters: Sequence[LineFilter],
    border_title: Any,
    border_subtitle: Any,
    content_size: Size | None = None,
    padding: Spacing | None = None,
    crop: Region | None = None,
    opacity: float = 1.0,
    **ansi: Any,
) -> list[Strip]:
    """Take the place of `StylesCache.render`."""
    if content_size is None or padding is None or crop is None or not _is_plain(styles, opacity):
        return _render_framed(
            cache,
            styles,
            size,
            base_background,
            background,
            render_content_line,
            filters,
            border_title,
            border_subtitle,
            content_size,
            padding,
            crop,
            opacity,
            **ansi,
        )
    width, height = size
    content_width, content_height = content_size
    top, right, bottom, left = padding
    blank = cache.get_inner_outer(base_background, background)[0].rich_style
    if width != cache._width:
        cache.clear()
        cache._width = width
    lines, dirty = cache._cache, cache._dirty_lines
    strips: list[Strip] = []
    for y in crop.line_range:
        if y in dirty or (strip := lines.get(y)) is None:
            if y < top or y >= height - bottom:
                strip = Strip.blank(width, blank)
            else:
                if y - top < content_height:
                    strip = render_content_line(y - top).adjust_cell_length(content_width, blank)
                else:
                    strip = Strip.blank(content_width, blank)
                if left or right:
                    strip = Strip(line_pad(strip, left, right, blank), width)
            lines[y] = strip
        for each in filters:
            strip = strip.apply_filter(each, background)
        strips.append(strip)
    dirty.difference_update(crop.line_range)
    first, last = crop.column_span
    return strips if (first, last) == (0, width) else [strip.crop(first, last) for strip in strips]


def install() -> None:
    """Paint all later lines this way."""
    vars_of_cache: Any = StylesCache
    vars_of_cache.render = _render
