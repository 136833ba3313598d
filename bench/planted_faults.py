"""`python -m bench.planted_faults`: puts each fault of docs/platforms.md back and looks whether its tests fail.

Each is planted alone, in a copy of the repository. `before` is the kind of code that stood there; where two lines
held one place together, each is planted by itself.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
TABLE = Path(__file__).with_suffix(".toml")
_PACKAGES = ("core", "tui", "themes")
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one row of docs/platforms.md: `now` in `file` becomes `before`, and each of `tests` fails."""

    row: int
    what: str
    file: str
    now: str
    before: str
    tests: tuple[str, ...]


def read_faults() -> list[Fault]:
    """Return the faults of the table beside this module."""
    rows = tomllib.loads(TABLE.read_text("utf-8"))["fault"]
    return [Fault(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def copy_repository(root: Path) -> None:
    """Copy what the tests read, with an environment of its own: a child of a test takes no PYTHONPATH over."""
    names = (".git", ".venv*", "__pycache__", "results", ".firstlight-*", "*.pyc")
    shutil.copytree(REPOSITORY, root, symlinks=True, ignore=shutil.ignore_patterns(*names))
    venv.create(root / ".venv", symlinks=os.name != "nt")
    installed = [path for path in sys.path if Path(path).name == "site-packages"]
    (site,) = root.glob(".venv/[Ll]ib/**/site-packages")
    lines = [*(str(root / name) for name in _PACKAGES), *installed]
    (site / "planted.pth").write_text("\n".join(lines), "utf-8")


def python_of(root: Path) -> str:
    """Return the Python of a copy; the running one where there is none."""
    programs = [*root.glob(".venv/bin/python"), *root.glob(".venv/Scripts/python.exe")]
    return str(programs[0]) if programs else sys.executable


def plant(root: Path, fault: Fault) -> str:
    """Put a fault into the copy; return the text that stood there."""
    path = root / fault.file
    text = path.read_text("utf-8")
    if text.count(fault.now) != 1:
        raise ValueError(f"{fault.row}: {fault.file} does not hold once: {fault.now}")
    path.write_text(text.replace(fault.now, fault.before), "utf-8")
    return text


def failed_tests(root: Path, tests: Sequence[str]) -> dict[str, bool]:
    """Run these tests, named `file::function`, in the copy; return for each whether a case of it failed."""
    report = root / "planted.xml"
    report.unlink(missing_ok=True)
    command = [python_of(root), "-m", "pytest", "-q", "-p", "no:xdist", "--tb=no", "--timeout=60"]
    environ = {name: value for name, value in os.environ.items() if name != "FIRSTLIGHT_FAKE"}
    done = subprocess.run(
        [*command, f"--junitxml={report}", *tests],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if not report.is_file():
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    failed: set[str] = set()
    ran: set[str] = set()
    for case in ET.parse(report).getroot().iter("testcase"):
        name = str(case.get("name")).partition("[")[0]
        if case.find("skipped") is None:
            ran.add(name)
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
    names = {test: test.rpartition("::")[2] for test in tests}
    if missing := [test for test, name in names.items() if name not in ran]:
        raise RuntimeError(f"These did not run: {missing}\n{done.stdout[-2000:]}")
    return {test: name in failed for test, name in names.items()}


def judge(root: Path, faults: Iterable[Fault]) -> int:
    """Plant each fault by itself and print a line for it; return how many were not noticed by a test named for it."""
    unnoticed = 0
    for fault in faults:
        text = plant(root, fault)
        try:
            outcome = failed_tests(root, fault.tests)
        finally:
            (root / fault.file).write_text(text, "utf-8")
        silent = [test for test, failed in outcome.items() if not failed]
        unnoticed += len(silent)
        words = f"NOT NOTICED by {', '.join(silent)}" if silent else f"{len(outcome)} fail"
        sys.stdout.write(f"{fault.row:>3}  {fault.what}: {words}\n")
        sys.stdout.flush()
    return unnoticed


def main(arguments: Sequence[str]) -> int:
    """Judge all faults, or those of the places that are named; return an exit code."""
    faults = [fault for fault in read_faults() if not arguments or str(fault.row) in arguments]
    with tempfile.TemporaryDirectory(prefix="firstlight-planted-") as text:
        root = Path(text) / "copy"
        copy_repository(root)
        tests = sorted({test for fault in faults for test in fault.tests})
        broken = [test for test, failed in failed_tests(root, tests).items() if failed]
        if broken:
            sys.stdout.write(f"These fail without a fault: {', '.join(broken)}\n")
            return 1
        sys.stdout.write(f"{len(tests)} tests pass without a fault.\n")
        return 1 if judge(root, faults) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
