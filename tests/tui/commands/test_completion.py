"""Completion, asked of a real bash; the other shells' scripts; and the manual page, from the same table."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firstlight_core.deploy.targets import deploy_targets
from firstlight_core.errors import UsageError
from firstlight_core.precision.table import PRECISIONS
from firstlight_tui.commands import VERBS, whole_cli
from firstlight_tui.commands.completion import completion_script
from firstlight_tui.commands.guide import EXAMPLES, exit_codes
from firstlight_tui.commands.manual import manual_page
from firstlight_tui.commands.syntax import VerbSyntax, command_line_syntax
from tests.support.program import run_firstlight as call

REPOSITORY = Path(__file__).parents[3]
PRECISION_KEYS = {row.key for row in PRECISIONS}
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(scope="module")
def syntax() -> dict[str, VerbSyntax]:
    return {verb.name: verb for verb in command_line_syntax(whole_cli())}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "firstlight.bash"
    path.write_text(completion_script("bash", command_line_syntax(whole_cli())))
    return path


def tab(script: Path, *words: str, cwd: Path | None = None) -> set[str]:
    """What bash offers for the last of the words."""
    command = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _firstlight; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", command, "bash", str(script), "firstlight", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=True,
        timeout=30,
    )
    return set(done.stdout.split("\n")) - {""}


@bash
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["con"], {"convert", "connect"}),
        (["convert", "x", "-p", ""], PRECISION_KEYS),
        (["convert", "x", "--precision", "int8"], {"int8", "int8-compact"}),
        (["convert", "--precision", "=", "fp"], {"fp32", "fp16"}),
        (["convert", "--precision", "="], PRECISION_KEYS),
        (["convert", "--method", ""], {"config", "command"}),
        (["deploy", "x", "--target", ""], set(deploy_targets())),
        (["convert", "--dry"], {"--dry-run"}),
        (["--no-color", "verif"], {"verify"}),
        (["--ve"], {"--version"}),
        (["report", "la"], {"last"}),
        (["runs", ""], set()),
    ],
)
def test_bash_completes(script: Path, tmp_path: Path, words: list[str], offered: set[str]) -> None:
    assert tab(script, *words, cwd=tmp_path) == offered


@bash
def test_bash_completes_every_verb_and_option(
    script: Path, tmp_path: Path, syntax: dict[str, VerbSyntax]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert tab(script, "", cwd=empty) == set(VERBS)
    for name in VERBS:
        known = {option for row in syntax[name].options for option in row.names}
        assert tab(script, name, "-") == known
        assert {"--json", "--help", "--ascii", "--no-color"} <= known


@bash
def test_bash_completes_folders_and_files(script: Path, tmp_path: Path) -> None:
    (tmp_path / "my model").mkdir()
    (tmp_path / "mine.jsonl").write_text("")
    assert tab(script, "inspect", "m", cwd=tmp_path) == {"my model"}
    assert tab(script, "convert", "x", "-o", "m", cwd=tmp_path) == {"my model"}
    assert "mine.jsonl" in tab(script, "quality", "x", "--prompts", "mi", cwd=tmp_path)
    assert tab(script, "m", cwd=tmp_path) == {"my model"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_each_shell_knows_everything(
    shell: str, syntax: dict[str, VerbSyntax]
) -> None:
    script = completion_script(shell, command_line_syntax(whole_cli()))
    for verb in syntax.values():
        assert verb.name in script
        for option in verb.options:
            for name in option.names:
                assert (name.lstrip("-") if shell == "fish" else name) in script
            assert all(value in script for value in option.values)
    program = shutil.which(shell)
    if program is not None and shell != "powershell":
        checked = subprocess.run([program, "-n"], input=script, text=True, check=False)
        assert checked.returncode == 0


def test_an_unknown_shell_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        completion_script("tcsh", command_line_syntax(whole_cli()))
    assert "powershell" in refused.value.hint


@pytest.mark.slow
def test_the_option_prints_the_script_and_nothing_else() -> None:
    done = call("--completion", "bash")
    assert (done.returncode, done.stderr, done.stdout) == (
        0,
        "",
        completion_script("bash", command_line_syntax(whole_cli())),
    )
    refused = call("--completion", "tcsh")
    assert refused.returncode == 2 and "Choose one of: bash" in refused.stderr


# Help and the manual ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_that_it_understands(
    verb: str, syntax: dict[str, VerbSyntax]
) -> None:
    names = {name for option in syntax[verb].options for name in option.names}
    assert EXAMPLES[verb]
    for command, words in EXAMPLES[verb]:
        assert f"firstlight {verb}" in command and words.endswith(".")
        used = {word for word in command.split() if word.startswith("-")}
        assert used <= names, command
    assert {0, 1, 2, 130} <= set(exit_codes(verb))


def test_the_help_of_a_verb_shows_examples_codes_and_choices() -> None:
    help_text = call("convert", "--help").stdout
    assert "Examples:" in help_text and "firstlight convert sample -o int4 --dry-run" in help_text
    assert "Exit codes:" in help_text and "130  Interrupted." in help_text
    assert all(key in help_text for key in PRECISION_KEYS) and "config, command" in help_text


def test_the_manual_page_is_up_to_date() -> None:
    page = (REPOSITORY / "docs" / "firstlight.1").read_text(encoding="utf-8")
    assert page == manual_page(), "make manual"
    for verb in VERBS:
        assert f".SS firstlight {verb}" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_no_complaint_about_the_manual() -> None:
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", "-Kutf8"],
        input=manual_page(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == ""
    # Bold is a letter struck twice, or a sequence.
    plain = re.sub(r".\x08|\x1b\[\d*m", "", done.stdout)
    assert "firstlight convert sample -o int4 --dry-run" in plain
