"""A table of a foreign TOML file: values are read by key and type, and unread keys are an error."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.errors import InputRefused
from firstlight_core.text import one_line

_TEXT_LIMIT = 100_000


class Section:
    """One table; `asked` remembers which keys were known, so that the others can be refused by name."""

    def __init__(
        self, values: Mapping[str, Any], file: str, *, folder: Path, name: str = ""
    ) -> None:
        self.values = values
        self.file = file
        self.folder = folder
        self.name = name
        self.asked: set[str] = set()

    def wrong(self, key: str, what: str) -> InputRefused:
        """Return the error for one key."""
        key_path = f"{self.name}.{key}" if self.name else key
        return InputRefused(
            f"{self.file}: `{one_line(key_path, 80)}` {what}.",
            hint="Correct that line and try again.",
        )

    def nothing_else(self) -> None:
        """Refuse unread keys: a misspelt key must not be a silent default.

        Raises:
            InputRefused: the message names the first unknown key and those that are known.
        """
        for key in self.values:
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                raise self.wrong(key, f"is not a key here; known are: {known}")

    def _get(self, key: str) -> Any:
        self.asked.add(key)
        return self.values.get(key)

    def text(self, key: str, default: str | None = None) -> str | None:
        """Return a string without NUL."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, str) or "\0" in value or len(value) > _TEXT_LIMIT:
            raise self.wrong(key, "must be a text")
        return value

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """Return one of a few words."""
        value = self.text(key, default) or ""
        if value not in choices:
            raise self.wrong(key, f"must be one of: {', '.join(choices)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(
            isinstance(v, str) and "\0" not in v for v in value
        ):
            raise self.wrong(key, "must be a list of texts")
        return tuple(value)

    def number(self, key: str, *, least: int, most: int) -> int | None:
        """Return a whole number within limits."""
        value = self._get(key)
        return None if value is None else self._whole(key, value, least, most)

    def numbers(self, key: str, *, least: int, most: int) -> tuple[int, ...] | None:
        """Return a list of whole numbers within limits."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not value:
            raise self.wrong(key, "must be a list of whole numbers")
        return tuple(self._whole(key, number, least, most) for number in value)

    def _whole(self, key: str, value: Any, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"must be a whole number from {least} to {most}")
        return value

    def path(self, key: str, *, words: Mapping[str, Path] | None = None) -> Path | None:
        """Return a path, relative to the file; `words` stand for known places."""
        value = self.text(key)
        if value is None:
            return None
        if not value:
            raise self.wrong(key, "is empty")
        try:
            return (words or {}).get(value) or self.folder / Path(value).expanduser()
        except RuntimeError as error:
            raise self.wrong(key, "names a home folder that does not exist") from error

    def table(self, key: str) -> Mapping[str, Any] | None:
        """Return a table whose content is checked elsewhere."""
        value = self._get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return value

    def section(self, key: str) -> "Section | None":
        """Return a table below this one; an empty table counts as given."""
        value = self.table(key)
        if value is None:
            return None
        name = f"{self.name}.{key}" if self.name else key
        return Section(value, self.file, folder=self.folder, name=name)
