"""Drift: how an artifact's predictions differ from the original's, token by token, on the user's prompts."""

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.conversion.plan import adapter_base
from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.events import Event, Progress, Stage
from firstlight_core.files import read_json_object, state_problem, sync_folder
from firstlight_core.measure.metrics import first_difference, mean, percentile, perplexity_ratio
from firstlight_core.model.fingerprint import fingerprint
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.own_files import own_files
from firstlight_core.paths import find_paths
from firstlight_core.runner import job_result
from firstlight_core.talk.engine import Engine
from firstlight_core.template.files import read_chat_template
from firstlight_core.text import bytes_text

CONTINUATION = 64
"""Tokens of the original's greedy continuation that are compared, for each prompt."""
EXACT_BYTES = 256 * 2**20
"""Above this, log-probabilities are kept as float16: likely tokens have small ones, which float16 holds well."""
WORST = 3
UNKNOWN_VOCAB = 200_000
"""Tokens that are reckoned with where config.json names no vocabulary."""
_FORMAT = 1
"""Part of the cache key; a change of the job's output makes old entries unfindable."""

Listener = Callable[[Event], None]
Conversation = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The original's continuations and where their log-probabilities lie."""

    rows: Path
    dtype: str
    vocab: int
    prompts: Sequence[Mapping[str, Any]]
    forward_s: float
    cached: bool


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
    """The reference of a source for these conversations, computed once and kept.

    A source without a chat template is asked with that of the folder `template`: a base model whose artifact was given one.

    Raises:
        ModelRefused: the source is no usable model.
        ToolchainMissing: transformers or torch is not installed.
        StateProblem: there is no room for the log-probabilities.
    """
    inspection = await asyncio.to_thread(inspect_model, source)
    base = adapter_base(source)
    marks = [await asyncio.to_thread(fingerprint, folder) for folder in (source, base) if folder]
    asked = [[dict(message) for message in messages] for messages in conversations]
    about: list[Any] = [_FORMAT, marks, asked, new_tokens]
    lacking = read_chat_template(own_files(source, base).template) is None
    lent = template if lacking and template is not None else None
    if lent is not None:
        about.append(await asyncio.to_thread(read_chat_template, lent))
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    folder = (cache if cache is not None else find_paths().reference) / key
    if (kept := await asyncio.to_thread(_read, folder, cached=True)) is not None:
        return kept
    request = {
        "source": str(source.absolute()),
        "base": str(base.absolute()) if base is not None else None,
        "conversations": asked,
        "new_tokens": new_tokens,
        "template_folder": str(lent.absolute()) if lent is not None else None,
    }
    vocab = int(inspection.to_json().get("vocab_size") or 0) or UNKNOWN_VOCAB
    await _compute(folder, request, vocab, on_event, started)
    fresh = await asyncio.to_thread(_read, folder, cached=False)
    if fresh is None:
        raise StateProblem("The reference could not be read back.", hint="Check the disk.")
    return fresh


async def _compute(
    folder: Path,
    request: dict[str, Any],
    vocab: int,
    on_event: Listener | None,
    started: Callable[[int], None] | None,
) -> None:
    """Run the job in a temporary folder beside the cache entry, which appears whole or not at all."""
    count = len(request["conversations"]) * int(request["new_tokens"]) * vocab
    dtype = "float32" if 4 * count <= EXACT_BYTES else "float16"
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if (needed := count * (4 if dtype == "float32" else 2)) > free:
            raise StateProblem(
                f"The reference needs up to {bytes_text(needed)} of disk; {bytes_text(free)} is free.",
                hint="Free some space, or use fewer prompts.",
            )
        temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        await job_result(
            "reference",
            {
                **request,
                "rows": str(temporary / "rows.bin"),
                "described": str(temporary / "reference.json"),
                "dtype": dtype,
            },
            on_event=on_event,
            started=started,
        )
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise state_problem(error, folder) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _read(folder: Path, *, cached: bool) -> Reference | None:
    """A cache entry; None when there is none, or when it is damaged, which costs a computation and no more."""
    try:
        described = read_json_object(folder / "reference.json", limit=64 * 2**20)
        found = Reference(
            rows=folder / "rows.bin",
            dtype=str(described["dtype"]),
            vocab=int(described["vocab"]),
            prompts=list(described["prompts"]),
            forward_s=float(described["forward_s"]),
            cached=cached,
        )
        rows = sum(len(p["ids"]) - int(p["prompt_tokens"]) for p in found.prompts)
        width = {"float32": 4, "float16": 2}[found.dtype]
        whole = found.rows.stat().st_size == rows * found.vocab * width
    except (InputRefused, KeyError, TypeError, ValueError, OSError):
        return None
    return found if whole else None


