"""The path field on Windows: drives, shares, backslashes, and names whose case does not count."""

import contextlib
import ntpath
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from firstlight_tui.widgets.path_input import complete_folder, looks_like_path, plain_path

TREE = {
    "c:\\": ["Models", "Users", "$Recycle.Bin"],
    "c:\\models\\": ["Qwen 2.5", "phi", ".cache"],
    "\\\\server\\share\\": ["Models"],
}


@contextlib.contextmanager
def scan(path: str) -> Iterator[Any]:
    names = TREE.get(ntpath.normpath(path).lower().rstrip("\\") + "\\")
    if names is None:
        raise FileNotFoundError(path)
    yield iter([SimpleNamespace(name=name, is_dir=lambda: True) for name in names])


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("C:\\", "C:\\$Recycle.Bin\\"),
        ("C:\\mo", "C:\\Models\\"),
        ("C:/mo", "C:/Models/"),
        ("c:\\Models\\q", "c:\\Models\\Qwen 2.5\\"),
        ("C:\\Models/P", "C:\\Models/phi/"),
        ("C:\\Models\\.c", "C:\\Models\\.cache\\"),
        ("\\\\server\\share\\m", "\\\\server\\share\\Models\\"),
        ("\\\\server\\sh", None),
        ("\\\\ser", None),
        ("C:", None),
        ("C:\\nothing\\x", None),
        ("qwen", None),
    ],
)
def test_completion(typed: str, completed: str | None) -> None:
    assert complete_folder(typed, windows=True, scan=scan) == completed


@pytest.mark.parametrize(
    ("pasted", "path"),
    [
        ('"C:\\My Models\\Qwen"', "C:\\My Models\\Qwen"),
        ("& 'C:\\My Models\\Qwen'\r\n", "C:\\My Models\\Qwen"),
        ("file:///C:/My%20Models/Qwen", "C:\\My Models\\Qwen"),
        ("file://server/share/models", "\\\\server\\share\\models"),
        ("\\\\server\\share\\(x)", "\\\\server\\share\\(x)"),
        ("~\\models", "~\\models"),
        ("C:\\Größe\\模型", "C:\\Größe\\模型"),
    ],
)
def test_what_windows_terminals_paste_becomes_a_path(pasted: str, path: str) -> None:
    assert plain_path(pasted, windows=True) == path
    assert looks_like_path(path, windows=True)


def test_a_drive_is_a_path_on_windows_only() -> None:
    assert looks_like_path("C:/models", windows=True)
    assert not looks_like_path("C:/models", windows=False)
    assert not looks_like_path("qwen:7b", windows=True)
