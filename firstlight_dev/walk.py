"""The shortest real walk: the sample becomes INT4, is checked against its checksums, and answers."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

QUESTION = "What is int4 quantization?"


def walk(program: str) -> int:
    """Walk with an installed `firstlight`, all its state in a folder that goes; returns an exit code."""
    with tempfile.TemporaryDirectory(prefix="firstlight-walk-", ignore_cleanup_errors=True) as text:
        # A space and a letter beyond ASCII: what a path of a person has.
        folder = Path(text) / "First walk ü"
        folder.mkdir()
        artifact = str(folder / "int4")
        for arguments in (
            ["doctor"],
            ["convert", "sample", "-o", artifact, "--precision", "int4"],
            ["verify", artifact],
        ):
            code, _ = _call(program, arguments, folder)
            # The doctor warns of a machine that has less than the course asks for.
            if code and arguments != ["doctor"]:
                return code
        code, answer = _call(program, ["chat", artifact, "--prompt", QUESTION], folder)
        if code == 0 and not str(answer.get("text") or "").strip():
            sys.stderr.write("The model answered nothing.\n")
            return 1
        sys.stdout.write(f"{QUESTION} {answer.get('text')}\n")
        return code


def _call(program: str, arguments: Sequence[str], folder: Path) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [program, *arguments, "--json"],
        env={**os.environ, "FIRSTLIGHT_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    sys.stdout.write(f"firstlight {arguments[0]}: exit code {done.returncode}\n")
    sys.stdout.flush()
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = {}
    if done.returncode:
        sys.stderr.write(done.stdout)
    return done.returncode, document


if __name__ == "__main__":
    sys.exit(walk(sys.argv[1]))
