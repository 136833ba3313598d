"""The builds of tunings, kept between them: each is made once for one source, configuration and set of tools."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from firstlight_core.artifact.manifest import folder_bytes, read_manifest, tool_versions
from firstlight_core.conversion.plan import ConversionPlan
from firstlight_core.documents.tuning import BuildDrift
from firstlight_core.errors import InputRefused
from firstlight_core.files import read_json_object, write_json
from firstlight_core.model.fingerprint import fingerprint
from firstlight_core.tuning.settings import Build

_DRIFT = ("top1_agreement", "kl_mean", "kl_p95", "perplexity_ratio")


@dataclass(frozen=True, slots=True)
class BuildCache:
    """Builds of one source below a folder."""

    root: Path
    identity: str
    """Digest of the source, its base and the tools."""

    @classmethod
    def of(cls, root: Path, source: Path, base: Path | None) -> "BuildCache":
        """Return the cache of a source; reads its files at most once.

        Raises:
            ModelRefused: the source cannot be read.
        """
        marks = [fingerprint(folder) for folder in (source, base) if folder is not None]
        return cls(root, _digest([marks, tool_versions()]))

    def folder(self, build: Build) -> Path:
        """Return where a build is, or will be."""
        what = [self.identity, build.to_json()]
        if build.precision.nearest is not None:
            # Beside the same row rounded to the nearest.
            what.append("on a text")
        return self.root / f"{build.name}-{_digest(what)}"

    def size(self, plan: ConversionPlan) -> int | None:
        """Return the bytes of a build that is there and whole; None when it must be made."""
        manifest = read_manifest(plan.output)
        if manifest is None or manifest.get("precision") != plan.precision.key:
            return None
        # Where the source lies does not matter, what is done to it does.
        if _without_model(manifest.get("run_config")) != _without_model(plan.run_config):
            return None
        try:
            whole = all(
                (plan.output / name).stat().st_size == entry["bytes"]
                for name, entry in manifest.get("files", {}).items()
            )
            return folder_bytes(plan.output) if whole else None
        except (OSError, KeyError, TypeError):
            return None

    def drift(self, build: Build, reference: str) -> BuildDrift | None:
        """Return the drift that was measured against this reference; None when it was not."""
        try:
            drifts = read_json_object(self._drifts(build))
        except InputRefused:
            return None
        drift = drifts.get(reference)
        if not isinstance(drift, dict):
            return None
        whole = all(isinstance(drift.get(name), int | float) for name in _DRIFT)
        return cast(BuildDrift, drift) if whole else None

    def keep_drift(self, build: Build, reference: str, drift: BuildDrift) -> None:
        """Keep a drift that was measured.

        Raises:
            StateProblem: the disk refuses.
        """
        write_json(self._drifts(build), {reference: drift})

    def _drifts(self, build: Build) -> Path:
        return self.root / f"{self.folder(build).name}.drift.json"


def _without_model(config: object) -> object:
    if not isinstance(config, dict):
        return None
    return {key: value for key, value in config.items() if key != "input_model"}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
