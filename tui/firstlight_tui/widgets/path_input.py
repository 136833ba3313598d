"""A field for a folder: completes names, takes what is pasted or dragged in, refuses what no path can hold."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
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
WINDOWS = os.name == "nt"
Scan = Callable[[str], AbstractContextManager[Iterator["os.DirEntry[str]"]]]
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def plain_path(text: str, *, windows: bool | None = None) -> str:
    """Return the path in what a terminal pastes for a dragged file: quoted, a file URL, escaped, with a newline."""
    windows = WINDOWS if windows is None else windows
    lines = text.strip().splitlines()
    text = lines[0].strip() if lines else ""
    if windows and text.startswith("& "):
        # PowerShell calls what is dragged into it.
        text = text[2:]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if text.lower().startswith("file:"):
        parts = urlsplit(text)
        text = unquote(parts.path)
        if windows:
            # file:///C:/models and file://server/share/models.
            share = parts.netloc not in ("", "localhost")
            text = f"//{parts.netloc}{text}" if share else text.lstrip("/")
            text = text.replace("/", "\\")
    elif not windows and text.startswith(("/", "~")):
        text = re.sub(r"\\([^A-Za-z0-9])", r"\1", text)
    return text


def looks_like_path(text: str, *, windows: bool | None = None) -> bool:
    """Return whether a text is meant as a folder, not as words to search for."""
    windows = WINDOWS if windows is None else windows
    starts = ("/", "~", ".", "'", '"', "file:")
    return text.startswith(starts) or "\\" in text or (windows and bool(_DRIVE.match(text)))


def complete_folder(
    text: str,
    *,
    windows: bool | None = None,
    scan: Scan | None = None,
) -> str | None:
    """Return the first folder, by name, whose path begins with this text; hidden ones only when asked for.

    On Windows both slashes separate, the last one typed is kept, and the case of names does not count.
    """
    windows = WINDOWS if windows is None else windows
    if not looks_like_path(text, windows=windows) or "\0" in text:
        return None
    cut = max(text.rfind("/"), text.rfind("\\") if windows else -1)
    if cut < 0:
        return None
    head, tail = text[: cut + 1], text[cut + 1 :]
    separator = head[-1]
    if windows and re.fullmatch(r"[\\/]{2}([^\\/]+[\\/])?", head):
        # Servers, and the shares of one, are not folders that could be listed.
        return None
    begun = tail.lower() if windows else tail
    names = []
    try:
        with (scan or os.scandir)(os.path.expanduser(head)) as entries:  # noqa: PTH111  (Path drops the last slash)
            for _count, entry in zip(range(ENTRIES_READ), entries, strict=False):
                name = entry.name.lower() if windows else entry.name
                hidden = entry.name.startswith(".") and not tail.startswith(".")
                if name.startswith(begun) and not hidden and entry.is_dir():
                    names.append(entry.name)
    except (OSError, ValueError, RuntimeError):
        return None
    return f"{head}{min(names)}{separator}" if names and min(names).isprintable() else None


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
        begun = self.value and not self.value.endswith(("/", "\\") if WINDOWS else "/")
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
