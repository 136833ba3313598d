"""List the deployments of this machine from the manifests of the published folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.inference_model import check_name
from firstlight_core.artifact.model_caches import ModelCache, known_caches, private_cache
from firstlight_core.artifact.publishing import read_manifest
from firstlight_core.errors import UsageError
from firstlight_core.files import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An artifact that was published under a name."""

    name: str
    path: Path
    target: str
    id: str
    """Foundry Local's id, or the name where Foundry Local was not asked."""
    precision: str | None = None
    proven: bool = True
    """False when Firstlight was killed between publishing it and its first answer."""
    cache: ModelCache | None = None
    """The cache that holds it; None means Firstlight's own."""

    @property
    def home(self) -> ModelCache:
        """The cache that holds it."""
        return self.cache or private_cache()

    def to_json(self) -> JsonObject:
        """Return a JSON object."""
        return {
            "name": self.name,
            "path": str(self.path),
            "target": self.target,
            "id": self.id,
            "precision": self.precision,
            "proven": self.proven,
            "cache": self.home.id,
        }


def list_deployments() -> list[Deployment]:
    """Everything that is published on this machine, by name."""
    deployments = [
        deployment
        for cache in known_caches()
        for path in folders_in(cache)
        if (deployment := read_deployment(path, cache)) is not None
    ]
    return sorted(deployments, key=lambda deployment: deployment.name)


def folders_in(cache: ModelCache) -> list[Path]:
    """Return the folders of the published models of a cache, ours or not."""
    try:
        return sorted(cache.custom.iterdir())
    except OSError:
        return []


def read_deployment(path: Path, cache: ModelCache) -> Deployment | None:
    """Return the deployment in this folder; None when Firstlight has not published it."""
    manifest = read_manifest(path) if path.is_dir() and not path.is_symlink() else None
    about = manifest.get("deployment") if manifest is not None else None
    if manifest is None or not isinstance(about, Mapping):
        return None
    precision = manifest.get("precision")
    return Deployment(
        name=path.name,
        path=path,
        target=str(about.get("target", "folder")),
        id=str(about.get("id", path.name)),
        precision=precision if isinstance(precision, str) else None,
        proven=about.get("proven") is not False,
        cache=cache,
    )


def find_deployment(name: str) -> Deployment | None:
    """Return the deployment of this name; None when there is none."""
    try:
        check_name(name)
        for cache in known_caches():
            if (deployment := read_deployment(cache.custom / name, cache)) is not None:
                return deployment
    except (UsageError, OSError):
        pass
    return None
