"""The Foundry Local model caches known here, and which models lie in them."""

from dataclasses import dataclass
from pathlib import Path

from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json_object, write_json
from firstlight_core.paths import find_paths

CACHES = ("private", "foundry")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCache:
    """Where models are published, and where Foundry Local's runtime keeps its registrations of them."""

    id: str
    """`private` or `foundry`."""
    root: Path
    """Contains `custom/<name>/`; the scanner of older cores reads it."""
    index: Path
    """The runtime's model cache directory, with its index of registrations."""

    @property
    def custom(self) -> Path:
        """The folder of the published models."""
        return self.root / "custom"


def private_cache() -> ModelCache:
    """Firstlight's own."""
    paths = find_paths()
    return ModelCache(id="private", root=paths.models, index=paths.foundry / "cache" / "models")


def _foreign(root: Path) -> ModelCache:
    return ModelCache(id="foundry", root=root, index=root)


def _record() -> Path:
    return find_paths().state / "foundry-caches.json"


def known_caches() -> list[ModelCache]:
    """Return the private cache, and every cache of the CLI in which something was deployed."""
    return [private_cache(), *(_foreign(root) for root in _roots())]


def _roots() -> list[Path]:
    try:
        roots = read_json_object(_record()).get("roots")
    except FirstlightError:
        roots = None
    listed = (
        [Path(root) for root in roots if isinstance(root, str)] if isinstance(roots, list) else []
    )
    return list(dict.fromkeys([*listed, default_cache()]))


def remember(cache: ModelCache) -> None:
    """Note that something is about to be deployed there, so that it is found again after the CLI's cache has moved."""
    if cache.id == "foundry" and cache.root not in (roots := _roots()):
        write_json(_record(), {"roots": [str(root) for root in (*roots, cache.root)]})


def default_cache() -> Path:
    """Return the CLI's default cache."""
    return Path.home() / ".foundry" / "cache" / "models"
