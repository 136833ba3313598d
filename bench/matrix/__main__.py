"""`python -m bench.matrix [--only WORDS] [--to FILE] [--again]`: make the rows that are missing, then publish.

A line of the file is a row. Rows that are there are not made again, so that a run may be interrupted; `--only` makes
the rows whose key holds all of the words, and publishes nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from bench.matrix.publishing import publish
from bench.matrix.rows import rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "matrix.jsonl"
ROW_SECONDS = 600
_ENVIRONMENT = {
    "CI": "1",
    "OLIVE_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
}


def worker_environment() -> dict[str, str]:
    """The environment of a worker: offline, quiet, one thread."""
    return {**os.environ, **_ENVIRONMENT}


class Worker:
    """One warm process; a row that kills it is a row that failed."""

    def __init__(self, work: str, log: Any) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "bench.matrix.worker", work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env=worker_environment(),
            text=True,
        )

    def make(self, key: str) -> dict[str, Any] | None:
        """The row, or None when the process ended over it."""
        assert self._child.stdin is not None and self._child.stdout is not None
        timer = threading.Timer(ROW_SECONDS, self._child.kill)
        timer.start()
        try:
            self._child.stdin.write(json.dumps(key) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        return json.loads(line) if line else None

    def close(self) -> int | None:
        """End the process."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        return self._child.wait()


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a file by key; the last one of a key counts."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return {line["key"]: line for line in lines}


def run(keys: list[str], path: Path) -> None:
    """Make rows and append them to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, path.open("a", encoding="utf-8") as file:
        log = (Path(work) / "log.txt").open("w", encoding="utf-8")
        worker = Worker(work, log)
        for number, key in enumerate(keys, 1):
            row = worker.make(key)
            if row is None:
                ended = worker.close()
                row = {"key": key, "status": "failed", "why": f"the process ended ({ended})"}
                worker = Worker(work, log)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            line = f"[{number}/{len(keys)}] {row['status']:8} {key}  {row.get('why', '')[:160]}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        worker.close()
        log.close()


def main() -> int:
    """Run what is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.matrix", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--to", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true", help="make rows that are there, too")
    arguments = parser.parse_args()
    known = {} if arguments.again else read(arguments.to)
    wanted = [
        row.key for row in rows() if all(word.lower() in row.key.lower() for word in arguments.only)
    ]
    run([key for key in wanted if key not in known], arguments.to)
    if not arguments.only:
        publish(read(arguments.to), ROOT / "docs" / "support.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
