"""Commands for cmd, PowerShell and POSIX shells, read back as these shells read them."""

import json
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight_core import shells
from firstlight_core.shells import (
    SHELLS,
    as_typed_here,
    command_line,
    find_shell,
    post_json,
    program_here,
    quoted,
    set_variable,
    split_command,
)

WORDS = [
    "plain",
    r"C:\Users\Ada\models",
    r"C:\My Models\Qwen",
    "C:\\My Models\\",
    r"\\server\share name\model",
    "olive-ai<0.14,>=0.13",
    "100%",
    "%PATH%",
    "a & b | c > d",
    'say "hi" & go',
    "it's",
    "it\u2019s",
    "$HOME",
    "~/models",
    "(x)^y!",
    "Größe 模型",
    "",
    "--%",
    "a,b;c",
    "@file",
]


def cmd_words(line: str) -> list[str]:
    """The arguments that a program gets: cmd takes carets away, then the C library splits (parsing C arguments)."""
    assert not re.search(r"(?<!\^)%[^%^]+%", line), "cmd replaces this"
    text, inside, index = "", False, 0
    while index < len(line):
        sign = line[index]
        if sign == "^" and not inside:
            index += 1
            sign = line[index]
        elif sign == '"':
            inside = not inside
        else:
            assert inside or sign not in "&|<>", f"cmd acts on {sign!r} in {line!r}"
        text += sign
        index += 1
    words, word, started, inside, index = list[str](), "", False, False, 0
    while index < len(text):
        sign = text[index]
        if sign == "\\":
            run = len(text[index:]) - len(text[index:].lstrip("\\"))
            index += run
            if text[index : index + 1] == '"':
                word += "\\" * (run // 2)
                if run % 2:
                    word += '"'
                    index += 1
            else:
                word += "\\" * run
            started = True
            continue
        if sign == '"':
            inside, started = not inside, True
        elif sign in " \t" and not inside:
            if started:
                words.append(word)
            word, started = "", False
        else:
            word, started = word + sign, True
        index += 1
    return [*words, word] if started else words


def powershell_words(line: str) -> list[str]:
    """The words of a line of PowerShell that uses bare words and single quotes only."""
    words = []
    line = line.removeprefix("& ")
    quote = "['\u2018\u2019\u201a\u201b]"
    for match in re.finditer(
        rf"({quote}(?:[^'\u2018\u2019\u201a\u201b]|{quote}{{2}})*{quote}|\S+)(?: |$)", line
    ):
        word = match[1]
        if re.match(quote, word):
            words.append(re.sub(f"({quote}){quote}", r"\1", word[1:-1]))
        else:
            assert not re.search(r"[$`@,;(){}&|<>#\"]", word), "PowerShell acts on this"
            words.append(word)
    return words


def read_back(line: str, shell: str) -> list[str]:
    return {"posix": shlex.split, "cmd": cmd_words, "powershell": powershell_words}[shell](line)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_arrives_as_it_was_meant(shell: shells.Shell) -> None:
    assert read_back(command_line(["firstlight", *WORDS], shell), shell) == ["firstlight", *WORDS]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), min_size=1))
def test_any_words_arrive(words: list[str]) -> None:
    for shell in SHELLS:
        assert read_back(command_line(["x", *words], shell), shell) == ["x", *words]


def test_what_a_reader_sees() -> None:
    requirement = "olive-ai<0.14,>=0.13"
    assert quoted(requirement, "posix") == f"'{requirement}'"
    assert quoted(requirement, "cmd") == f'"{requirement}"'
    assert quoted(requirement, "powershell") == f"'{requirement}'"
    assert command_line([r"C:\My Tools\python.exe", "-V"], "cmd") == r'"C:\My Tools\python.exe" -V'
    assert (
        command_line([r"C:\My Tools\python.exe", "-V"], "powershell")
        == r"& 'C:\My Tools\python.exe' -V"
    )
    assert quoted(r"C:\models\qwen", "cmd") == quoted(r"C:\models\qwen", "powershell")
    assert quoted(r"C:\models\qwen", "cmd") == r"C:\models\qwen"


def test_variables() -> None:
    assert set_variable("KEY", "a b", "posix") == "export KEY='a b'"
    assert set_variable("KEY", "a b", "cmd") == 'set "KEY=a b"'
    assert set_variable("KEY", "it's", "powershell") == "$env:KEY = 'it''s'"


def test_a_request_with_json() -> None:
    url, body = "http://127.0.0.1:5273/v1/chat/completions", json.dumps({"model": "a:1", "n": [1]})
    for shell in ("posix", "cmd"):
        words = read_back(post_json(url, body, shell), shell)  # type: ignore[arg-type]
        assert words == ["curl", url, "-H", "Content-Type: application/json", "-d", body]
    line = post_json(url, body, "powershell")
    document, _, command = line.partition(" | ")
    assert powershell_words(document) == [body]
    assert powershell_words(command) == [
        "curl.exe",
        url,
        "-H",
        "Content-Type: application/json",
        "-d",
        "@-",
    ]


