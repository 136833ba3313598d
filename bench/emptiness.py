"""The share of rows of a screen's content that say nothing: `python -m bench.emptiness FILE …` reads saved text."""

import sys
from collections.abc import Sequence
from pathlib import Path

LIMIT = 0.35
"""The largest share that a screen with data may have at 200×60."""


FRAME = " │┃▕▏▌▐"
"""A row of nothing but these is empty: a pane's sides say nothing."""


def empty_share(rows: Sequence[str]) -> float:
    """The share of rows without a character but frames; 1.0 of no rows."""
    return sum(not row.strip(FRAME) for row in rows) / len(rows) if rows else 1.0


def main(paths: Sequence[str]) -> int:
    """Print the share of each text file; 1 when one is over the limit."""
    shares = {path: empty_share(Path(path).read_text("utf-8").splitlines()) for path in paths}
    for path, share in shares.items():
        sys.stdout.write(f"{share:5.0%}  {path}\n")
    return int(any(share > LIMIT for share in shares.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
