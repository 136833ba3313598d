"""Lines of cells that make the caches they need, when they need them.

Textual 8 gives each strip seven empty caches, and each cache a dictionary: a step that comes has 1,400 strips, and the
20,000 objects of their caches let the garbage collector run a dozen times in the midst of its painting.
"""

from collections.abc import Iterable
from typing import Any

from rich.segment import Segment
from textual.cache import FIFOCache
from textual.strip import Strip

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


def install() -> None:
    """Make all later strips light."""
    vars_of_strip: Any = Strip
    vars_of_strip.__init__ = _begin
    vars_of_strip.__getattr__ = _missing
