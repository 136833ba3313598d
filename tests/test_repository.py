"""The repository keeps its promises: contract functions, verbs, documents that agree with the code, nothing private."""

import importlib
import inspect
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from firstlight_core.exports.table import EXPORTS
from firstlight_core.precision.table import PRECISIONS
from firstlight_tui.commands import VERBS
from tests.support.program import run_firstlight

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
PYTORCH = "https://download.pytorch.org/whl/cpu"
TEXT = (".py", ".md", ".toml", ".txt", ".tcss", ".yaml", ".jinja", ".html", "")

CONTRACT: dict[str, dict[str, tuple[str, ...]]] = {
    "environment.doctor": {"run_checks": ("on_result", "only")},
    "model.inspection": {"inspect_model": ("folder",), "find_models": (), "fingerprint": ()},
    "estimate.estimates": {
        "estimate": ("inspection", "precision", "context"),
        "estimates": ("inspection",),
    },
    "conversion.convert": {
        "plan_conversion": ("source", "output", "precision", "method"),
        "convert": ("source", "output", "precision", "method", "config", "on_event", "started"),
    },
    "artifact.publishing": {
        "open_staging": ("output",),
        "publish": ("staged", "output"),
        "sweep": ("parent",),
    },
    "artifact.artifact": {"check_artifact": ("folder",)},
    "artifact.target": {"find_target": ()},
    "inference.engine": {"open_engine": ("artifact", "max_length")},
    "inference.endpoint": {
        "open_endpoint": ("target", "network", "limits"),
        "find_servers": ("address", "network"),
    },
    "inference.open_target": {"open_target": ("target", "max_length", "network", "limits")},
    "measure.benchmark": {
        "benchmark": (
            *("targets", "lengths", "new_tokens", "repeats", "clients", "through_foundry"),
            *("network", "on_event", "started"),
        )
    },
    "measure.quality": {
        "check_quality": (
            "target",
            "prompts",
            "reference",
            "ratings",
            "network",
            "on_event",
            "started",
        ),
        "load_prompts": ("path",),
    },
    "template.templates": {
        "default_inference_model": ("artifact", "name"),
        "validate_inference_model": (),
        "check_template": ("artifact", "source", "inference_model"),
        "settle_template": ("artifact", "inference_model", "source"),
    },
    "deploy.deployment": {
        "deploy": ("artifact", "name", "target", "on_event", "started"),
        "undo": ("name",),
        "list_deployments": (),
    },
    "report.report": {"write_report": ("run",)},
    "workflow.walk": {"walk": ("plan", "on_event")},
    "workflow.run_file": {
        "read_run_toml": ("path",),
        "write_run_toml": ("run", "session"),
    },
    "process.runner": {
        "run_job": ("job", "request", "network", "cwd", "started"),
        "open_job": ("job", "request"),
        "job_result": ("job", "request", "on_event"),
    },
    "session": {"Session": ()},
    "ledger": {"Run": (), "list_runs": ()},
    "precision.table": {"find_precision": ("key",)},
    "monitor": {"read_sample": ("job_pid", "folder"), "available_memory": ()},
    "text": {
        "visible": ("text",),
        "one_line": ("text", "limit"),
        "shown_path": ("path",),
        "redact": ("text",),
    },
}


@pytest.mark.parametrize("module", CONTRACT)
def test_the_functions_of_the_contract_are_there(module: str) -> None:
    imported = importlib.import_module(f"firstlight_core.{module}")
    for name, parameters in CONTRACT[module].items():
        assert set(parameters) <= set(inspect.signature(getattr(imported, name)).parameters), name


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [
        path for name in done.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()
    ]


def test_nothing_private_is_in_the_repository() -> None:
    secret = re.compile(
        r"hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9]{30,}|/(?:root|work)/(?:main|shared)\b|/home/(?!anna|ada|user|\.|\{)[a-z]+/"
    )
    for path in tracked():
        if path.suffix in TEXT and path != Path(__file__):
            match = secret.search(path.read_text(encoding="utf-8", errors="replace"))
            assert match is None, f"{path}: {match and match[0]}"


