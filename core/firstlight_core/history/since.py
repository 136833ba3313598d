"""A time in the words of a user: a date, a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from firstlight_core.errors import UsageError
from firstlight_core.text import one_line

_AGO = re.compile(r"(\d{1,6})\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def read_since(text: str, *, now: datetime | None = None) -> str:
    """Return the time in UTC, ISO 8601, of `2026-11-29`, `2026-11-29T14:00` or `36h`, `7d`, `2w`.

    A date or time without a zone is in the zone of this machine.

    Raises:
        UsageError: it is none of these.
    """
    words = text.strip()
    try:
        if ago := _AGO.fullmatch(words):
            hours = int(ago[1]) * _HOURS[ago[2]]
            when = (now or datetime.now(UTC)) - timedelta(hours=hours)
        else:
            when = datetime.fromisoformat(words)
        return when.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{one_line(words, 40)!r} is no time.", hint="Write for example 7d, 36h or 2026-11-29."
        ) from None
