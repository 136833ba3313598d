"""Arguments only: a bare `firstlight` opens the wizard, a verb is the headless twin."""

import gc
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def main() -> int:
    """Entry point of the console script; imports only what the request needs."""
    _usable_streams()
    code = _answered()
    try:
        sys.stderr.flush()
    except OSError:
        # Notes that cannot be written stop nothing, and change no exit code.
        _forget(2)
    return code


def _answered() -> int:
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        code = 1
    except OSError as error:
        # A verb tells its own faults; what comes this far is an answer that could not be written.
        sys.stderr.write(f"The answer could not be written: {error.strerror or error}.\n")
        code = 1
    except KeyboardInterrupt:
        # A verb minds its own; this one came while modules were still being imported.
        code = 130
    except SystemExit as left:
        return _left(left)
    else:
        return code
    _forget(1)
    return code


def _left(left: SystemExit) -> int:
    """Return the exit code of a verb; 1 where its answer did not reach whom it is for."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget(1)
        return 1
    return left.code if isinstance(left.code, int) else int(left.code is not None)


def _forget(descriptor: int) -> None:
    """Unwritten output would fail again when the interpreter ends, with a traceback or an exit code of Python's own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _usable_streams() -> None:
    """Closed ones lead nowhere, a character that an encoding lacks is spelled out instead of being an error, and a line is
    there for a program that reads it as soon as it is written: some verbs wait after it.
    """
    # A descriptor that is free here would be taken by the next file that is opened.
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0].startswith("--") and arguments != ["--version"]:
        from firstlight_tui.terminal.switches import take_switches

        arguments = take_switches(arguments)
    if arguments == ["--version"]:
        from firstlight_core import __version__

        sys.stdout.write(f"firstlight {__version__}\n")
        return 0
    if arguments in ([], ["--demo"]):
        return open_wizard(demo=bool(arguments))
    alone, in_browser = len(arguments) == 1, "--web" in arguments[:-1]
    if (alone or in_browser) and (folder := _named_folder(arguments[-1])) is not None:
        model = _model_in(folder, arguments[-1])
        if model is None:
            return 1
        if alone:
            return open_wizard(model=model)
        arguments = [*arguments[:-1], "--model", model]
    from firstlight_tui.commands import run_cli

    return run_cli(arguments)


def _model_in(folder: "Path", word: str) -> str | None:
    """The folder or the hub id that a word names; None, with the reason on standard error, where it is neither."""
    if folder.is_dir():
        return str(folder.absolute())
    from firstlight_core.model.sources import looks_like_hub_id

    if looks_like_hub_id(word):
        return word
    from firstlight_core.text import shown_path

    sys.stderr.write(
        f"There is no folder {shown_path(folder)}.\n"
        "Name the folder of a model, or an id of the Hugging Face hub (owner/name).\n"
    )
    return None


def _named_folder(word: str) -> "Path | None":
    """Return the folder that a single argument names; None for a verb, an option, or any other word."""
    if word.startswith("-") or "\0" in word:
        return None
    from firstlight_core.paths import expanded

    folder = expanded(word)
    if word.startswith((".", "~")) or os.sep in word or (os.altsep or os.sep) in word:
        return folder
    from firstlight_tui.commands import VERBS

    # A verb stays a verb even if a folder has its name.
    return folder if word not in VERBS and folder.is_dir() else None


def open_wizard(*, demo: bool = False, model: str | None = None) -> int:
    """Open the wizard on this terminal, on the sample, a folder or a hub id; its return code is ours."""
    in_browser = "FIRSTLIGHT_IN_BROWSER" in os.environ
    if not in_browser and not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write(
            "The wizard needs a terminal. Without one, use the verbs: `firstlight --help`, "
            "or `firstlight run run.toml --yes` for a whole run.\n"
        )
        return 2
    # Before the first of the many modules; `start_wizard` says why.
    gc.disable()
    from firstlight_tui.start import start_wizard

    return start_wizard(demo=demo, model=model)


if __name__ == "__main__":
    sys.exit(main())
