"""The rest of a long measurement in words."""

from firstlight_core.process.events import Remaining
from firstlight_core.text import seconds_text


def remaining_words(left: Remaining) -> str:
    """Return what is left as the end of a sentence; empty when nothing is."""
    parts = [
        f"{count} {name if count == 1 else name + 's'}"
        for count, name in (
            (left.builds, "build"),
            (left.rounds, "round"),
            (left.measurements, "measurement"),
        )
        if count
    ]
    if not parts:
        return ""
    if left.seconds is not None:
        what = " for the builds" if left.builds_only else ""
        parts.append(f"{seconds_text(left.seconds)}{what} (estimate)")
    return f"left: {', '.join(parts)}"
