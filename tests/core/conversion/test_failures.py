"""The table of known messages: each row is reached by a message that a tool really prints."""

import errno

import pytest

from firstlight_core.conversion.failures import FAILURES, explain, explain_text
from firstlight_core.errors import (
    JobFailed,
    ModelRefused,
    OutOfMemory,
    StateProblem,
    ToolchainMissing,
)

SAID = {
    "OSError: [Errno 28] No space left on device: '/x/model.onnx.data'": (StateProblem, "full"),
    "OSError: [Errno 122] Disk quota exceeded": (StateProblem, "full"),
    "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory": (
        OutOfMemory,
        "Memory",
    ),
    "ImportError: libtorch_cpu.so: failed to map segment from shared object": (
        OutOfMemory,
        "Memory",
    ),
    "std::bad_alloc": (OutOfMemory, "Memory"),
    "ModuleNotFoundError: No module named 'onnxruntime_genai.models.quantized_model'": (
        ToolchainMissing,
        "each other",
    ),
    "ModuleNotFoundError: No module named 'requests'": (ToolchainMissing, "requests"),
    "NotImplementedError: The /models/x model is not currently supported.": (
        ModelRefused,
        "not supported",
    ),
    "ValueError: The checkpoint you are trying to load has model type `mamba9` but Transformers does not recognize": (
        ModelRefused,
        "mamba9",
    ),
    "ValueError: The repository /m contains custom code which must be executed": (
        ModelRefused,
        "code of its own",
    ),
    "SafetensorError: Error while deserializing header: incomplete metadata": (
        ModelRefused,
        "damaged",
    ),
    "RuntimeError: You set `ignore_mismatched_sizes` to `False`, thus raising an error. mismatched sizes": (
        ModelRefused,
        "shapes",
    ),
    "OSError: Can't load tokenizer for '/m'": (ModelRefused, "tokenizer"),
    "Unsupported tokenizer class: BertTokenizer": (ModelRefused, "BertTokenizer"),
    "RuntimeError: Unsupported model_type in config.json: phi9": (ToolchainMissing, "phi9"),
    "Fail: Type 'tensor(uint8)' of input parameter of operator (GatherBlockQuantized) is invalid": (
        ToolchainMissing,
        "operator",
    ),
    "LocalEntryNotFoundError: Cannot find the requested files in the disk cache": (
        ModelRefused,
        "offline",
    ),
    "The previous search group has no output models": (JobFailed, "without a reason"),
}


@pytest.mark.parametrize("message", sorted(SAID))
def test_known_messages_become_cause_and_next_step(message: str) -> None:
    kind, word = SAID[message]
    error = explain_text(message)
    assert type(error) is kind
    assert word in str(error)
    assert error.hint
    assert message.split(":")[0] in error.detail


def test_every_row_is_reached_by_a_message() -> None:
    reached = {str(explain_text(message)) for message in SAID}
    for row in FAILURES:
        start = row.cause.split("{0}")[0]
        assert any(text.startswith(start) for text in reached), row.cause


def test_cause_is_found_behind_the_exception_that_was_logged() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as below:
            raise RuntimeError("Pass failed") from below
    except RuntimeError as error:
        assert isinstance(explain(error), StateProblem)


def test_known_error_passes_through_and_unknown_is_named() -> None:
    refused = ModelRefused("No.", hint="Other.")
    assert explain(refused) is refused
    unknown = explain(KeyError("surprise\x1b[2J"))
    assert type(unknown) is JobFailed
    assert "surprise" in str(unknown)
    assert "\x1b" not in str(unknown) + unknown.detail
    assert "log" in unknown.hint


def test_silence_has_a_sentence_too() -> None:
    assert "--calibration none" not in explain(KeyError("surprise")).hint
    rounding = explain(KeyError("surprise"), calibrated=True)
    assert "--calibration none converts INT4 without the text" in rounding.hint
    assert "without a model" in str(explain(None))
    assert "--calibration none" not in explain(None).hint
    assert "--calibration none converts INT4" in explain(None, calibrated=True).hint
    full = explain(None, otherwise="No space left on device", calibrated=True)
    assert "--calibration none" not in full.hint
    assert "FP16 is not supported" in str(explain(None, otherwise="FP16 is not supported on CPU."))


def test_text_of_a_model_cannot_format_the_sentence() -> None:
    error = explain_text("No module named 'a'\x1b]52;c;x\x07 {0.__class__}")
    assert error is not None
    assert "\x1b" not in str(error) + error.detail
