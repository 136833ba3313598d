"""The commands: each makes the environment if it has to, then runs tools in it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
Run = Callable[[Sequence[str]], int]

USAGE = """usage: python -m firstlight_dev COMMAND [ARGUMENTS...]

install   make .venv with everything that the tests need      demo     the wizard on the sample model
test      every test, with the real tools                     quick    the tests without the real tools
check     ruff, mypy for three systems, import contracts      house    the counts of the house
walk      convert the sample to INT4, verify it and ask it    bench    the figures of the README
stray-keys  500 random keys during every job: no work is lost without a question
wheel     build, install into a new environment, then walk    notices  the licences of all that is installed
clean     remove what was made

Arguments go on to the tool: python -m firstlight_dev quick tests/core -x
"""


def run_tool(command: Sequence[str]) -> int:
    """Run a command in the repository; returns its exit code.

    Bytecode is written even if the shell says not to: without it every worker of pytest, and every child that a test
    starts, compiles all modules anew (collecting tests/core takes 6.3 s of processor time instead of 2.7 s).
    """
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment; `windows` decides where its programs are."""

    folder: Path = ROOT / ".venv"
    windows: bool = os.name == "nt"
    base: str = field(default_factory=lambda: sys.executable)
    """The Python that makes it."""

    def program(self, name: str) -> str:
        """Path of a program in it."""
        place = self.folder / ("Scripts" if self.windows else "bin")
        return str(place / (f"{name}.exe" if self.windows else name))

    @property
    def stamp(self) -> Path:
        """A file that is newer than what it was installed from."""
        return self.folder / ".stamp-installed"

    def fresh(self) -> bool:
        """Return True if it holds what pyproject.toml and constraints.txt ask for."""
        sources = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
        if not self.stamp.is_file():
            return False
        made = self.stamp.stat().st_mtime
        return all(path.stat().st_mtime <= made for path in sources)


def torch_pin() -> str:
    """The line of constraints.txt that pins torch.

    It is installed first and exactly: any open range pulls gigabytes of CUDA packages on Linux.
    """
    text = (ROOT / "constraints.txt").read_text("utf-8")
    return str(re.findall(r"^torch==\S+", text, re.MULTILINE)[0])


_PACKAGES = ("core/firstlight_core", "tui/firstlight_tui", "themes/firstlight_themes")


def install(where: Environment, run: Run = run_tool) -> int:
    """Make the environment, unless it is there and fresh."""
    if where.fresh():
        return 0
    pip = [
        *(where.program("python"), "-m", "pip", "install", "--quiet"),
        "--disable-pip-version-check",
    ]
    steps = [
        ("making .venv", [where.base, "-m", "venv", str(where.folder)]),
        (f"installing {torch_pin()}", [*pip, torch_pin()]),
        (
            "installing firstlight with its tools",
            [*pip, "-c", "constraints.txt", "-e", ".[all,dev]"],
        ),
        # As pip does for a wheel: else a shell with PYTHONDONTWRITEBYTECODE compiles 500 modules at every start.
        ("compiling firstlight", [where.program("python"), "-m", "compileall", "-q", *_PACKAGES]),
    ]
    if Path(where.program("python")).exists():
        del steps[0]
    for words, command in steps:
        sys.stderr.write(words + "\n")
        if code := run(command):
            return code
    where.stamp.touch()
    return 0


def pytest_command(where: Environment, workers: int) -> list[str]:
    """`workers` unless `WORKERS` says otherwise; two cores are meant."""
    number = os.environ.get("WORKERS") or str(workers)
    return [where.program("python"), "-m", "pytest", "-q", "-n", number, "--dist", "worksteal"]


def _test(where: Environment, rest: list[str], run: Run) -> int:
    # Two workers keep two cores busy while one waits for a screen or a child; the real tools use every core themselves.
    return run([*pytest_command(where, 3), *rest])


def _quick(where: Environment, rest: list[str], run: Run) -> int:
    # Without the real tools it is the screens that wait: three workers leave a fifth of two cores idle.
    return run([*pytest_command(where, 4), "-m", "not real and not slow", *rest])


