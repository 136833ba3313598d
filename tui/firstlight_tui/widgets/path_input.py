"""A field for a folder: completes names, takes what is pasted or dragged in, refuses what no path can hold."""

import asyncio
import os
import re
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from textual import events
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

LENGTH_LIMIT = 4096
"""Characters; the longest path that Linux takes is 4,095 bytes."""
ENTRIES_READ = 5_000
"""Names of one folder that are looked at for a completion."""


def plain_path(text: str) -> str:
    """The path in what a terminal pastes for a dragged file: quoted, a file URL, escaped, with a newline."""
    lines = text.strip().splitlines()
    text = lines[0].strip() if lines else ""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if text.lower().startswith("file:"):
        parts = urlsplit(text)
        text = unquote(parts.path)
        if os.name == "nt":
            text = text.lstrip("/")
    elif os.sep == "/" and text.startswith(("/", "~")):
        text = re.sub(r"\\([^A-Za-z0-9])", r"\1", text)
    return text


def looks_like_path(text: str) -> bool:
    """Whether a text is meant as a folder, not as words to search for."""
    return text.startswith(("/", "~", ".", "'", '"', "file:")) or "\\" in text


def complete_folder(text: str) -> str | None:
    """The first folder, by name, whose path begins with this text; hidden ones only when asked for."""
    if not looks_like_path(text) or "\0" in text:
        return None
    head, _, tail = text.rpartition("/")
    if not head and not text.startswith("/"):
        return None
    names = []
    try:
        with os.scandir(Path(head + "/").expanduser()) as entries:
            for _count, entry in zip(range(ENTRIES_READ), entries, strict=False):
                hidden = entry.name.startswith(".") and not tail.startswith(".")
                if entry.name.startswith(tail) and not hidden and entry.is_dir():
                    names.append(entry.name)
    except (OSError, ValueError, RuntimeError):
        return None
    return f"{head}/{min(names)}/" if names and min(names).isprintable() else None


class FolderSuggester(Suggester):
    """Looks at the disk in a thread: a folder on a slow network must not stop the typing."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(complete_folder, value)


class PathInput(Input):
    """Tab or Right takes the completion; a paste is cleaned, cut at a limit, and refused when it holds a NUL."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", id="path.complete", show=False, tooltip="Complete"),
    ]

    def __init__(self, placeholder: str, *, id: str) -> None:
        super().__init__(
            placeholder=placeholder,
            id=id,
            compact=True,
            suggester=FolderSuggester(),
            max_length=LENGTH_LIMIT,
        )

    def action_complete(self) -> None:
        """Take the completion of a name that was begun; else go on to the next widget."""
        begun = self.value and not self.value.endswith("/")
        if begun and self.cursor_at_end and self._suggestion not in ("", self.value):
            self.value = self._suggestion
            self.cursor_position = len(self.value)
        else:
            self.screen.focus_next()

    def on_paste(self, event: events.Paste) -> None:
        """Take in what was pasted or dragged onto the terminal."""
        event.prevent_default()
        event.stop()
        self.take(event.text)

    def take(self, text: str) -> None:
        """Put a pasted text into the field; a path replaces what stood there."""
        if "\0" in text:
            self.notify("Refused: the text holds a NUL character.", severity="warning")
            return
        if len(text) > LENGTH_LIMIT:
            self.notify(
                f"Cut to {LENGTH_LIMIT} of {len(text)} characters: no path is longer.",
                severity="warning",
            )
            text = text[:LENGTH_LIMIT]
        plain = plain_path(text)
        if looks_like_path(plain):
            self.value = plain
            self.cursor_position = len(plain)
        else:
            self.insert_text_at_cursor(plain)
        self.focus()
