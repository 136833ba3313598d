"""The workflows of GitHub: valid against its schema, and what actionlint would look for. They have not run yet."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from firstlight_dev.commands import COMMANDS

REPOSITORY = Path(__file__).parents[1]
FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def load(name: str) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(FOLDER / name))


def steps(workflow: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every job with each of its steps."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            yield job, step


def check_schema(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_are_three() -> None:
    assert WORKFLOWS == ["ci.yml", "nightly.yml", "release.yml"]


@pytest.mark.slow
def test_they_are_valid() -> None:
    done = check_schema("vendor.github-workflows", *(FOLDER / name for name in WORKFLOWS))
    assert done.returncode == 0, done.stdout + done.stderr
    done = check_schema("vendor.dependabot", REPOSITORY / ".github" / "dependabot.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_wrong_one(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((FOLDER / "ci.yml").read_text().replace("runs-on", "runs-upon"))
    assert check_schema("vendor.github-workflows", wrong).returncode == 1


@pytest.mark.parametrize("name", WORKFLOWS)
def test_jobs_end_and_may_do_little(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    for key, job in workflow["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 120, key
        assert set(
            [job.get("needs", [])] if isinstance(job.get("needs"), str) else job.get("needs", [])
        ) <= set(workflow["jobs"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_has_a_version_and_leaves_no_token(name: str) -> None:
    for _, step in steps(load(name)):
        if uses := step.get("uses"):
            assert re.fullmatch(r"[\w-]+/[\w.-]+@[0-9a-f]{40}", uses), uses
            if uses.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
        assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_script_takes_in_an_expression(name: str) -> None:
    """What a branch, a tag or a title says must not become a command."""
    for _, step in steps(load(name)):
        assert not EXPRESSION.search(step.get("run", "")), step["run"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_expressions_name_what_is_there(name: str) -> None:
    workflow = load(name)
    for key, job in workflow["jobs"].items():
        matrix = job.get("strategy", {}).get("matrix", {})
        known = {k for k in matrix if k not in ("include", "exclude")}
        known |= {k for entry in matrix.get("include", ()) for k in entry}
        texts = [str(job), *(str(step.get("if", "")) for step in job["steps"])]
        for used in re.findall(r"matrix\.(\w+)", " ".join(texts)):
            assert used in known, f"{key}: matrix.{used}"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_scripts_are_scripts_and_call_what_exists(name: str, tmp_path: Path) -> None:
    for job, step in steps(load(name)):
        if (script := step.get("run")) is None:
            continue
        for command in re.findall(r"-m firstlight_dev (\w+)", script):
            assert command in COMMANDS, command
        for module in re.findall(r"-m firstlight_dev\.(\w+)", script):
            assert (REPOSITORY / "firstlight_dev" / f"{module}.py").is_file()
        done = subprocess.run(["bash", "-n"], input=script, text=True, timeout=10, check=False)
        assert done.returncode == 0, script
        # On Windows the default shell is PowerShell: a line with an expansion needs to say bash.
        several = "${{" in str(job["runs-on"])
        assert not several or "$" not in script or step.get("shell") == "bash", script


def test_three_systems_and_every_python_that_the_metadata_names() -> None:
    matrix = load("ci.yml")["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "windows-latest", "macos-latest"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = [c.rpartition(" :: ")[2] for c in project["classifiers"] if "Python :: 3." in c]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert set(named) <= set(matrix["python"])


def test_only_what_publishes_may_ask_for_an_identity() -> None:
    jobs = load("release.yml")["jobs"]
    asking = [key for key, job in jobs.items() if "id-token" in (job.get("permissions") or {})]
    assert asking == ["build", "publish"]
    assert jobs["publish"]["environment"] == "pypi"
    assert "secrets." not in (FOLDER / "release.yml").read_text()
    every = [step for _, step in steps(load("release.yml"))]
    # Provenance without, the bill of materials with `sbom-path`: since its v4 the action does both.
    attesting = [step["with"] for step in every if "actions/attest@" in str(step.get("uses"))]
    assert [values.get("sbom-path") for values in attesting] == [
        None,
        "evidence/firstlight.cdx.json",
    ]
    assert {values["subject-path"] for values in attesting} == {"dist/*"}
    assert any("gh-action-pypi-publish" in str(step.get("uses")) for step in every)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_an_action_is_one_commit_with_its_version_beside_it(name: str) -> None:
    """A tag can be moved to other code; Dependabot knows the form `@commit # v1.2.3` and goes on from there."""
    lines = re.findall(r"uses: (.*)", (FOLDER / name).read_text())
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_version_of_an_action_everywhere() -> None:
    used: dict[str, set[str]] = {}
    for name in WORKFLOWS:
        for action, at in re.findall(r"uses: ([^@]+)@(.*)", (FOLDER / name).read_text()):
            used.setdefault(action, set()).add(at)
    assert set(used) == {
        *("actions/checkout", "actions/setup-python", "actions/attest"),
        *("actions/upload-artifact", "actions/download-artifact", "pypa/gh-action-pypi-publish"),
    }
    assert {action for action, at in used.items() if len(at) > 1} == set()