async def measure_drift(
    engine: Engine,
    reference: Reference,
    conversations: Sequence[Conversation],
    *,
    on_event: Listener | None = None,
) -> dict[str, Any]:
    """The drift document: top1_agreement, kl_mean, kl_p95 (nats), perplexity_ratio, first_divergence, worst[3].

    Everything is measured on the tokens of the original's greedy continuations, teacher-forced. `prompts_equal` counts
    the prompts that the artifact's own tokenizer and template turn into the very same tokens.

    Raises:
        CheckFailed: the artifact computes numbers that are not finite.
        JobDied: the engine died.
    """
    tell = on_event or (lambda event: None)
    tell(Stage("drift", "Comparing with the original"))
    rows: list[dict[str, Any]] = []
    skipped = equal = 0
    for number, (entry, messages) in enumerate(zip(reference.prompts, conversations, strict=True)):
        start = int(entry["prompt_tokens"])
        try:
            scored = await engine.request(
                "compare",
                ids=entry["ids"],
                prompt_tokens=start,
                first_row=entry["first_row"],
                rows=str(reference.rows),
                dtype=reference.dtype,
                vocab=reference.vocab,
            )
        except InputRefused:
            skipped += 1
            continue
        own = await engine.render(messages)
        equal += own["ids"] == entry["ids"][:start]
        rows.append({**scored, "messages": messages, "entry": entry})
        tell(Progress(number + 1, len(reference.prompts), "prompts"))
    return await _document(engine, reference, rows, skipped=skipped, equal=equal)


async def _document(
    engine: Engine,
    reference: Reference,
    rows: Sequence[dict[str, Any]],
    *,
    skipped: int,
    equal: int,
) -> dict[str, Any]:
    scored = [row for row in rows if row["kl"]]
    if not scored:
        raise InputRefused(
            "None of the prompts fits into the artifact's context, so there is no drift to measure.",
            hint="Use shorter prompts.",
        )
    kl = [value for row in scored for value in row["kl"]]
    agree = [value for row in scored for value in row["agree"]]
    diverged = [position for row in scored if (position := _divergence(row)) is not None]
    worst = sorted(scored, key=lambda row: mean(row["kl"]), reverse=True)[:WORST]
    return {
        "top1_agreement": sum(agree) / len(agree),
        "kl_mean": mean(kl),
        "kl_p95": percentile(kl, 95),
        "perplexity_ratio": perplexity_ratio(
            [value for row in scored for value in row["logprob"]],
            [value for row in scored for value in row["reference"]],
        ),
        "tokens": len(kl),
        "prompts": len(scored),
        "prompts_equal": equal,
        "prompts_skipped": skipped,
        "prompts_diverged": len(diverged),
        "first_divergence": min(diverged) if diverged else None,
        "reference_cached": reference.cached,
        "worst": [await _example(engine, row) for row in worst],
    }


def _divergence(row: Mapping[str, Any]) -> int | None:
    """Index of the first token of the continuation that the artifact would not have chosen."""
    return next((index for index, same in enumerate(row["agree"]) if not same), None)


async def _example(engine: Engine, row: Mapping[str, Any]) -> dict[str, Any]:
    """One prompt side by side: what the original said, what the artifact says."""
    entry = row["entry"]
    continuation = entry["ids"][int(entry["prompt_tokens"]) :]
    own = await engine.answer(row["messages"], greedy=True, max_tokens=len(continuation))
    return {
        "prompt": row["messages"][-1]["content"],
        "kl_mean": mean(row["kl"]),
        "original": entry["text"],
        "artifact": own["text"],
        "first_divergence": _divergence(row),
        "texts_differ_at": first_difference(entry["text"], own["text"]),
    }
