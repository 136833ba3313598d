"""Who may import whom: the contracts of pyproject.toml, and what really ends up in `sys.modules`."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import firstlight_core
import firstlight_tui
from firstlight_core.jobs import JOBS
from tests.conftest import LOADED_BY_COLLECTION

REPOSITORY = Path(__file__).parents[1]
HEAVY = (
    "olive",
    "onnxruntime",
    "onnxruntime_genai",
    "transformers",
    "torch",
    "foundry_local_sdk",
    "peft",
    "onnx",
    "openai",
)
SCREEN = ("textual", "rich", "typer")
LATER = ("typer", "markdown_it", "pygments", "attr", "packaging", "email", "ctypes")
"""What the first screen does not need, and the first paint would wait for."""

IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def all_loaded_by(*names: str) -> list[str]:
    """Return the modules of a fresh interpreter that has imported these."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *names],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules: list[str] = json.loads(done.stdout)
    return modules


def loaded_by(*names: str) -> set[str]:
    """Return the top-level modules of a fresh interpreter that has imported these."""
    return {name.split(".")[0] for name in all_loaded_by(*names)}


def modules_of(package: object) -> list[str]:
    path, name = package.__path__, package.__name__  # type: ignore[attr-defined]
    return [
        module.name
        for module in pkgutil.walk_packages(path, name + ".")
        if ".sample." not in module.name
    ]


CORE = [name for name in modules_of(firstlight_core) if not name.endswith("__main__")]
WIZARD = [name for name in modules_of(firstlight_tui) if not name.endswith("__main__")]


def test_the_whole_wizard_and_command_line_load_nothing_heavy() -> None:
    assert len(WIZARD) > 20
    assert not loaded_by(*WIZARD, "firstlight_themes") & set(HEAVY)


def test_the_whole_core_loads_nothing_heavy_and_no_screen() -> None:
    assert len(CORE) > 20
    assert not loaded_by(*CORE) & {*HEAVY, *SCREEN}


def test_a_worker_that_has_begun_has_loaded_no_screen() -> None:
    assert not loaded_by("firstlight_core.jobs") & {*HEAVY, *SCREEN}


def test_the_entry_point_loads_next_to_nothing() -> None:
    assert not loaded_by("firstlight_tui.__main__") & {*HEAVY, *SCREEN, "psutil", "numpy", "jinja2"}


def test_the_first_paint_waits_for_nothing_that_comes_later() -> None:
    first = "firstlight_tui.steps.environment.screen"
    modules = all_loaded_by("firstlight_tui.start", "firstlight_tui.app", first)
    assert not {name.split(".")[0] for name in modules} & {*HEAVY, *LATER}
    screens = [name for name in modules if name.startswith("firstlight_tui.steps.")]
    assert [name for name in screens if name.endswith(".screen")] == [first]


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_the_module_of_every_job_is_there_and_light(job: str) -> None:
    module, function = job.split(":")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, {module} as m; assert callable(m.{function}); assert not set({HEAVY!r}) & set(sys.modules)",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_finding_the_tests_loads_nothing_heavy(request: pytest.FixtureRequest) -> None:
    """Torch and Olive at the top of one test's module cost every worker five seconds of processor time."""
    assert not request.config.stash[LOADED_BY_COLLECTION] & set(HEAVY)


def test_the_oracle_sees_a_heavy_import() -> None:
    assert "onnxruntime_genai" in loaded_by("onnxruntime_genai")


def test_the_import_contracts_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache", "--no-logo"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
