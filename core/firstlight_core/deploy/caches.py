"""The two places where a deployment can be published and registered, and who finds a model there.

The private one belongs to Firstlight. The other is the cache of Foundry Local's own command line: a model there is also
found by that program, and stands among models that are not ours.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from firstlight_core.deploy.foundry_cache import default_cache, find_cache
from firstlight_core.deploy.foundry_cli import FoundryCli
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.files import read_json_object, write_json
from firstlight_core.paths import find_paths
from firstlight_core.text import one_line, shown_path

CACHES = ("private", "foundry")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCache:
    """Where models are published, and where Foundry Local's runtime keeps its registrations of them."""

    id: str
    """`private` or `foundry`."""
    root: Path
    """Below it stands `custom/<name>/`; the scanner of older cores reads it."""
    index: Path
    """The runtime's model cache directory, with its index of registrations."""

    @property
    def custom(self) -> Path:
        """The folder of the published models."""
        return self.root / "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A kind of program, and whether it finds the models of a cache."""

    reader: str
    sees: bool
    why: str
    here: bool
    """Whether this kind is on this machine, as far as it can be told."""

    def to_json(self) -> dict[str, object]:
        """One element of `seen_by`."""
        return asdict(self)


def private_cache() -> ModelCache:
    """Firstlight's own."""
    paths = find_paths()
    return ModelCache(id="private", root=paths.models, index=paths.foundry / "cache" / "models")


async def choose_cache(key: str, environ: Mapping[str, str] = os.environ) -> ModelCache:
    """The cache of this id; for `foundry` where the CLI says it is, or its default place.

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
    place = await find_cache(environ) or default_cache()
    # Once the CLI's cache has been moved to Firstlight's folder, both are one.
    return own if place.resolve() == own.root.resolve() else _foreign(place)


def _foreign(root: Path) -> ModelCache:
    return ModelCache(id="foundry", root=root, index=root)


def _record() -> Path:
    return find_paths().state / "foundry-caches.json"


def known_caches() -> list[ModelCache]:
    """The private cache, and every cache of the CLI in which something was deployed."""
    return [private_cache(), *(_foreign(root) for root in _roots())]


def _roots() -> list[Path]:
    try:
        found = read_json_object(_record()).get("roots")
    except FirstlightError:
        found = None
    listed = (
        [Path(root) for root in found if isinstance(root, str)] if isinstance(found, list) else []
    )
    return list(dict.fromkeys([*listed, default_cache()]))


def remember(cache: ModelCache) -> None:
    """Note that something is about to be deployed there, so that it is found again after the CLI's cache has moved."""
    if cache.id == "foundry" and cache.root not in (roots := _roots()):
        write_json(_record(), {"roots": [str(root) for root in (*roots, cache.root)]})


def seen_by(cache: ModelCache, cli: FoundryCli | None, place: Path | None = None) -> list[Reader]:
    """Which programs find a model in this cache, and how (FACTS.md, "Foundry Local").

    `place` is where the CLI's cache is now: `foundry cache cd` may have moved it here.
    """
    old = cli is not None and cli.release != (0, 0) and cli.old
    middle = cli is not None and (0, 10) <= cli.release < (0, 12)
    new = cli is not None and cli.release >= (0, 12)
    root, index = shown_path(cache.root), shown_path(cache.index)
    private = cache.id == "private"
    here = place is not None and place.resolve() == cache.root.resolve()
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
