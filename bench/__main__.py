"""`python -m bench [NAME...]`: run the benches and write `bench/results/<name>.json`."""

import importlib
import os
import sys
import time

from bench.measuring import machine_line, write_result

BENCHES = (
    "startup",
    "responsiveness",
    "streaming",
    "inspection",
    "conversion",
    "decoding",
    "tuning",
)


def main(names: list[str]) -> int:
    """Run the named benches, or all; an unknown name is a usage error."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"There is no bench {unknown[0]!r}; there are: {', '.join(BENCHES)}.\n")
        return 2
    if os.name == "nt":
        sys.stderr.write(
            "The benches need pseudo-terminals and process times, which Windows lacks.\n"
        )
        return 1
    sys.stdout.write(machine_line() + "\n")
    for name in names or BENCHES:
        begun = time.perf_counter()
        figures = importlib.import_module(f"bench.{name}").measure()
        path = write_result(name, figures)
        sys.stdout.write(f"{name}: {time.perf_counter() - begun:.0f} s, {path}\n")
        for figure in figures:
            sys.stdout.write(f"  {figure}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
