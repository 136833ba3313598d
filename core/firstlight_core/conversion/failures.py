"""Known failures of the tools: message → cause → next step."""

import errno
import re
import traceback
from dataclasses import dataclass

from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import (
    FirstlightError,
    JobFailed,
    ModelRefused,
    OutOfMemory,
    StateProblem,
    ToolchainMissing,
)
from firstlight_core.text import one_line, redact, visible

_UNKNOWN = "This message is not known to Firstlight: the log has the details."
_UNROUNDED = "--calibration none converts INT4 without the text."
_SMALLER = "Close other programs, choose a smaller precision or a smaller model."


@dataclass(frozen=True, slots=True)
class Failure:
    """One row: what a tool says, what it means, what to do, and which kind of error it is."""

    pattern: str
    cause: str
    """One sentence; `{0}` is the first group of the pattern."""
    remedy: str
    """The hint; `{install}` is the command that installs the conversion tools."""
    kind: type[FirstlightError] = JobFailed


_SILENCE = Failure(
    r"No output model|no output models?|Olive pruned",
    "Olive ended without a model and without a reason.",
    "Most often memory or the disk ran out: look at the log, close other programs and try again.",
)
FAILURES: tuple[Failure, ...] = (
    Failure(
        r"No space left on device|Disk quota exceeded|os error 28|errno\W+28\b",
        "The disk is full.",
        "Free some space on the disk of the output folder, or name another with -o.",
        StateProblem,
    ),
    Failure(
        r"DefaultCPUAllocator|not enough memory|bad allocation|std::bad_alloc|Cannot allocate memory"
        r"|Unable to allocate|MemoryError|Failed to allocate memory|failed to map segment",
        "Memory ran out.",
        _SMALLER,
        OutOfMemory,
    ),
    Failure(
        r"No module named '?onnxruntime_genai\.models\.quantized_model",
        "Olive and onnxruntime-genai do not know each other's version.",
        "Install the pair that was tested: {install}",
        ToolchainMissing,
    ),
    Failure(
        r"No module named '?([\w.]+)",
        "The conversion tools lack the module {0}.",
        "Install them: {install}",
        ToolchainMissing,
    ),
    Failure(
        r"The (\S+) model is not (?:currently )?supported|model type `?(\w+)`? but Transformers does not",
        "The architecture {0} is not supported by the installed model builder.",
        "Choose a model of a supported architecture (Llama, Qwen, Phi, Gemma, Mistral, SmolLM, Granite …).",
        ModelRefused,
    ),
    Failure(
        r"(?:trust_remote_code|contains custom code)",
        "The model wants to run code of its own, which Firstlight never allows.",
        "Choose a model that the installed transformers knows without extra code.",
        ModelRefused,
    ),
    Failure(
        r"SafetensorError|MetadataIncompleteBuffer|HeaderTooLarge|InvalidHeader|incomplete metadata",
        "A weight file is damaged or incomplete.",
        "Copy or download the model again.",
        ModelRefused,
    ),
    Failure(
        r"size mismatch|mismatched sizes|shape mismatch|RuntimeError: shape",
        "The shapes of the weights do not fit config.json.",
        "config.json belongs to another model, or the weights do: copy the folder again.",
        ModelRefused,
    ),
    Failure(
        r"Can't load tokenizer|Couldn't instantiate the backend tokenizer|tokenizer.*not found"
        r"|Unable to load tokenizer|no tokenizer",
        "The tokenizer cannot be read.",
        "Save it into the folder again: tokenizer.json and tokenizer_config.json belong to the model.",
        ModelRefused,
    ),
    Failure(
        r"Unsupported tokenizer class:? ?(\S*)",
        "onnxruntime-genai does not know the tokenizer class {0}.",
        "Save the tokenizer as a fast tokenizer (tokenizer.json) and convert again.",
        ModelRefused,
    ),
    Failure(
        r"Unsupported model_type in config\.json: (\S+)|Unsupported model_type:? ?(\S*)",
        "The installed onnxruntime-genai cannot run the model type {0}.",
        "Its runtime is older than its builder: install the tested pair.",
        ToolchainMissing,
    ),
    Failure(
        r"GatherBlockQuantized|could not find an implementation for|NOT_IMPLEMENTED",
        "The installed onnxruntime cannot run an operator of the converted model.",
        "onnxruntime and onnxruntime-genai do not fit: install the tested pair.",
        ToolchainMissing,
    ),
    Failure(
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to|Firstlight is offline",
        "A file of the model is not on this machine, and the conversion works offline.",
        "Download the whole model first, or name a complete folder.",
        ModelRefused,
    ),
    _SILENCE,
)


def explain_text(text: str) -> FirstlightError | None:
    """Return the error that matches a tool's output; None when no row matches."""
    for row in FAILURES:
        if match := re.search(row.pattern, text, re.IGNORECASE):
            groups = [group for group in match.groups() if group] or ["?"]
            cause = row.cause.format(*(one_line(group, 60).strip("'\"`.,") for group in groups))
            return row.kind(
                cause,
                hint=row.remedy.replace("{install}", install_line("convert")),
                detail=visible(redact(text))[-4000:],
            )
    return None


def explain(
    error: BaseException | None, *, otherwise: str = "", calibrated: bool = False
) -> FirstlightError:
    """Return the error to raise for an exception of a tool, or for its silence.

    `calibrated`: the weights were rounded on a text, which can be left out.
    """
    if isinstance(error, FirstlightError):
        return error
    if error is None:
        silent = explain_text(otherwise or "No output model") or JobFailed(one_line(otherwise, 300))
        if calibrated and str(silent) == _SILENCE.cause:
            silent.hint += f" {_UNROUNDED}"
        return silent
    chain: list[str] = []
    below: BaseException | None = error
    while below is not None and len(chain) < 8:
        if isinstance(below, OSError) and below.errno in (errno.ENOSPC, errno.EDQUOT):
            chain.append("No space left on device")
        chain.append(f"{type(below).__name__}: {below}")
        below = below.__cause__ or below.__context__
    for text in chain:
        if known := explain_text(text):
            return known
    stack = "".join(traceback.format_exception(error))[-6000:]
    return JobFailed(
        f"Olive failed: {one_line(f'{type(error).__name__}: {error}', 300)}",
        hint=f"{_UNKNOWN} {_UNROUNDED}" if calibrated else _UNKNOWN,
        detail=visible(redact(stack)),
    )
