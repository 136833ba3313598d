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

from typing import ClassVar


class FirstlightError(Exception):
    """Base class: `str(error)` says what happened, `hint` what to do next, `detail` the evidence."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.detail = detail

    def to_json(self) -> dict[str, str]:
        """The `error` object of every failed `--json` document (SPEC 2)."""
        document = {"code": self.code, "message": str(self), "hint": self.hint}
        return document | ({"detail": self.detail} if self.detail else {})


class UsageError(FirstlightError):
    """The command line, or a value on it, is wrong."""

    code = "usage"
    exit_code = 2


class InputRefused(FirstlightError):
    """A folder, file or text from outside is not what is needed."""

    code = "refused"


class ModelRefused(InputRefused):
    """A model folder cannot be converted, and the message says why."""

    code = "model-refused"


class TemplateRefused(InputRefused):
    """A template or an inference_model.json is not usable."""

    code = "template-refused"


class CheckFailed(FirstlightError):
    """Everything ran, and the answer is no."""

    code = "check-failed"


class ToolchainMissing(FirstlightError):
    """A package or program is missing or broken."""

    code = "toolchain"
    exit_code = 3


class JobFailed(FirstlightError):
    """A child process reported a failure."""

    code = "job-failed"


class JobDied(JobFailed):
    """A child process ended without a result."""

    code = "job-died"


class OutOfMemory(JobFailed):
    """The kernel ended a child process because memory ran out."""

    code = "out-of-memory"


class StateProblem(FirstlightError):
    """One of our own files cannot be read or written."""

    code = "state"


class Interrupted(FirstlightError):
    """The user stopped it."""

    code = "interrupted"
    exit_code = 130


def _tree(kind: type[FirstlightError]) -> list[type[FirstlightError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in _tree(below))]


def error_from_code(
    code: str, message: str, *, hint: str = "", detail: str = ""
) -> FirstlightError:
    """Rebuild an error that crossed the process border; an unknown code becomes `JobFailed`."""
    kinds = {kind.code: kind for kind in _tree(FirstlightError)}
    return kinds.get(code, JobFailed)(message, hint=hint, detail=detail)
