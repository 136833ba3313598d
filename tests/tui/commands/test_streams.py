"""The headless twin on streams of every kind: closed, full, cut off, of another encoding; and JSON for wrong command lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight_tui.commands.output import run_verb
from tests.support.program import buffered_environment

FIRSTLIGHT = [sys.executable, "-m", "firstlight_tui"]
linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(redirected: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A verb with redirections, as a shell does them."""
    command = " ".join(["exec", '"$@"', redirected])
    return subprocess.run(
        ["sh", "-c", command, "sh", *FIRSTLIGHT, *arguments],
        env=buffered_environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@linux
@pytest.mark.parametrize(
    "arguments", [("paths",), ("paths", "--json"), ("--version",), ("--help",)]
)
def test_an_answer_that_cannot_be_written_is_told(arguments: tuple[str, ...]) -> None:
    done = shell(">/dev/full", *arguments)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@linux
def test_notes_that_cannot_be_written_stop_nothing() -> None:
    done = shell("2>/dev/full", "inspect", "/nowhere", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "model-refused"
    assert shell("2>/dev/full", "inspect", "/nowhere").returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_lead_nowhere(redirected: str) -> None:
    done = shell(redirected, "inspect", "sample")
    assert (done.returncode, done.stderr) == (0, "")
    refused = shell(redirected, "inspect", "/nowhere")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_a_reader_that_leaves_early_ends_it_quietly() -> None:
    done = shell("| head -c 1", "inspect", "sample", "--json")
    assert done.stdout == "{"
    assert done.stderr == ""


@pytest.mark.slow
def test_an_encoding_that_lacks_a_character_spells_it_out(tmp_path: Path) -> None:
    done = shell("", "inspect", str(tmp_path / "модель"), PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "\\u043c" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "verb", "words"),
    [
        (("bench",), "bench", "Missing argument"),
        (("bench", "x", "--repeats", "abc"), "bench", "--repeats"),
        (("convert", "sample", "--nope"), "convert", "--nope"),
        (("frobnicate",), "firstlight", "frobnicate"),
    ],
)
def test_a_wrong_command_line_is_told_as_json_too(
    arguments: tuple[str, ...], verb: str, words: str
) -> None:
    done = shell("", *arguments, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert document["schema"] == f"firstlight/{verb}/1"
    assert document["ok"] is False
    assert document["error"]["code"] == "usage"
    assert words in document["error"]["message"]
    assert document["error"]["hint"].endswith("--help")


def test_ctrl_c_before_the_verb_has_begun_is_no_traceback() -> None:
    program = """
import sys

class Interrupts:
    def find_spec(self, name, *others):
        if name == "firstlight_tui.commands.paths_":
            raise KeyboardInterrupt

sys.argv = ["firstlight", "paths"]
sys.meta_path.insert(0, Interrupts())
from firstlight_tui.__main__ import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_document_that_says_no_has_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, verdict, words in (
        ("quality", "Not good enough. Far away.", "Not good enough"),
        ("template", "mismatch", "A check failed"),
        ("template", "a key that has spaces", "A check failed"),
    ):
        with pytest.raises(SystemExit) as left:
            run_verb(verb, lambda v=verdict: {"ok": False, "verdict": v}, print, as_json=True)
        document = json.loads(capsys.readouterr().out)
        assert left.value.code == 1
        assert document["error"]["code"] == "check-failed"
        assert words in document["error"]["message"]
