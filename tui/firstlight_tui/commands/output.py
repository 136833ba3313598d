"""Output of every verb: text or one JSON document, and an exit code (SPEC 2)."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar, cast

from firstlight_core.artifact.manifest import forced_reason
from firstlight_core.artifact.target import Target
from firstlight_core.documents.verb import ALWAYS
from firstlight_core.errors import (
    CheckFailed,
    FirstlightError,
    Interrupted,
    OutOfMemory,
)
from firstlight_core.files import JsonObject, JsonValue, system_problem
from firstlight_core.process.events import (
    Event,
    LogLine,
    LogPath,
    Measured,
    Notice,
    Progress,
    Remaining,
    Stage,
)
from firstlight_core.process.remaining import remaining_words
from firstlight_core.settings import load_settings
from firstlight_core.shells import as_typed_here
from firstlight_core.text import shown_path
from firstlight_tui.commands.painting import PROGRESS, Painted, as_shown, rewrites_lines

D = TypeVar("D", bound=Mapping[str, Any])
"""The document of one verb."""


REDRAW_SECONDS = 1.0


def say(*parts: str | Painted) -> None:
    """One line of human text on stdout."""
    PROGRESS.end()
    sys.stdout.write(as_shown(parts, sys.stdout) + "\n")


def note(*parts: str | Painted) -> None:
    """Print one line to stderr: progress, warnings, anything but the answer; a full disk there stops no work."""
    PROGRESS.clear()
    with contextlib.suppress(OSError):
        sys.stderr.write(as_shown(parts, sys.stderr) + "\n")


def note_forced(target: Target) -> None:
    """Say on stderr that an artifact was published against the numbers gate."""
    if target.folder is not None and (reason := forced_reason(target.folder)):
        note(Painted(f"{shown_path(target.folder)} was published by force. {reason}", "caution"))


def print_json(document: Mapping[str, Any]) -> None:
    """The one JSON document of a `--json` call."""
    PROGRESS.end()
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def show_events(*, log: bool = False) -> Callable[[Event], None]:
    """Return a listener that tells stderr which stage a job is in; `log` adds every line the tools print.

    A terminal gets one line that is rewritten, everything else a line for each stage.
    """
    in_place = rewrites_lines(sys.stderr)
    fresh = False

    def show(event: Event) -> None:
        nonlocal fresh
        match event:
            case Remaining() if in_place:
                PROGRESS.left(remaining_words(event))
            case Remaining() if fresh and (words := remaining_words(event)):
                # Once a stage: a pipe is not rewritten.
                fresh = False
                note(f"  {words}")
            case Stage(label=label) if in_place:
                PROGRESS.stage(label)
            case Progress(done=done, total=total, unit=unit) if in_place:
                PROGRESS.count(done, total, unit)
            case Stage(label=label):
                fresh = True
                note(f"- {label}")
            case Notice(text=text):
                note(Painted(text, "caution"))
            case LogLine(text=text) if log:
                note(f"  {text}")
            case LogPath(path=path) if log:
                note(f"  Log file: {path}")
            case _:
                pass

    return show


def print_line(event: str, fields: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of stdout, at once; `event` says what it is."""
    PROGRESS.clear()
    line = json.dumps({"event": event, **fields}, ensure_ascii=True, allow_nan=False)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def line_events(show: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that prints each measurement as a line of JSON when it is finished, and tells `show` everything."""

    def listen(event: Event) -> None:
        show(event)
        match event:
            case Measured(name=name, value=value, unit=unit, label=label, prompt_tokens=length):
                fields = {"name": name, "value": value, "unit": unit, "label": label}
                print_line("measured", {**fields, "prompt_tokens": length} if length else fields)
            case Stage(name=name, label=label):
                print_line("stage", {"name": name, "label": label})
            case Progress(done=done, total=total, unit=unit, note=words):
                print_line("progress", {"done": done, "total": total, "unit": unit, "note": words})
            case Notice(text=text):
                print_line("notice", {"text": text})

    return listen


def progress_of(label: str, total: int, unit: str) -> Callable[[], None]:
    """Return what counts one of `total` things as done, on a terminal's line of progress."""
    done = 0

    def count() -> None:
        nonlocal done
        if not done and rewrites_lines(sys.stderr):
            PROGRESS.stage(label)
        done += 1
        PROGRESS.count(done, total, unit)
        PROGRESS.draw()

    return count


def run_verb(
    verb: str,
    work: Callable[[], D] | Callable[[], Coroutine[Any, Any, D]],
    show: Callable[[D], None],
    *,
    as_json: bool,
    as_line: bool = False,
    exit_code: Callable[[D], int] | None = None,
    keeps: Callable[[], str] | None = None,
) -> None:
    """Run a verb, print its document (or show it as text), and leave with the exit code of SPEC 2.

    A document whose `ok` is false leaves with 1, unless `exit_code` says otherwise. `keeps` returns a sentence: what stays
    of work that is interrupted. With `as_line` the document is the last line of several, with `"event": "document"`.
    """
    document: JsonObject = {"schema": f"firstlight/{verb}/1"}
    for mistake in load_settings()[1]:
        note(str(mistake))
    try:
        result: Any = work()
        if asyncio.iscoroutine(result):
            result = asyncio.run(_interruptible(result))
    except (KeyboardInterrupt, asyncio.CancelledError):
        left = keeps() if keeps is not None else ""
        words = f"Interrupted. {left}" if left else "Interrupted; no partial files were left."
        fail(document, Interrupted(words), as_json=as_json, as_line=as_line)
    except FirstlightError as error:
        fail(document, error, as_json=as_json, as_line=as_line)
    except MemoryError:
        fail(
            document,
            OutOfMemory("Memory ran out.", hint="Close other programs."),
            as_json=as_json,
            as_line=as_line,
        )
    except BrokenPipeError:
        raise SystemExit(1) from None
    except OSError as error:
        fail(document, system_problem(error), as_json=as_json, as_line=as_line)
    else:
        assert isinstance(result, dict)
        document = _judged({**document, "ok": True, **result})
        if as_json:
            whole = _whole(document)
            print_line("document", whole) if as_line else print_json(whole)
        else:
            show(cast(D, document))
        sys.stdout.flush()
        if exit_code is not None:
            raise SystemExit(exit_code(cast(D, document)))
        raise SystemExit(0 if document["ok"] else 1)


def _judged(document: JsonObject) -> JsonObject:
    """A document that says no also says why in `error`, as every failure does."""
    if document["ok"] or "error" in document:
        return document
    verb = str(document["schema"]).split("/")[1]
    # Only quality's verdict is a sentence; those of the other verbs are keys.
    sentence = str(document.get("verdict") or "") if verb == "quality" else ""
    reason = sentence or "A check failed; the document says which."
    error = CheckFailed(reason, hint=_AFTER_A_NO.get(verb, "")).to_json()
    return {**document, "error": cast(JsonObject, error)}


_AFTER_A_NO: Mapping[str, str] = {
    "doctor": "Each row of `checks` has its fix.",
    "template": "Take the tokenizer's with --mend; `differences` says where they part.",
    "quality": "Look at the evidence of what failed, or try a larger precision.",
    "deploy": "Compare `answer` with `artifact_answer`, then deploy again or convert anew.",
    "verify": "Write it again from its run, or convert and deploy anew.",
    "run": "Look at the `error` of each failed step, then run it again.",
}
"""Hint for a verb that ran and whose answer is no."""


def _whole(document: JsonObject) -> JsonObject:
    """Return a document with every key of its contract; of several targets, each of them."""
    verb = str(document["schema"]).split("/")[1]
    defaults = cast(JsonObject, ALWAYS.get(verb, {}))
    if verb == "quality" and document.get("kind") == "qualities":
        artifacts = document.get("artifacts")
        entries = artifacts if isinstance(artifacts, list) else []
        each: list[JsonValue] = [
            {**defaults, **entry} for entry in entries if isinstance(entry, dict)
        ]
        return {**document, "artifacts": each}
    return {**defaults, **document}


async def _interruptible(work: Coroutine[Any, Any, D]) -> D:
    """SIGTERM and SIGHUP end a verb as Ctrl-C does: children killed, staging removed."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and sys.platform != "win32":
            loop.add_signal_handler(getattr(signal, name), task.cancel)
    drawing = asyncio.create_task(_keep_drawing())
    try:
        return await work
    finally:
        drawing.cancel()


async def _keep_drawing() -> None:
    """The time that has passed is shown while nothing else happens."""
    while True:
        await asyncio.sleep(REDRAW_SECONDS)
        PROGRESS.draw()


def fail(
    document: JsonObject, error: FirstlightError, *, as_json: bool, as_line: bool = False
) -> NoReturn:
    """Tell an error as text or as the verb's document, and leave with its exit code."""
    if as_json:
        failed = {**document, "ok": False, "error": error.to_json()}
        print_line("document", failed) if as_line else print_json(failed)
    else:
        PROGRESS.end()
        note(Painted(str(error), "bad"))
        note(f"  {as_typed_here(error.hint or error.way_on)}")
    sys.stdout.flush()
    raise SystemExit(error.exit_code) from None
