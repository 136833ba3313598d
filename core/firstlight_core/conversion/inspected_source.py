"""A source that was inspected once, and how to tell that it is still the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.model.inspection import Inspection, inspect_model

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class InspectedSource:
    """A source, and what identified its files when it was inspected: size, mtime (ns) and inode."""

    folder: Path
    """As the user names it; of an adapter, not its base."""
    inspection: Inspection
    stamps: Mapping[str, Stamp]

    def changed(self) -> list[str]:
        """Return the files that were changed, added or removed since.

        Raises:
            OSError: a folder or file went away.
        """
        now = read_stamps(self.folder, self.inspection)
        return sorted(
            name for name in {*now, *self.stamps} if now.get(name) != self.stamps.get(name)
        )


def inspect_source(folder: Path) -> InspectedSource:
    """Inspect a model or adapter folder.

    Raises:
        ModelRefused: it cannot be converted.
    """
    inspection = inspect_model(folder)
    return InspectedSource(folder, inspection, read_stamps(folder, inspection))


def inspected_again(before: InspectedSource) -> InspectedSource:
    """Return what was inspected, or a new inspection where a file has changed since.

    Raises:
        ModelRefused: it cannot be converted any more.
    """
    try:
        changed = before.changed()
    except OSError:
        changed = [str(before.folder)]
    return inspect_source(before.folder) if changed else before


def read_stamps(source: Path, inspection: Inspection) -> dict[str, Stamp]:
    """Return identities of the files of the source, and of an adapter's base, at this moment."""
    stamps: dict[str, Stamp] = {}
    for folder in {inspection.folder, source}:
        for entry in sorted(folder.iterdir()):
            if entry.is_file():
                status = entry.stat()
                stamps[str(entry)] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return stamps
