"""Loading libraries of a million objects in a worker process."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Collect no garbage while the block loads libraries, and leave what they made out of every later collection.

    Looking through it again and again was a fifth of the time that loading Olive takes. What is alive at the end of
    the block and part of a cycle is never freed: no model may be loaded yet.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
