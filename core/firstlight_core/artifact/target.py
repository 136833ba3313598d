"""The target of a verb: an artifact folder, a deployed name, an endpoint or the original."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from firstlight_core.errors import FirstlightError, InputRefused, UsageError
from firstlight_core.files import is_folder
from firstlight_core.paths import expanded
from firstlight_core.text import one_line, shown_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target of a verb: an artifact folder, a deployed name, or an endpoint; in the chat also the original."""

    kind: Literal["artifact", "deployment", "endpoint", "original"]
    text: str
    """As the user wrote it."""
    folder: Path | None = None
    """The artifact folder, of the original its source folder; None for an endpoint."""
    like: Path | None = None
    """For the original: the artifact whose template and settings it uses."""
    base_url: str | None = None
    model: str | None = None

    @property
    def label(self) -> str:
        """A short name for tables."""
        if self.kind == "original":
            return "original"
        if self.kind == "artifact" and self.folder is not None:
            return one_line(self.folder.name, 60) or shown_path(self.folder)
        return one_line(self.text, 60)


def artifact_target(folder: str | Path) -> Target:
    """Return the target that an artifact folder is; whether it can be opened is seen when it is."""
    return Target(kind="artifact", text=str(folder), folder=Path(folder))


def find_target(what: str | Path | Target) -> Target:
    """Return the target of a text or path: by its scheme an endpoint, else an existing folder, else a deployed name.

    Raises:
        UsageError: it is empty, or holds a NUL.
        InputRefused: it names nothing that is there, or a file.
    """
    if isinstance(what, Target):
        return what
    text = str(what)
    if text.startswith(("http://", "https://")):
        return _endpoint(text)
    if not text.strip() or "\0" in text:
        raise UsageError("The target is empty or holds a NUL character.", hint=_TARGET_HINT)
    folder = expanded(text)
    try:
        mode = folder.stat().st_mode
    except (OSError, ValueError):
        mode = 0
    if stat.S_ISDIR(mode):
        return Target(kind="artifact", text=text, folder=folder.absolute())
    if mode:
        raise InputRefused(
            f"{shown_path(text)} is a file; an artifact is a folder.", hint=_TARGET_HINT
        )
    if (deployed := _deployed_folder(text)) is not None:
        return Target(kind="deployment", text=text, folder=deployed)
    if _is_source(text):
        raise InputRefused(
            f"{one_line(text, 120)} is a source model, not an artifact.",
            hint=f"Convert it first: firstlight convert {shown_path(text)} -o DIR",
        )
    raise InputRefused(
        f"There is no folder and no deployment called {one_line(text, 120)!r}.", hint=_TARGET_HINT
    )


_TARGET_HINT = (
    "Name a folder that `firstlight convert` made, a deployed name, or http://host:port/v1#model."
)


def _endpoint(text: str) -> Target:
    base, _, model = text.partition("#")
    return Target(kind="endpoint", text=text, base_url=base.rstrip("/"), model=model or None)


def _deployed_folder(name: str) -> Path | None:
    """Return the artifact folder of a deployment with this name, if there is one."""
    from firstlight_core.artifact.deployments import find_deployment

    deployment = find_deployment(name)
    return deployment.path if deployment is not None else None


def _is_source(text: str) -> bool:
    """Return whether `firstlight convert` takes this word for a source model."""
    from firstlight_core.model.sources import find_source

    try:
        return is_folder(find_source(text))
    except (FirstlightError, OSError):
        return False


def artifact_folder(target: Target) -> Path:
    """Return the folder behind a target.

    Raises:
        UsageError: the target is an endpoint, which this verb cannot open.
    """
    if target.folder is None:
        raise UsageError(
            f"{target.label} is a server; this needs an artifact.",
            hint="Name an artifact folder or a deployed name.",
        )
    return target.folder
