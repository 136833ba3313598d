"""`firstlight doctor` as a user calls it: the document, the exit codes, the report."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.schemas import checked


def doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )


@pytest.mark.real
@pytest.mark.slow
def test_document(tmp_path: Path) -> None:
    done = doctor("--json")
    document = checked(json.loads(done.stdout))
    assert done.returncode == 0, document
    assert document["schema"] == "firstlight/doctor/1"
    assert document["verdict"] in ("ready", "warnings")
    for row in document["checks"]:
        assert {"id", "status", "found", "needed", "fix"} <= row.keys()
    # Olive and the builder are really imported.
    (toolchain,) = (row for row in document["checks"] if row["id"] == "toolchain")
    assert toolchain["status"] == "ok", toolchain
    assert done.stderr == ""


def _without_packages(folder: Path) -> Path:
    """A site folder in which no distribution can be found."""
    (folder / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name in ('olive-ai', 'torch'):\n"
        "        raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
    )
    return folder


@pytest.mark.real
@pytest.mark.slow
def test_missing_toolchain_leaves_with_three(tmp_path: Path) -> None:
    done = doctor("--json", PYTHONPATH=str(_without_packages(tmp_path)))
    document = checked(json.loads(done.stdout))
    assert done.returncode == 3
    assert (document["ok"], document["verdict"]) == (False, "blocked")
    assert document["error"]["code"] == "toolchain"
    assert "pip install" in document["error"]["hint"]
    rows = {row["id"]: row["status"] for row in document["checks"]}
    assert rows["olive-ai"] == rows["torch"] == rows["toolchain"] == "missing"


@pytest.mark.real
@pytest.mark.slow
def test_hostile_programs_never_reach_the_terminal(tmp_path: Path) -> None:
    for name, script in (
        ("cmake", "sleep 98765"),
        ("foundry", "printf '\\033]52;c;UFdORUQ=\\007 0.8.1\\033[2J'; yes"),
        ("olive", "kill -9 $PPID"),
    ):
        shim = tmp_path / name
        shim.write_text(f"#!/bin/sh\n{script}\n")
        shim.chmod(0o755)
    began = time.perf_counter()
    done = doctor("--report", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 0
    # 5 s, and up to four times as long on a busy machine.
    assert re.search(r"no answer within [0-9.]+ s", done.stdout)
    assert "\x1b" not in done.stdout + done.stderr
    assert str(Path.home()) not in done.stdout
    assert time.perf_counter() - began < 100
