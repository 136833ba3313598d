"""The verb tune, run as a user runs it, on the real sample."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.tuning.settings import Threads
from firstlight_core.tuning.tune import keep
from firstlight_core.tuning.writing import own_threads
from tests.support.schemas import checked

pytestmark = [pytest.mark.real, pytest.mark.slow]

SHORT = ("--prompt-tokens", "32", "--new-tokens", "8", "--repeats", "3")


def firstlight(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", *arguments, "--json"],
        capture_output=True,
        timeout=240,
        check=False,
    )
    return done.returncode, checked(json.loads(done.stdout))


def test_a_source_is_tuned_and_its_best_build_published(tmp_path: Path, sample: Path) -> None:
    output = tmp_path / "best"
    # A relative path: Olive runs in a folder of its own.
    source = os.path.relpath(sample)
    code, reply = firstlight("tune", source, "-o", str(output), *SHORT)
    assert code == 0
    assert reply["schema"] == "firstlight/tune/1"
    assert reply["ok"] is True
    rows = {row["label"]: row for row in reply["builds"]}
    assert len(rows) == 7
    limit = reply["max_drift"]["kl_mean"]
    assert limit == pytest.approx(1.1 * rows["INT4"]["drift"]["kl_mean"])
    for row in rows.values():
        assert "drift" in row, row
        # What drifts too far is out, and nothing else is.
        assert (row["drift"]["kl_mean"] > limit) == ("excluded" in row)
    measured = {row["label"] for row in reply["trials"] if row["stage"] == "build"}
    assert measured == {label for label, row in rows.items() if "excluded" not in row}
    best = reply["best"]
    assert best["drift"]["kl_mean"] <= limit
    assert own_threads(output) == Threads.from_json(best["settings"]).options()
    assert firstlight("verify", str(output))[0] == 0
    manifest = json.loads((output / "firstlight.json").read_text())
    assert manifest["artifact"] == "best"
    assert manifest["command"][:5] == ["firstlight", "tune", str(sample), "-o", str(output)]
    code, answer = firstlight("chat", str(output), "--prompt", "What is int4?", "--greedy")
    assert (code, answer["finish_reason"]) == (0, "stop")
    # No work folder is left beside it.
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["best"]


def test_a_limit_that_nothing_meets_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "best"
    code, reply = firstlight(
        "tune", "sample", "-o", str(output), "-p", "fp16", "--max-drift", "0", *SHORT
    )
    assert code == 1
    assert "No build of FP16 stays within" in reply["error"]["message"]
    assert "--max-drift" in reply["error"]["hint"]
    assert not output.exists()


def test_an_artifact_is_tuned_in_place_and_set_back(
    tmp_path: Path, artifact: Callable[[str], Path]
) -> None:
    folder = tmp_path / "int4"
    shutil.copytree(artifact("int4"), folder)
    before = (folder / "genai_config.json").read_text()
    code, reply = firstlight("tune", str(folder), *SHORT)
    assert (code, reply["applied"]) == (0, False)
    assert (folder / "genai_config.json").read_text() == before
    code, applied = firstlight("tune", str(folder), "--apply", *SHORT)
    if code == 1:
        # A busy machine: its figures are void, and are not taken.
        assert "nothing was written" in applied["error"]["message"]
        assert (folder / "genai_config.json").read_text() == before
        keep(folder, {**reply, "void": False})
    else:
        assert (code, applied["applied"]) == (0, True)
    assert own_threads(folder)
    assert firstlight("verify", str(folder))[0] == 0
    code, reply = firstlight("tune", str(folder), "--reset")
    assert (code, own_threads(folder)) == (0, {})
    assert firstlight("verify", str(folder))[0] == 0
