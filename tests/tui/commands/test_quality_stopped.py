"""`firstlight quality` on Ctrl+C: what was finished is kept in the history, and the last line says so."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight_core.history.store import HistoryStore
from firstlight_tui.commands.quality_ import KEEPS, KEEPS_ANSWERS, keeps_words
from tests.support.schemas import checked
from tests.support.tiny_models import puppet
from tests.support.wizard_documents import QUALITY


def test_the_sentence_names_what_stays() -> None:
    assert keeps_words([]) == ""
    assert keeps_words([{**QUALITY, "ok": False, "stopped": True}]) == KEEPS_ANSWERS
    assert keeps_words([QUALITY]) == KEEPS
    assert keeps_words([{"kind": "qualities", "ok": True, "artifacts": [QUALITY]}]) == KEEPS


@pytest.mark.real
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C of another console")
@pytest.mark.parametrize("as_json", [True, False])
def test_an_interrupted_check_keeps_its_answers(tmp_path: Path, as_json: bool) -> None:
    model = puppet(tmp_path / "int4", ["Hello", "."])
    questions = tmp_path / "questions.jsonl"
    questions.write_text("\n".join(json.dumps({"prompt": f"Hello {n}?"}) for n in range(3_000)))
    line = [sys.executable, "-m", "firstlight_tui", "quality", str(model)]
    line += ["--prompts", str(questions), *(["--json"] if as_json else [])]
    import pty

    # Only a terminal is told of every question.
    master, terminal = pty.openpty()
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=terminal, text=True) as process:
        os.close(terminal)
        errors = b""
        while b" of 3,000 questions" not in errors:
            errors += os.read(master, 4096)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=60)[0]
    with contextlib.suppress(OSError):
        while more := os.read(master, 4096):
            errors += more
    os.close(master)
    assert process.returncode == 130
    words = f"Interrupted. {KEEPS_ANSWERS}"
    if as_json:
        assert checked(json.loads(out))["error"]["message"] == words
    else:
        assert words in " ".join(errors.decode().split())
    (record,) = HistoryStore().records()
    assert record["kind"] == "quality" and record["void"]
    (reason,) = record["void_reasons"]
    assert reason.startswith("Stopped early, after ")
    document = HistoryStore().record(record["id"])["document"]
    answers = document["answers"]
    assert document["stopped"] and isinstance(answers, list) and len(answers) >= 2