def test_no_registry_is_named_in_what_installs() -> None:
    for name in (
        "Makefile",
        "constraints.txt",
        "pyproject.toml",
        ".ci/run",
        ".pre-commit-config.yaml",
        *("firstlight_dev/commands.py", "firstlight_dev/walk.py", "demo.cmd", "demo.command"),
    ):
        # uv asks PyTorch's own index for torch, and no other place by name.
        text = (
            (REPOSITORY / name).read_text().replace(PYTORCH, "")
            if name == "pyproject.toml"
            else (REPOSITORY / name).read_text()
        )
        assert not re.search(r"https?://|file://", text), name


def test_uv_takes_torch_from_the_index_of_cpu_builds() -> None:
    uv = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["uv"]
    (index,) = uv["index"]
    # An explicit index answers for torch only: nobody can offer another package there.
    assert index == {"name": "pytorch-cpu", "url": PYTORCH, "explicit": True}
    assert uv["sources"] == {
        "torch": {"index": "pytorch-cpu", "marker": "sys_platform != 'darwin'"}
    }


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_and_speaks_json(verb: str) -> None:
    done = run_firstlight(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "--json" in done.stdout
    assert VERBS[verb].help.split(",")[0].split(";")[0].rstrip(".") in " ".join(done.stdout.split())


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = run_firstlight("fly")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_the_readme_names_every_verb() -> None:
    for verb in VERBS:
        assert re.search(rf"`firstlight {verb}\b|`{verb}`", README), verb


def test_the_readme_names_every_export() -> None:
    for target in EXPORTS:
        assert re.search(rf"\b{target}\b", README, re.IGNORECASE), target


def test_the_verbs_of_the_readme_exist() -> None:
    for verb in re.findall(r"`firstlight ([a-z]+)", README):
        assert verb in VERBS


def test_every_file_that_the_documents_show_exists() -> None:
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/ARCHITECTURE.md",
        "core/firstlight_core/sample/README.md",
    ):
        path = REPOSITORY / name
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{name}: {target}"


def test_the_plan_in_the_readme_can_be_read(tmp_path: Path) -> None:
    from firstlight_core.workflow.run_file import read_run_toml

    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "run.toml"
    path.write_text(example)
    assert read_run_toml(path).use == "int4"


def test_the_figures_of_the_readme_are_of_this_table() -> None:
    for precision in PRECISIONS:
        assert f"| {precision.label} |" in README


def test_the_readme_proves_with_the_figures_of_the_pages_it_names() -> None:
    gate = (REPOSITORY / "docs" / "gate.md").read_text()
    honest, planted = re.findall(r"^(\d+) honest builds and (\d+) builds with", gate, re.M)[0]
    assert f"{planted} planted faults and {honest} honest builds" in README
    support = (REPOSITORY / "docs" / "support.md").read_text()
    rows, right, refused, wrong = re.findall(
        r"(\d+) rows: (\d+) right, (\d+) refused .*, (\d+) wrong", support
    )[0]
    assert wrong == "0"
    words = f"Of {rows} tiny models of all the architectures that the builder knows {right} were converted"
    assert f"{words} and are right, {refused} are refused" in " ".join(README.split())


def test_the_version_of_the_changelog() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{project['version']}]" in changelog


def test_make_knows_what_the_documents_say() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in ("install", "demo", "test", "quick", "check", "bench", "shots", "clean"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("script", [".ci/run"])
def test_scripts_are_valid_and_executable(script: str) -> None:
    path = REPOSITORY / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", path], check=False, timeout=10).returncode == 0


def test_every_public_function_of_the_core_says_what_it_does() -> None:
    import pkgutil

    import firstlight_core

    silent = []
    for info in pkgutil.walk_packages(firstlight_core.__path__, "firstlight_core."):
        if ".sample." in info.name:
            continue
        module = importlib.import_module(info.name)
        assert module.__doc__, info.name
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == info.name
            if ours and not name.startswith("_") and inspect.isroutine(value) and not value.__doc__:
                silent.append(f"{info.name}.{name}")
    assert not silent
