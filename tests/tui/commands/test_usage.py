"""A wrong command line is told in one sentence of ours."""

import json

import pytest

from tests.support.program import run_firstlight


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("history zzz", "Invalid value for 'number': 'zzz' is no whole number."),
        ("history --limit 1.5", "Invalid value for '--limit': '1.5' is no whole number."),
        ("bench a --repeats x", "Invalid value for '--repeats': 'x' is no whole number."),
        ("chat a --temperature warm", "Invalid value for '--temperature': 'warm' is no number."),
        ("tune a --max-drift x", "Invalid value for '--max-drift': 'x' is no number."),
        ("deploy --gpus x", "Invalid value for '--gpus': 'x' is no whole number."),
        ("--port abc", "Invalid value for '--port': 'abc' is no whole number."),
        ("--port 99999", "Invalid value for '--port': '99999' is more than 65535."),
        ("--port -1", "Invalid value for '--port': '-1' is less than 0."),
    ],
)
def test_a_value_that_is_no_number_is_told_in_our_words(words: str, sentence: str) -> None:
    call = run_firstlight(*words.split())
    assert call.returncode == 2 and not call.stdout
    assert f"Error: {sentence}" in call.stderr.splitlines()
    assert "Input should" not in call.stderr


def test_the_document_of_a_wrong_value_has_the_same_words() -> None:
    call = run_firstlight("history", "zzz", "--json")
    assert call.returncode == 2
    error = json.loads(call.stdout)["error"]
    assert error["message"] == "Invalid value for 'number': 'zzz' is no whole number."


@pytest.mark.parametrize(
    ("words", "missing", "hint"),
    [
        (
            "",
            "Name the model folder to convert, and the folder to publish the artifact as (-o).",
            "firstlight convert ./my-model -o int4",
        ),
        (
            "sample",
            "Name the folder to publish the artifact as (-o).",
            "firstlight convert sample -o int4",
        ),
        (
            "-o out",
            "Name the model folder to convert.",
            "firstlight convert ./my-model -o out",
        ),
        (
            "--undo",
            "Name the folder to publish the artifact as (-o).",
            "firstlight convert --undo -o int4",
        ),
    ],
)
def test_convert_says_all_that_is_missing(words: str, missing: str, hint: str) -> None:
    call = run_firstlight("convert", *words.split())
    assert call.returncode == 2
    assert call.stderr.splitlines() == [missing, f"  {hint}"]


def test_the_help_shows_what_is_needed_and_that_a_folder_opens_the_wizard() -> None:
    usage = run_firstlight("convert", "--help").stdout.splitlines()[0]
    assert usage == "Usage: firstlight convert [OPTIONS] {source} -o <folder>"
    assert "`firstlight FOLDER`" in " ".join(run_firstlight("--help").stdout.split())


def test_a_precision_is_taken_by_its_label() -> None:
    call = run_firstlight(
        "convert", "sample", "-o", "x", "-p", "INT8 compact", "--dry-run", "--json"
    )
    assert call.returncode == 0, call.stderr
    command = json.loads(call.stdout)["command"]
    assert "INT8 compact" not in command
