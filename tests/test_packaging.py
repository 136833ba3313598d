"""The distribution: the wheel holds what is needed and nothing that could overwrite somebody else's package."""

import email
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from an sdist as an installer would."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ".", cwd=REPOSITORY)
    (wheel_file,) = folder.glob("*.whl")
    return wheel_file


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_the_wheel_holds_three_packages_and_nothing_else(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "firstlight_core",
        "firstlight_tui",
        "firstlight_themes",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "firstlight_core/py.typed",
        "firstlight_core/report/report_page.html",
        "firstlight_core/sample/README.md",
        "firstlight_core/sample/prompts.jsonl",
        "firstlight_core/sample/model/model.safetensors",
        "firstlight_core/sample/model/tokenizer.json",
        "firstlight_core/sample/model/chat_template.jinja",
        "firstlight_core/sample/adapter/adapter_model.safetensors",
        "firstlight_core/sample/recipe/train.py",
        "firstlight_themes/firstlight.toml",
        "firstlight_tui/app.tcss",
    ],
)
def test_what_is_needed_at_run_time_is_in_it(names: set[str], name: str) -> None:
    assert name in names


@pytest.mark.slow
def test_nothing_that_was_made_by_running_is_in_it(names: set[str]) -> None:
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.slow
def test_its_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra") or ()) >= {
        *("convert", "foundry", "gguf", "web", "all")
    }
    assert len(str(metadata.get_payload())) > 1_000


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bin folder of a new environment with only this wheel, which borrows its dependencies from ours."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=False)
    bin_folder = folder / "venv" / "bin"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        bin_folder / "python",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    site = Path(
        run(
            bin_folder / "python",
            "-c",
            "import sysconfig; print(sysconfig.get_path('purelib'))",
            cwd=folder,
        ).strip()
    )
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    # Not the whole folder: our own editable install would shadow the wheel.
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "firstlight" not in entry.name and not entry.name.endswith(".pth"):
            (borrowed / entry.name).symlink_to(entry)
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    yield bin_folder


def own_environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "FIRSTLIGHT_HOME": str(folder / "state"),
    }


@pytest.mark.slow
def test_the_installed_command_tells_its_version(clean: Path, tmp_path: Path) -> None:
    done = run(clean / "firstlight", "--version", cwd=tmp_path, env=own_environment(tmp_path))
    assert done == f"firstlight {PROJECT['version']}\n"


@pytest.mark.slow
def test_the_installed_wheel_is_what_runs(clean: Path, tmp_path: Path) -> None:
    where = run(
        clean / "python",
        "-c",
        "import firstlight_core, firstlight_tui, firstlight_themes as t; print(firstlight_core.__file__, t.__file__)",
        cwd=tmp_path,
    )
    assert str(REPOSITORY) not in where


@pytest.mark.slow
def test_the_installed_command_finds_its_sample(clean: Path, tmp_path: Path) -> None:
    done = run(clean / "firstlight", "paths", cwd=tmp_path, env=own_environment(tmp_path))
    sample = Path(dict(line.split(maxsplit=1) for line in done.splitlines())["sample"])
    assert (sample / "config.json").is_file()
    assert REPOSITORY not in sample.parents


@pytest.mark.slow
def test_the_installed_command_inspects_and_lists(clean: Path, tmp_path: Path) -> None:
    env = own_environment(tmp_path)
    sample = run(
        clean / "python",
        "-c",
        "from firstlight_core.paths import find_paths; print(find_paths().sample)",
        cwd=tmp_path,
        env=env,
    ).strip()
    assert "Qwen2ForCausalLM" in run(
        clean / "firstlight", "inspect", sample, "--json", cwd=tmp_path, env=env
    )
    assert "convert" in run(clean / "firstlight", "--help", cwd=tmp_path, env=env)


def test_the_version_stands_in_one_more_place() -> None:
    from firstlight_core import __version__

    assert __version__ == PROJECT["version"]


def test_every_requirement_is_met_by_what_is_installed() -> None:
    extras = PROJECT["optional-dependencies"]
    own = ("convert", "foundry", "web", "dev")
    for text in [*PROJECT["dependencies"], *(text for name in own for text in extras[name])]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(
            importlib.metadata.version(requirement.name), prereleases=True
        ), text


def test_constraints_pin_every_direct_dependency_within_its_range() -> None:
    pins = {
        line.partition("==")[0].lower().replace("_", "-"): line.partition("==")[2]
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    extras = PROJECT["optional-dependencies"]
    own = ("convert", "foundry", "gguf", "web", "dev")
    for text in [*PROJECT["dependencies"], *(text for name in own for text in extras[name])]:
        requirement = Requirement(text)
        name = requirement.name.lower().replace("_", "-")
        assert name in pins, name
        assert requirement.specifier.contains(pins[name], prereleases=True), text
    assert pins["torch"] == "2.13.0"
    assert not [pin for pin in pins.values() if "+" in pin]


def test_every_dependency_of_the_base_install_is_imported() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("core", "tui", "themes")
        for path in (REPOSITORY / package).rglob("*.py")
    )
    modules: dict[str, list[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(distribution.lower().replace("_", "-"), []).append(module)
    for text in PROJECT["dependencies"]:
        name = Requirement(text).name.lower().replace("_", "-")
        assert any(
            re.search(rf"^\s*(import|from) {module}\b|_find\(\"{module}\"", sources, re.MULTILINE)
            for module in modules[name]
        ), f"{name} is imported nowhere"
