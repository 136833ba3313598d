"""Errors a user can act on.

FirstlightError            exit 1   something the user can read and act on
├── UsageError             exit 2   the command line or a value on it is wrong
├── InputRefused           exit 1   a folder, file or text from outside is not what is needed
│   ├── ModelRefused                a model folder cannot be converted, and why
│   └── TemplateRefused             a template or inference_model.json is not usable
├── CheckFailed            exit 1   everything ran, and the answer is no
├── ToolchainMissing       exit 3   a package or program is missing or broken
├── JobFailed              exit 1   a child process reported a failure
│   ├── JobDied                     a child process ended without a result (signal, crash)
│   └── OutOfMemory                 the kernel ended a child process for memory
├── StateProblem           exit 1   our own files: disk full, read-only, locked, corrupt
└── Interrupted            exit 130 the user stopped it
"""

from typing import ClassVar, NotRequired, TypedDict


class ErrorDocument(TypedDict):
    """The `error` object of a failed `--json` document."""

    code: str
    message: str
    hint: str
    detail: NotRequired[str]
    field: NotRequired[str]
    """The wrong field of a document or configuration, for example `ModelConfig.top_p`."""
    line: NotRequired[int]
    """The line of a text that is wrong, counted from 1."""
    signal: NotRequired[str]
    """Name of the signal that ended a child process, for example SIGKILL."""


class FirstlightError(Exception):
    """Base class: `str(error)` says what happened, `hint` what to do next, `detail` the evidence.

    Code never reads these three: it decides by the class, or by `code`, `field`, `line` and `signal`.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1
    way_on: ClassVar[str] = "Look at the log that `firstlight paths` shows the folder of."
    """The hint of an error that was raised without one."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        detail: str = "",
        field: str = "",
        line: int | None = None,
        signal: str = "",
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.detail = detail
        self.field = field
        """The field that is wrong, in dots; empty when the error is about none."""
        self.line = line
        """The line that is wrong, counted from 1; None when it is not known."""
        self.signal = signal
        """Name of the signal that ended a child process; empty when none did."""

    @property
    def with_hint(self) -> str:
        """The message and the hint in one line, for a person."""
        return f"{self} {self.hint}".rstrip()

    def to_json(self) -> ErrorDocument:
        """Return the `error` object of a failed `--json` document (SPEC 2)."""
        document: ErrorDocument = {
            "code": self.code,
            "message": str(self),
            "hint": self.hint or self.way_on,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.field:
            document["field"] = self.field
        if self.line is not None:
            document["line"] = self.line
        if self.signal:
            document["signal"] = self.signal
        return document


class UsageError(FirstlightError):
    """The command line, or a value on it, is wrong."""

    code = "usage"
    exit_code = 2
    way_on = "Add --help to the verb to see what it takes."


class InputRefused(FirstlightError):
    """A folder, file or text from outside is not what is needed."""

    code = "refused"
    way_on = "Check the path or the file, then try again."


class ModelRefused(InputRefused):
    """A model folder cannot be converted, and the message says why."""

    code = "model-refused"
    way_on = "Choose another folder, or repair this one."


class TemplateRefused(InputRefused):
    """A template or an inference_model.json is not usable."""

    code = "template-refused"
    way_on = "Correct that field, then try again."


class CheckFailed(FirstlightError):
    """Everything ran, and the answer is no."""

    code = "check-failed"
    way_on = "Fix what failed, then run it again."


class ToolchainMissing(FirstlightError):
    """A package or program is missing or broken."""

    code = "toolchain"
    exit_code = 3
    way_on = "`firstlight doctor` says what is missing and how to get it."


class JobFailed(FirstlightError):
    """A child process reported a failure."""

    code = "job-failed"


class JobDied(JobFailed):
    """A child process ended without a result."""

    code = "job-died"


class OutOfMemory(JobFailed):
    """The kernel ended a child process because memory ran out."""

    code = "out-of-memory"
    way_on = "Close other programs, then try again."


class StateProblem(FirstlightError):
    """One of our own files cannot be read or written."""

    code = "state"
    way_on = "Check the disk and its permissions, then try again."


class Interrupted(FirstlightError):
    """The user stopped it."""

    code = "interrupted"
    exit_code = 130
    way_on = "The same command starts it again."


def _subclasses(kind: type[FirstlightError]) -> list[type[FirstlightError]]:
    return [kind, *(below for direct in kind.__subclasses__() for below in _subclasses(direct))]


def error_from_code(
    code: str,
    message: str,
    *,
    hint: str = "",
    detail: str = "",
    field: str = "",
    line: int | None = None,
    signal: str = "",
) -> FirstlightError:
    """Rebuild an error that crossed the process border; an unknown code becomes `JobFailed`."""
    kinds = {kind.code: kind for kind in _subclasses(FirstlightError)}
    return kinds.get(code, JobFailed)(
        message, hint=hint, detail=detail, field=field, line=line, signal=signal
    )


def error_from_document(document: ErrorDocument) -> FirstlightError:
    """Rebuild an error from its `to_json`; nothing of it is lost."""
    return error_from_code(
        document["code"],
        document["message"],
        hint=document["hint"],
        detail=document.get("detail", ""),
        field=document.get("field", ""),
        line=document.get("line"),
        signal=document.get("signal", ""),
    )
