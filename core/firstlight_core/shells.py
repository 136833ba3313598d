"""Commands as they can be pasted into the user's shell: cmd, PowerShell, or a POSIX shell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

Shell = Literal["posix", "cmd", "powershell"]
SHELLS: tuple[Shell, ...] = ("posix", "cmd", "powershell")
_PROGRAMS: dict[str, Shell] = {
    "cmd": "cmd",
    "powershell": "powershell",
    "powershell_ise": "powershell",
    "pwsh": "powershell",
    "bash": "posix",
    "sh": "posix",
    "zsh": "posix",
    "fish": "posix",
}
_PLAIN = re.compile(r"[\w\-+=:./\\]+", re.ASCII)
"""Words that need no quotes in cmd and PowerShell; a `%` or `@` has a meaning there, a backslash has none."""
_CMD_SIGNS = re.compile(r'([()%!^"<>&|])')
_POWERSHELL_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
"""PowerShell reads all four typographic single quotes as it reads the straight one."""


_PROGRAM = "firstlight"
_COMMAND = re.compile(r"(?<![^\s`'(])firstlight(?= [A-Za-z-]|`|$)")
"""The first word of a command of Firstlight, at the beginning of a text or within it; no folder of this name."""


def _parents() -> list[str]:
    """Names of the programs that started this one, the nearest first."""
    import psutil

    try:
        return [parent.name() for parent in psutil.Process().parents()]
    except psutil.Error:
        return []


def find_shell(
    *,
    platform: str = sys.platform,
    environ: Mapping[str, str] = os.environ,
    parents: Callable[[], Iterable[str]] = _parents,
) -> Shell:
    """Return the kind of shell that this program was started from.

    `FIRSTLIGHT_SHELL` (posix, cmd or powershell) decides. Windows: the nearest parent process that is a shell, else
    PowerShell, which a new terminal opens. Every other system: POSIX.
    """
    for shell in SHELLS:
        if environ.get("FIRSTLIGHT_SHELL", "").strip().lower() == shell:
            return shell
    if platform != "win32":
        return "posix"
    for name in parents():
        if (found := _PROGRAMS.get(name.lower().removesuffix(".exe"))) is not None:
            return found
    return "powershell"


@cache
def user_shell() -> Shell:
    """Return `find_shell` of this process, which stays what it is."""
    return find_shell()


def quoted(word: str, shell: Shell | None = None) -> str:
    """Return one word as it is typed into a shell, so that a program receives exactly `word`.

    PowerShell before 7.3 takes double quotes inside a word away when it starts a program; no quoting suits it and
    later ones. cmd knows no newline in a word.
    """
    shell = shell or user_shell()
    if shell == "posix":
        return shlex.quote(word)
    if shell == "powershell":
        if _PLAIN.fullmatch(word) and not word.startswith("--%"):
            return word
        return _text(word)
    if _PLAIN.fullmatch(word):
        return word
    text = subprocess.list2cmdline([word])
    inner = word.count('"')
    if "%" in word or inner % 2 or (inner and _CMD_SIGNS.search(word.replace('"', ""))):
        # Within quotes cmd still replaces %NAME%, and counts a quote in the word as the end of them.
        return _CMD_SIGNS.sub(r"^\1", text)
    if '"' in text:
        return text
    # Backslashes before the closing quote would take it for a character.
    return f'"{text}{text[len(text.rstrip(chr(92))) :]}"'


def command_line(words: Sequence[str], shell: Shell | None = None) -> str:
    """Return the words of one command as a line of the user's shell, or of `shell`."""
    shell = shell or user_shell()
    line = " ".join(quoted(str(word), shell) for word in words)
    # A quoted first word is a text to PowerShell, not a program.
    return f"& {line}" if shell == "powershell" and line.startswith("'") else line


def program_here(
    *,
    started: str | None = None,
    which: Callable[[str], str | None] = shutil.which,
    shell: Shell | None = None,
) -> str:
    """Return what starts Firstlight when it is typed where the user stands.

    That is `firstlight`, or, where no program of this name is on the PATH, the path of the one that runs: from the working
    folder where that is shorter. `started` is the path of the program that runs.
    """
    program = Path(started or sys.argv[0])
    if program.stem != _PROGRAM or which(_PROGRAM) is not None or not program.is_file():
        return _PROGRAM
    whole = program.absolute()
    try:
        near = os.path.relpath(whole)
    except ValueError:
        near = str(whole)
    if os.sep not in near:
        near = f"{os.curdir}{os.sep}{near}"
    return command_line([min(near, str(whole), key=len)], shell)


def as_typed_here(text: str, program: str | None = None) -> str:
    """Return a text with `program_here()` for the word `firstlight` at the beginning of its commands."""
    program = program_here() if program is None else program
    return text if program == _PROGRAM else _COMMAND.sub(lambda match: program, text)


def set_variable(name: str, value: str, shell: Shell | None = None) -> str:
    """Return the line that sets an environment variable for the programs started next."""
    shell = shell or user_shell()
    if shell == "powershell":
        return f"$env:{name} = {_text(value)}"
    if shell == "cmd":
        return f'set "{name}={value}"'
    return f"export {name}={shlex.quote(value)}"


def post_json(url: str, body: str, shell: Shell | None = None) -> str:
    """Return the curl command that posts a JSON document.

    PowerShell pipes the document, for its versions differ in how they pass double quotes to a program; its `curl`
    without `.exe` is another command.
    """
    shell = shell or user_shell()
    header = ["-H", "Content-Type: application/json", "-d"]
    if shell == "powershell":
        return f"{_text(body)} | {command_line(['curl.exe', url, *header, '@-'], shell)}"
    return command_line(["curl", url, *header, body], shell)


def _text(text: str) -> str:
    return "'" + _POWERSHELL_QUOTES.sub(r"\1\1", text) + "'"


def split_command(text: str, *, platform: str = sys.platform) -> list[str]:
    """Return the words of a command that a user wrote into a variable; Windows paths keep their backslashes.

    Raises:
        ValueError: a quote is not closed.
    """
    if platform != "win32":
        return shlex.split(text)
    if text.count('"') % 2:
        raise ValueError("No closing quotation")
    return [word.replace('"', "") for word in re.findall(r'(?:[^\s"]|"[^"]*")+', text)]
