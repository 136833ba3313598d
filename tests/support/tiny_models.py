"""faultkit's hand-built models, without the warnings of its unclosed files."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import faultkit


def _quiet(make: Any, folder: Path, *values: Any, **named: Any) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Path(make(str(folder), *values, **named))


def tiny_genai(folder: Path, **named: Any) -> Path:
    """A real genai model of 30 kB with random weights and a context of 128."""
    return _quiet(faultkit.tiny_genai, folder, **named)


def tiny_hf(folder: Path, **named: Any) -> Path:
    """A complete source folder of a tiny llama."""
    return _quiet(faultkit.tiny_hf, folder, **named)


def puppet(folder: Path, chunks: Sequence[str | bytes], *, loop: bool = False) -> Path:
    """A real genai model that says exactly these chunks, one a token, and then ends or starts again."""
    return _quiet(faultkit.puppet, folder, chunks, loop=loop)
