"""Lines of cells that make the caches they need, when they need them, of pieces that share their styles.

Textual 8 gives each strip seven empty caches, and each cache a dictionary: a step that comes has 1,400 strips, and the
20,000 objects of their caches let the garbage collector run a dozen times in the midst of its painting. And it makes a style of
its own for each piece of text, which knows where the piece stands: colours are mixed and written anew for each.

Measured alone (2026-11-30, in turns): without this module p99 from key to redraw is 51 instead of 48 ms while a model loads and
the same in a walk, of which each step takes 3 to 5 % more processor time. With 830 keys the 7 % are no more than a trend.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.cache import FIFOCache
from textual.strip import Strip
from textual.style import Style

CACHE_SIZES = {
    "_divide_cache": 4,
    "_crop_cache": 16,
    "_style_cache": 16,
    "_filter_cache": 4,
    "_line_length_cache": 4,
    "_crop_extend_cache": 4,
    "_offsets_cache": 4,
}
"""Each cache of Textual's strips with the number of its entries."""


def _begin(strip: Strip, segments: Iterable[Segment], cell_length: int | None = None) -> None:
    """Take the place of `Strip.__init__`, without the caches."""
    strip._segments = list(segments)
    strip._cell_length = cell_length
    strip._render_cache = None
    strip._link_ids = None
    strip._cell_count = None


def _missing(strip: Strip, name: str) -> FIFOCache[Any, Any]:
    """Take the place of `Strip.__getattr__`, which Python asks for an attribute that is not set."""
    if (size := CACHE_SIZES.get(name)) is None:
        raise AttributeError(name)
    cache: FIFOCache[Any, Any] = FIFOCache(size)
    setattr(strip, name, cache)
    return cache


STYLES = 8_192
"""Styles of pieces of text that are kept; a step has some 500."""
_style_at = Style.rich_style_with_offset
_known_style_at = lru_cache(STYLES)(_style_at)


def _shared_style_at(style: Style, x: int, y: int) -> RichStyle:
    """Take the place of `Style.rich_style_with_offset`; each link has a style of its own still."""
    own = style._meta is not None or style.link is not None
    return _style_at(style, x, y) if own else _known_style_at(style, x, y)


def install() -> None:
    """Make all later strips light."""
    vars_of_style: Any = Style
    vars_of_style.rich_style_with_offset = _shared_style_at
    vars_of_strip: Any = Strip
    vars_of_strip.__init__ = _begin
    vars_of_strip.__getattr__ = _missing