_SHIPPED = ("-p", "firstlight_core", "-p", "firstlight_tui", "-p", "firstlight_themes")


def _check(where: Environment, rest: list[str], run: Run) -> int:
    commands = [
        [where.program("ruff"), "check"],
        [where.program("ruff"), "format", "--check"],
        [where.program("mypy"), "--platform", "linux"],
        [where.program("mypy"), "--platform", "darwin"],
        # The benches need a pseudo-terminal and the rusage of children: Windows has neither.
        [where.program("mypy"), *_SHIPPED, "--platform", "win32"],
        [where.program("lint-imports"), "--no-cache", "--no-logo"],
    ]
    return next((code for command in commands if (code := run(command))), 0)


def _demo(where: Environment, rest: list[str], run: Run) -> int:
    return run([where.program("firstlight"), "--demo", *rest])


def _python(*words: str) -> Callable[[Environment, list[str], Run], int]:
    return lambda where, rest, run: run([where.program("python"), *words, *rest])


def _walk(where: Environment, rest: list[str], run: Run) -> int:
    from firstlight_dev.walk import walk

    return walk(where.program("firstlight"))


def _wheel(where: Environment, rest: list[str], run: Run) -> int:
    """Build sdist and wheel, install the wheel with all its tools into a new environment, and walk there."""
    from firstlight_dev.walk import walk

    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    if code := run([where.program("python"), "-m", "build", "--outdir", "dist", "."]):
        return code
    (wheel,) = (ROOT / "dist").glob("*.whl")
    with tempfile.TemporaryDirectory(
        prefix="firstlight-wheel-", ignore_cleanup_errors=True
    ) as text:
        new = Environment(Path(text) / "venv", windows=where.windows, base=where.base)
        pip = [new.program("python"), "-m", "pip", "install", "--quiet", *rest]
        for command in (
            [new.base, "-m", "venv", str(new.folder)],
            [*pip, torch_pin()],
            [*pip, "-c", "constraints.txt", f"{wheel}[all]"],
        ):
            if code := run(command):
                return code
        return walk(new.program("firstlight"))


def _clean(where: Environment, rest: list[str], run: Run) -> int:
    names = (
        *(".venv-vllm", ".firstlight-real", "build", "dist", ".mypy_cache", ".ruff_cache"),
        *(".pytest_cache", ".hypothesis", ".import_linter_cache"),
    )
    for folder in [where.folder, *(ROOT / name for name in names)]:
        shutil.rmtree(folder, ignore_errors=True)
    for top in ("core", "tui", "themes", "tests", "bench", "screenshots", "firstlight_dev"):
        for folder in [*(ROOT / top).rglob("__pycache__")]:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _install(where: Environment, rest: list[str], run: Run) -> int:
    return 0


COMMANDS: dict[str, Callable[[Environment, list[str], Run], int]] = {
    "install": _install,
    "demo": _demo,
    "test": _test,
    "quick": _quick,
    "check": _check,
    "house": _python("-m", "bench.house"),
    "bench": _python("-m", "bench"),
    "stray-keys": _python("-m", "bench.stray_keys"),
    "walk": _walk,
    "wheel": _wheel,
    "notices": _python("-m", "firstlight_dev.notices"),
    "clean": _clean,
}


def main(arguments: list[str], *, where: Environment | None = None, run: Run = run_tool) -> int:
    """Run one command; returns its exit code, 2 for one that is not known."""
    if not arguments or arguments[0] not in COMMANDS:
        wanted = bool(arguments) and arguments[0] not in ("help", "-h", "--help")
        (sys.stderr if wanted or not arguments else sys.stdout).write(USAGE)
        return 2 if wanted else 0
    where = where or Environment()
    name, rest = arguments[0], arguments[1:]
    if name != "clean" and (code := install(where, run)):
        return code
    try:
        return COMMANDS[name](where, rest, run)
    except KeyboardInterrupt:
        return 130
