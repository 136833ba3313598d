"""The verb tune, run as a user runs it, on the real sample."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.paths import find_paths
from firstlight_core.tuning.settings import Threads
from firstlight_core.tuning.tune import keep
from firstlight_core.tuning.writing import own_threads
from tests.support.fake_llama_bench import fake_llama_bench
from tests.support.schemas import checked

pytestmark = [pytest.mark.real, pytest.mark.slow]

SHORT = ("--prompt-tokens", "32", "--new-tokens", "8", "--repeats", "5")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "firstlight_tui", *arguments, "--json"]


def firstlight(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(command(*arguments), capture_output=True, timeout=240, check=False)
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
    assert len(rows) == 5
    limit = reply["max_drift"]["kl_mean"]
    assert limit == pytest.approx(1.1 * rows["INT4"]["drift"]["kl_mean"])
    for row in rows.values():
        # What drifts too far is out; what searches for better scales is not even made where that could not win.
        if "drift" in row:
            assert (row["drift"]["kl_mean"] > limit) == ("excluded" in row)
        else:
            assert row["excluded"].startswith("not needed: "), row
            assert "k-quant" in row["label"]
    measured = {row["label"] for row in reply["trials"] if row["stage"] == "build"}
    close = {label for label, row in rows.items() if "excluded" not in row}
    # One alone has nothing to win.
    assert measured == (close if len(close) > 1 else set())
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
    # The builds are there for the next tuning, and are not touched by what was published.
    begun = time.monotonic()
    code, again = firstlight("tune", source, "--drift-budget", "100x", *SHORT)
    assert (code, again["max_drift"]["kl_mean"]) == (0, pytest.approx(100 / 1.1 * limit))
    made = [row for row in rows.values() if "bytes" in row]
    assert again["taken_over"]["builds"] == len(made)
    # A finished tuning leaves no measurement to go on from; one beside busy programs keeps those that count.
    assert again["taken_over"]["measurements"] == 0 or reply["void"]
    assert {row["label"] for row in again["builds"] if row.get("reused")} == {
        row["label"] for row in made
    }
    for row in again["builds"]:
        if "drift" in row:
            assert row["drift"] == rows[row["label"]]["drift"]
    assert time.monotonic() - begun < 60


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


def lines_of(file: Path) -> int:
    return file.read_text().count("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_tuning_goes_on_where_it_was(tmp_path: Path, sample: Path) -> None:
    program, model, _ = fake_llama_bench(tmp_path / "bin", prefill_tps=100, decode_tps=20)
    # Four builds, and none of them rounded on a text.
    what = ("tune", str(sample), "--precision", "int4-quality", *SHORT)
    what += ("--llama-bench", str(program), "--gguf", str(model))
    tuning = find_paths().tuning
    # In a session of its own, so that its children go with it.
    process = subprocess.Popen(
        command(*what),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 200
        while sum(map(lines_of, tuning.glob("rounds-*.jsonl"))) < 4:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (journal,) = tuning.glob("rounds-*.jsonl")
    samples = sum('"sample"' in line for line in journal.read_text().splitlines())
    code, reply = firstlight(*what)
    assert code == 0
    assert reply["taken_over"]["builds"] == 4
    assert 0 < reply["taken_over"]["measurements"] <= samples
    assert all(row.get("reused") for row in reply["builds"])
    assert reply["peer"]["prefill_tps"]["samples"] == pytest.approx([100] * 5)
    assert reply["peer"]["gain"]["decode"]["ratio"] > 1
    # Of a busy machine's figures those that were not disturbed are for the next tuning.
    assert reply["void"] or not list(tuning.glob("rounds-*.jsonl"))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_a_stopped_tuning_says_what_it_keeps(
    tmp_path: Path, artifact: Callable[[str], Path]
) -> None:
    folder = tmp_path / "int4"
    shutil.copytree(artifact("int4"), folder)
    process = subprocess.Popen(
        command("tune", str(folder), *SHORT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 100
    while not list(find_paths().tuning.glob("rounds-*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    out, progress = process.communicate(timeout=120)
    reply = checked(json.loads(out))
    assert process.returncode == 130
    assert re.fullmatch(
        r"Interrupted\. Kept: \d+ measurements?\. The same tuning goes on with that\.",
        reply["error"]["message"],
    )
    assert "measurements" in progress
    assert "(estimate)" in progress or "left: " in progress
