"""The type of an export target."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import WrittenExport
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.process.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """The artifact to export, and the destination."""

    artifact: Path
    name: str
    destination: Path
    document: InferenceModel
    """The settled inference_model.json."""
    source: Path | None = None
    """The original weights; None takes those that the artifact's manifest names."""
    capacity: Capacity | None = None
    """The size of a server, for targets with sizing options."""
    say: Callable[[Event], None]


Write = Callable[[ExportRequest], Awaitable[WrittenExport]]
"""Writes an export to its destination, or raises and leaves what stood there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One row: a target that an artifact is written for."""

    words: str
    """Label of the target in the Deploy step."""
    written: str
    """Name of the written thing, as a part of a sentence."""
    write: Callable[[], Write]
    """Import the target's module and return the function that writes the export."""
    options: type[Capacity] | None = None
    """The numbers that the target asks for."""
    from_weights: bool = False
    """Whether it serves the original weights, so that `--source` may name them."""
    suffix: str = ""
    """Suffix of the written file; empty for a folder."""
