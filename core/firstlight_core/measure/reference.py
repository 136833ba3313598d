"""The original's side of drift: its greedy continuations of prompts, or its reading of a text, computed once and kept."""

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.documents.jobs_reference import (
    REFERENCE,
    Passage,
    ReferenceDescription,
    ReferenceRequest,
    ReferenceSubject,
)
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.files import (
    patiently,
    read_json_object,
    read_limited,
    state_problem,
    sync_folder,
)
from firstlight_core.model.adapter import adapter_base
from firstlight_core.model.fingerprint import fingerprint
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.own_files import own_files
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event
from firstlight_core.process.runner import job_result
from firstlight_core.text import bytes_text, shown_path

CONTINUATION = 64
"""Tokens of the original's greedy continuation that are compared, for each prompt."""
STRETCH = 128
"""Tokens of one stretch of the user's text, at most: each is read on its own, so the context grows from nothing to this."""
STRETCHES = 8
"""Stretches that are compared, spread evenly over the text; the interval of their figures comes from how they differ."""
TEXT_LIMIT = 16 * 2**20
UNKNOWN_VOCAB = 200_000
"""Tokens that are reckoned with where config.json names no vocabulary."""
_FORMAT = 2
"""Part of the cache key; a change of the job's output makes old entries unfindable."""

Listener = Callable[[Event], None]
Conversation = Sequence[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The original's continuations, and the file of its logits."""

    rows: Path
    vocab: int
    prompts: Sequence[Passage]
    """One a prompt or stretch."""
    text_tokens: int
    """Tokens of the whole text that the stretches were taken from; 0 for prompts."""
    forward_s: float
    cached: bool


def lacks_template(source: Path) -> bool:
    """Return whether a source, adapter or not, has no chat template to ask it with."""
    return read_chat_template(own_files(source, adapter_base(source)).template) is None


async def find_reference(
    source: Path,
    conversations: Sequence[Conversation],
    *,
    new_tokens: int = CONTINUATION,
    template: Path | None = None,
    on_event: Listener | None = None,
    started: Callable[[int], None] | None = None,
    cache: Path | None = None,
) -> Reference:
    """Return the original's greedy continuation of each conversation.

    A source without a chat template is asked with that of the folder `template`: a base model whose artifact was given one.

    Raises:
        ModelRefused: the source is no usable model.
        ToolchainMissing: transformers or torch is not installed.
        StateProblem: there is no room for the logits.
    """
    lacking = lacks_template(source)
    subject: ReferenceSubject = {
        "conversations": [list(messages) for messages in conversations],
        "new_tokens": new_tokens,
    }
    if lacking and template is not None:
        subject["template_folder"] = str(template.absolute())
    return await _find(
        source,
        subject,
        len(conversations) * new_tokens,
        on_event=on_event,
        started=started,
        cache=cache,
    )


async def read_text(
    source: Path,
    text: str,
    *,
    on_event: Listener | None = None,
    started: Callable[[int], None] | None = None,
    cache: Path | None = None,
) -> Reference:
    """Return the original's prediction of each token of a text, in at most `STRETCHES` stretches of `STRETCH` tokens.

    Raises:
        InputRefused: the text is too short to predict anything of it.
        FirstlightError: as `find_reference`.
    """
    reading = await _find(
        source,
        {"text": text, "width": STRETCH, "count": STRETCHES},
        STRETCHES * STRETCH,
        on_event=on_event,
        started=started,
        cache=cache,
    )
    if not reading.prompts:
        raise InputRefused(
            "The text has fewer than two tokens, so nothing of it can be predicted.",
            hint="Give a text of a few hundred words.",
        )
    return reading


def load_text(path: Path) -> str:
    """Return the user's own text, from a UTF-8 file.

    Raises:
        InputRefused: it cannot be read, is no UTF-8 text, or is empty.
    """
    if not path.is_file():
        raise InputRefused(
            f"There is no text file {shown_path(path)}.", hint="Name a text file, or leave it out."
        )
    try:
        text = read_limited(path, limit=TEXT_LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(
            f"{shown_path(path)} is not UTF-8 text.", hint="Save it as UTF-8."
        ) from error
    if not text.strip() or "\0" in text:
        what = "is empty" if not text.strip() else "holds a NUL character, so it is no text"
        raise InputRefused(
            f"{shown_path(path)} {what}.", hint="Give a text file of a few hundred words."
        )
    return text.replace("\r\n", "\n")


async def _find(
    source: Path,
    subject: ReferenceSubject,
    tokens: int,
    *,
    on_event: Listener | None,
    started: Callable[[int], None] | None,
    cache: Path | None,
) -> Reference:
    inspection = await asyncio.to_thread(inspect_model, source)
    base = adapter_base(source)
    marks = [await asyncio.to_thread(fingerprint, folder) for folder in (source, base) if folder]
    about: dict[str, object] = {**subject}
    if "template_folder" in subject:
        # The text of the template, so that its place does not matter.
        folder = Path(subject["template_folder"])
        about["template_folder"] = await asyncio.to_thread(read_chat_template, folder)
    key = hashlib.sha256(json.dumps([_FORMAT, marks, about]).encode()).hexdigest()[:32]
    entry = (cache if cache is not None else find_paths().reference) / key
    if (cached := await asyncio.to_thread(_read, entry, cached=True)) is not None:
        return cached
    request: ReferenceRequest = {
        "source": str(source.absolute()),
        "base": str(base.absolute()) if base is not None else None,
        "rows": "",
        "described": "",
        **subject,
    }
    vocab = int(inspection.to_json().get("vocab_size") or 0) or UNKNOWN_VOCAB
    await _compute(entry, request, 4 * tokens * vocab, on_event, started)
    fresh = await asyncio.to_thread(_read, entry, cached=False)
    if fresh is None:
        raise StateProblem("The reference could not be read back.", hint="Check the disk.")
    return fresh


async def _compute(
    folder: Path,
    request: ReferenceRequest,
    needed: int,
    on_event: Listener | None,
    started: Callable[[int], None] | None,
) -> None:
    """Run the job in a temporary folder beside the cache entry, which appears whole or not at all; `needed`: bytes at most."""
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if needed > free:
            raise StateProblem(
                f"The reference needs up to {bytes_text(needed)} of disk; {bytes_text(free)} is free.",
                hint="Free some space, or use fewer prompts.",
            )
        temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        request["rows"] = str(temporary / "rows.bin")
        request["described"] = str(temporary / "reference.json")
        await job_result(REFERENCE, request, on_event=on_event, started=started)
        shutil.rmtree(folder, ignore_errors=True)
        ready = temporary
        patiently(lambda: ready.rename(folder))
        sync_folder(folder.parent)
    except OSError as error:
        raise state_problem(error, folder) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _read(folder: Path, *, cached: bool) -> Reference | None:
    """Read a cache entry; None when it is missing or damaged, which only costs a computation."""
    try:
        described = cast(
            ReferenceDescription, read_json_object(folder / "reference.json", limit=64 * 2**20)
        )
        reference = Reference(
            rows=folder / "rows.bin",
            vocab=int(described["vocab"]),
            prompts=list(described["prompts"]),
            text_tokens=int(described.get("text_tokens", 0)),
            forward_s=float(described["forward_s"]),
            cached=cached,
        )
        rows = sum(len(p["ids"]) - int(p["prompt_tokens"]) for p in reference.prompts)
        whole = reference.rows.stat().st_size == rows * reference.vocab * 4
    except (InputRefused, KeyError, TypeError, ValueError, OSError):
        return None
    return reference if whole else None
