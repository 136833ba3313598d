"""A process of `bench/bare_genai.py`: onnxruntime-genai with nothing around it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

from firstlight_core.process.large_pages import with_large_pages
from firstlight_core.process.offline import child_environment

_PROGRAM = Path(__file__).with_name("bare_genai.py")


class BareAnswer(TypedDict):
    """One answer of the loop; `load_s` is of the process."""

    decode_tps: float
    prefill_tps: float
    cpu_s: float
    load_s: float
    text: str


class BareLoop:
    """One loaded artifact: with `options` in the environment of an engine, without as onnxruntime runs by itself."""

    def __init__(self, artifact: Path, options: Mapping[str, str | int] | None = None) -> None:
        given = [json.dumps(options)] if options else []
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(artifact), *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=with_large_pages(child_environment()) if options else child_environment(),
            text=True,
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def answer(
        self, ids: Sequence[int], tokens: int, max_length: int, piece: int | None = None
    ) -> BareAnswer:
        """Return the times of one prompt, appended in pieces of `piece` tokens or as a whole, and so many decoded tokens.

        Raises:
            RuntimeError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request: dict[str, list[int] | int] = {
            "ids": list(ids),
            "tokens": tokens,
            "max_length": max_length,
        }
        if piece is not None:
            request["piece"] = piece
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the bare loop ended with {self._process.wait(10)}")
        return cast(BareAnswer, json.loads(line))

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError), self._process:
            pass
