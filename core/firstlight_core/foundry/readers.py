"""The two places where a deployment can be published and registered, and who finds a model there.

The private one belongs to Firstlight. The other is the cache of Foundry Local's own command line: a model there is also
found by that program, and stands among models that are not ours.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.model_caches import (
    CACHES,
    ModelCache,
    _foreign,
    default_cache,
    private_cache,
)
from firstlight_core.documents.foundry import ReaderDocument
from firstlight_core.errors import UsageError
from firstlight_core.foundry.cli import FoundryCli
from firstlight_core.foundry.cli_cache import find_cache
from firstlight_core.text import one_line, shown_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A kind of program, and whether it finds the models of a cache."""

    reader: str
    sees: bool
    why: str
    here: bool
    """Whether this kind is on this machine, as far as can be seen."""

    def to_json(self) -> ReaderDocument:
        """Return one element of `seen_by`."""
        return {"reader": self.reader, "sees": self.sees, "why": self.why, "here": self.here}


async def choose_cache(key: str, environ: Mapping[str, str] = os.environ) -> ModelCache:
    """Return the cache of this id; for `foundry` where the CLI says it is, or its default place.

    Raises:
        UsageError: there is no such id.
    """
    if key not in CACHES:
        raise UsageError(
            f"There is no cache {one_line(key, 40)!r}.", hint=f"Choose one of: {', '.join(CACHES)}."
        )
    own = private_cache()
    if key == "private":
        return own
    folder = await find_cache(environ) or default_cache()
    # Once the CLI's cache has been moved to Firstlight's folder, both are one.
    return own if folder.resolve() == own.root.resolve() else _foreign(folder)


def seen_by(
    cache: ModelCache, cli: FoundryCli | None, cli_cache: Path | None = None
) -> list[Reader]:
    """Return which programs find a model in this cache, and how (FACTS.md, "Foundry Local").

    `cli_cache` is where the CLI's cache is now: `foundry cache cd` may have moved it here.
    """
    old = cli is not None and cli.release != (0, 0) and cli.old
    middle = cli is not None and (0, 10) <= cli.release < (0, 12)
    new = cli is not None and cli.release >= (0, 12)
    root, index = shown_path(cache.root), shown_path(cache.index)
    private = cache.id == "private"
    here = cli_cache is not None and cli_cache.resolve() == cache.root.resolve()
    return [
        Reader(
            reader="Firstlight's chat, benchmark, quality and serve",
            sees=True,
            why="by its name",
            here=True,
        ),
        Reader(
            reader="apps with Foundry Local's SDK 2.1 or later",
            sees=True,
            why=f"those that set model_cache_dir={index}; others look into a cache of their own",
            here=True,
        ),
        Reader(
            reader="foundry CLI up to 0.8 (cores up to 2.0)",
            sees=here or not private,
            why="by scanning folders"
            if here or not private
            else f"after `foundry cache cd {root}`",
            here=old,
        ),
        Reader(
            reader="foundry CLI 0.10 and 0.11",
            sees=False,
            why="they scan no folders and register no models of one's own",
            here=middle,
        ),
        Reader(
            reader="foundry CLI 0.12 and later",
            sees=not private,
            why="its own cache is another one"
            if private
            else "by the registration, as the SDK does (not tried with that program)",
            here=new,
        ),
    ]