@pytest.mark.parametrize(
    ("platform", "environ", "parents", "shell"),
    [
        ("linux", {}, ["pwsh"], "posix"),
        ("darwin", {}, [], "posix"),
        ("win32", {}, ["python.exe", "uv.exe", "cmd.exe", "explorer.exe"], "cmd"),
        ("win32", {}, ["firstlight.exe", "powershell.exe", "WindowsTerminal.exe"], "powershell"),
        ("win32", {}, ["PWSH.EXE"], "powershell"),
        ("win32", {}, ["bash.exe", "mintty.exe"], "posix"),
        ("win32", {}, ["explorer.exe"], "powershell"),
        ("win32", {"FIRSTLIGHT_SHELL": "CMD"}, ["pwsh.exe"], "cmd"),
        ("win32", {"FIRSTLIGHT_SHELL": "nonsense"}, ["cmd.exe"], "cmd"),
    ],
)
def test_the_shell_is_the_nearest_parent(
    platform: str, environ: dict[str, str], parents: list[str], shell: str
) -> None:
    assert find_shell(platform=platform, environ=environ, parents=lambda: parents) == shell


def test_a_users_command_keeps_its_backslashes_on_windows() -> None:
    text = r'"C:\My Tools\olive.exe" --log C:\tmp\x'
    assert split_command(text, platform="win32") == [r"C:\My Tools\olive.exe", "--log", r"C:\tmp\x"]
    assert split_command("'/my tools/olive' -x", platform="linux") == ["/my tools/olive", "-x"]
    with pytest.raises(ValueError, match="quotation"):
        split_command('"C:\\a', platform="win32")


@pytest.fixture(params=["cmd", "powershell"])
def windows_shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FIRSTLIGHT_SHELL", request.param)
    shells.user_shell.cache_clear()
    request.addfinalizer(shells.user_shell.cache_clear)
    return str(request.param)


def test_every_place_that_shows_a_command_writes_it_for_the_shell(windows_shell: str) -> None:
    from pathlib import Path

    from firstlight_core.documents.workflow import SummaryFiles
    from firstlight_core.environment.install import plan_install
    from firstlight_core.environment.toolchain import install_line
    from firstlight_core.exports.ollama_commands import ollama_commands
    from firstlight_core.foundry.cli import CliCommand
    from firstlight_core.foundry.service import snippets
    from firstlight_core.session import Session
    from firstlight_tui.farewell import farewell_lines

    install_line.cache_clear()
    lines = [install_line("convert"), plan_install().line]
    install_line.cache_clear()
    rows, _ = ollama_commands("my model", Path("my files/Modelfile"), find=lambda _: "ollama")
    lines += [str(row["command"]) for row in rows]
    lines.append(CliCommand(arguments=("model", "run", "my model"), does="talk to it").line)
    written: SummaryFiles = {
        "markdown": "report.md",
        "json": "report.json",
        "html": "report.html",
        "run_toml": "my runs/run.toml",
    }
    farewell = farewell_lines(Session(artifact="my models/a"), written)
    lines += [line[8:] for line in farewell if not line.startswith("Report")]
    lines.append(snippets("http://127.0.0.1:1/v1", "a:1")["curl"].rpartition("| ")[2])
    for line in lines:
        words = read_back(line, windows_shell)
        assert any(" " in word or "<" in word or word == "curl.exe" for word in words), line
    prefix = {"cmd": "set ", "powershell": "$env:"}[windows_shell]
    assert snippets("http://x/v1", "a")["environment"].startswith(prefix)


def test_no_other_module_quotes() -> None:
    from pathlib import Path

    root = Path(shells.__file__).parents[2]
    for path in [*root.glob("core/**/*.py"), *root.glob("tui/**/*.py")]:
        if path.name != "shells.py":
            assert "import shlex" not in path.read_text("utf-8"), path
            assert "firstlight[" not in path.read_text("utf-8") or path.name == "toolchain.py", path


def test_the_program_is_named_as_it_starts_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `make demo` no `firstlight` is on the PATH; it lies in `.venv/bin` of the checkout."""
    program = tmp_path / "my checkout" / ".venv" / "bin" / "firstlight"
    program.parent.mkdir(parents=True)
    program.touch()

    def here(folder: Path, found: str | None = None) -> str:
        monkeypatch.chdir(folder)
        return program_here(started=str(program), which=lambda name: found, shell="posix")

    assert here(tmp_path / "my checkout") == ".venv/bin/firstlight"
    assert here(tmp_path) == "'my checkout/.venv/bin/firstlight'"
    assert here(program.parent) == "./firstlight"
    assert here(Path("/")) == shlex.quote(min(str(program), str(program)[1:], key=len))
    assert here(tmp_path, found="/usr/bin/firstlight") == "firstlight"
    assert program_here(started="/no/firstlight", which=lambda name: None) == "firstlight"
    pytest_itself = program.with_name("pytest")
    pytest_itself.touch()
    assert program_here(started=str(pytest_itself), which=lambda name: None) == "firstlight"


def test_a_text_names_the_program_as_it_starts_from_here() -> None:
    own = ".venv/bin/firstlight"
    for text, shown in (
        ("firstlight chat int4", ".venv/bin/firstlight chat int4"),
        ("firstlight", ".venv/bin/firstlight"),
        (
            "Convert it: firstlight convert a -o b",
            "Convert it: .venv/bin/firstlight convert a -o b",
        ),
        ("`firstlight --help`, or not", "`.venv/bin/firstlight --help`, or not"),
        ("olive run --config firstlight.json", "olive run --config firstlight.json"),
        ("/opt/firstlight chat int4", "/opt/firstlight chat int4"),
        ("Firstlight chats", "Firstlight chats"),
    ):
        assert as_typed_here(text, own) == shown
        assert as_typed_here(text, "firstlight") == text
