"""`firstlight convert` as a user calls it: documents, sentences, exit codes."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import run_firstlight
from tests.support.schemas import checked

GOOD = f"""
import json, os, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.support import faultkit
out = json.load(open(sys.argv[3]))["output_dir"]
faultkit.tiny_genai(out)
os.unlink(out + "/inference_model.json")
print("a line of log")
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    fake = tmp_path / "olive.py"
    fake.write_text(GOOD)
    return {**os.environ, "FIRSTLIGHT_OLIVE": shlex.join([sys.executable, str(fake)])}


def call(environment: dict[str, str], *words: str | Path) -> tuple[int, dict[str, Any], str]:
    done = run_firstlight("convert", *words, "--json", environ=environment)
    return done.returncode, checked(json.loads(done.stdout)) if done.stdout else {}, done.stderr


@pytest.mark.slow
def test_document_has_the_keys_of_the_contract(
    environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    code, document, output = call(environment, sample, "-o", tmp_path / "out", "--log")
    assert code == 0
    assert document["ok"] is True
    assert document["schema"] == "firstlight/convert/1"
    wanted = {"artifact", "precision", "bytes", "seconds", "peak_rss_bytes", "command", "smoke"}
    assert wanted <= document.keys()
    assert {"tokens", "text"} <= document["smoke"].keys()
    assert "a line of log" in output
    manifest = json.loads((tmp_path / "out" / "firstlight.json").read_text())
    files = [p for p in (tmp_path / "out").iterdir() if p.name != "firstlight.json"]
    assert document["bytes"] == sum(p.stat().st_size for p in files) == manifest["bytes"]


@pytest.mark.slow
def test_undo_brings_the_version_before_back(
    environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    for precision in ("int8", "fp32"):
        assert call(environment, sample, "-o", output, "-p", precision)[0] == 0
    code, document, _ = call(environment, "-o", output, "--undo")
    known = {key: value for key, value in document.items() if value is not None}
    assert (code, known) == (
        0,
        {
            "schema": "firstlight/convert/1",
            "kind": "restored",
            "ok": True,
            "artifact": str(output),
            "restored": True,
        },
    )
    assert json.loads((output / "firstlight.json").read_text())["precision"] == "int8"
    code, document, _ = call(environment, "-o", tmp_path / "other", "--undo")
    assert (code, document["error"]["code"]) == (1, "refused")


def test_the_sample_can_be_named(environment: dict[str, str], tmp_path: Path) -> None:
    code, document, _ = call(environment, "sample", "-o", tmp_path / "out", "--dry-run")
    assert code == 0
    assert document["ok"] is True


def test_dry_run_says_everything_and_writes_nothing(
    environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    code, document, _ = call(environment, sample, "-o", tmp_path / "a" / "out", "--dry-run")
    assert code == 0
    assert not (tmp_path / "a").exists()
    assert document["course_command"][:2] == ["olive", "auto-opt"]
    assert document["estimate"]["bytes"] > 0
    assert document["reason"]
    assert call(environment, tmp_path / "none", "-o", tmp_path / "out", "--dry-run")[0] == 1


@pytest.mark.slow
def test_mistakes_have_their_exit_codes(
    environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    config = tmp_path / "config.json"
    config.write_text('{"passes": {}}')
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for words, code, kind in (
        ((sample, "-o", out, "-p", "int9"), 2, "usage"),
        ((sample, "-o", out, "--method", "guess"), 2, "usage"),
        (("-o", out), 2, "usage"),
        ((sample, "-o", out, "--config", config), 2, "usage"),
        ((sample, "-o", out, "--config", broken), 1, "refused"),
        ((sample, "-o", out, "--config", tmp_path / "none"), 1, "refused"),
        ((tmp_path / "none", "-o", out), 1, "model-refused"),
        ((tmp_path / "home", "-o", out), 1, "model-refused"),
        ((sample, "-o", "/"), 1, "refused"),
        ((sample, "-o", ""), 2, "usage"),
        ((sample, "-o", sample / "out"), 1, "refused"),
        ((sample, "-o", "/proc/out"), 1, "state"),
    ):
        exit_code, document, reply = call(environment, *words)
        assert (exit_code, document["error"]["code"]) == (code, kind), words
        assert document["ok"] is False
        assert document["error"]["message"].rstrip().endswith((".", "!")), document
        assert document["error"]["hint"], words
        assert "Traceback" not in reply
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "broken.json",
        "config.json",
        "home",
        "olive.py",
    ]


def test_toolchain_problem_leaves_with_three(
    environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    environment["FIRSTLIGHT_OLIVE"] = "/no/such/olive"
    code, document, _ = call(environment, sample, "-o", tmp_path / "out")
    assert (code, document["error"]["code"]) == (3, "toolchain")


@pytest.mark.slow
def test_terminal_interrupt_leaves_with_130_and_nothing_behind(
    environment: dict[str, str], sample: Path, tmp_path: Path
) -> None:
    import signal

    (tmp_path / "olive.py").write_text("import time\nprint('hanging', flush=True)\ntime.sleep(999)")
    words = [sys.executable, "-m", "firstlight_tui", "convert", str(sample), "--json", "--log"]
    with subprocess.Popen(
        [*words, "-o", str(tmp_path / "new" / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            if "hanging" in line:
                process.send_signal(signal.SIGINT)
                break
        document = checked(json.loads(process.stdout.read()))
        assert process.wait(10) == 130
    assert document["error"]["code"] == "interrupted"
    assert not (tmp_path / "new").exists()
