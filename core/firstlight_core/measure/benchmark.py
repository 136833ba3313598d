"""Measures artifacts on this machine: load, TTFT, prefill and decode rate, memory, processor; interleaved."""

import contextlib
import importlib.metadata
import platform
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.events import Event, Measured, Progress, Stage
from firstlight_core.measure.disturbance import Watch
from firstlight_core.measure.metrics import percentile, spread
from firstlight_core.monitor import available_memory
from firstlight_core.talk.artifacts import (
    Artifact,
    Target,
    artifact_folder,
    check_artifact,
    find_target,
)
from firstlight_core.talk.engine import Engine, open_engine
from firstlight_core.text import bytes_text, one_line

LENGTHS = (32, 128, 512)
"""Prompt lengths in tokens."""
NEW_TOKENS = 32
REPEATS = 5
Listener = Callable[[Event], None]


@dataclass(slots=True)
class _Subject:
    """One target while it is measured."""

    target: Target
    artifact: Artifact
    lengths: list[int]
    max_length: int
    engine: Engine | None = None
    loaded: dict[str, Any] = field(default_factory=dict)
    samples: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    peak: int = 0


async def benchmark(
    targets: Sequence[str | Path | Target],
    *,
    lengths: Sequence[int] = LENGTHS,
    new_tokens: int = NEW_TOKENS,
    repeats: int = REPEATS,
    on_event: Listener | None = None,
    started: Callable[[int], None] | None = None,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Measure every target at every prompt length, `repeats` times after one warm-up that is not counted.

    Returns the document of SPEC 2: machine, new_tokens, repeats, results[] {target, folder, precision, load_s, cases[],
    rss_bytes, cpu_percent}, notes[], void. Rates in tokens a second, times in seconds, sizes in bytes; each figure
    with median, min and max. A prompt that does not fit is shortened, and `notes` says so.

    Raises:
        UsageError: a number is out of range, or a target is none.
        InputRefused: a target cannot be opened.
        JobDied: an engine died.
    """
    _check_numbers(targets, lengths, new_tokens, repeats)
    tell = on_event or (lambda event: None)
    notes: list[str] = []
    subjects = [_subject(target, lengths, new_tokens, notes) for target in targets]
    together = _fit_together(subjects)
    if not together:
        notes.append(
            "The targets do not fit into memory together, so they were measured one after another."
        )
    watch = watch or Watch()
    groups = [subjects] if together else [[subject] for subject in subjects]
    total = sum(len(subject.lengths) for subject in subjects) * (repeats + 1)
    count = _Count(total, tell)
    for group in groups:
        await _measure_group(group, new_tokens, repeats, count, watch, started)
    notes += watch.notes()
    return {
        "machine": machine(),
        "lengths": list(lengths),
        "new_tokens": new_tokens,
        "repeats": repeats,
        "interleaved": together and len(subjects) > 1,
        "results": [_result(subject) for subject in subjects],
        "notes": notes,
        "void": bool(watch.notes()),
    }


def _check_numbers(
    targets: Sequence[str | Path | Target], lengths: Sequence[int], new_tokens: int, repeats: int
) -> None:
    if not targets:
        raise UsageError("There is nothing to measure.", hint="Name at least one target.")
    for name, values, high in (
        ("prompt length", lengths, 1_000_000),
        ("number of new tokens", [new_tokens], 100_000),
        ("number of repeats", [repeats], 1_000),
    ):
        if not values or any(not 1 <= value <= high for value in values):
            raise UsageError(f"The {name} must lie between 1 and {high}.")
    if new_tokens < 2:
        raise UsageError("A decode rate needs at least 2 new tokens.")


def _subject(
    target: str | Path | Target, lengths: Sequence[int], new_tokens: int, notes: list[str]
) -> _Subject:
    found = find_target(target)
    artifact = check_artifact(artifact_folder(found))
    room = artifact.context_length - new_tokens
    if room < 1:
        raise InputRefused(
            f"{found.label} has a context of {artifact.context_length} tokens; {new_tokens} new ones leave no prompt.",
            hint="Ask for fewer new tokens.",
        )
    fitting = sorted({min(length, room) for length in lengths})
    if too_long := [length for length in lengths if length > room]:
        notes.append(
            f"{found.label}: prompts of {', '.join(map(str, too_long))} tokens were shortened to {room}, "
            f"which is what a context of {artifact.context_length} holds."
        )
    return _Subject(found, artifact, fitting, fitting[-1] + new_tokens)


def _fit_together(subjects: Sequence[_Subject]) -> bool:
    if len(subjects) == 1:
        return True
    # Weights are held about twice while they are repacked for the processor.
    needed = sum(
        2 * s.artifact.bytes + s.artifact.kv_bytes_per_token * s.max_length for s in subjects
    )
    return needed < available_memory()


class _Count:
    """Tells how many of all measurements are done."""

    def __init__(self, total: int, tell: Listener) -> None:
        self.tell = tell
        self._done = 0
        self._total = total

    def step(self, note: str) -> None:
        self._done += 1
        self.tell(Progress(self._done, self._total, "measurements", note))


async def _measure_group(
    group: Sequence[_Subject],
    new_tokens: int,
    repeats: int,
    count: _Count,
    watch: Watch,
    started: Callable[[int], None] | None,
) -> None:
    async with AsyncExitStack() as stack:
        for subject in group:
            count.tell(Stage("load", f"Loading {subject.target.label}"))
            subject.engine = await stack.enter_async_context(
                open_engine(subject.artifact.folder, max_length=subject.max_length, started=started)
            )
            subject.loaded = subject.engine.loaded
        count.tell(Stage("measure", "Measuring"))
        watch.begin([s.engine.pid for s in group if s.engine is not None])
        cases = sorted({length for subject in group for length in subject.lengths})
        for repeat in range(repeats + 1):
            for length in cases:
                for subject in group:
                    if length in subject.lengths:
                        await _measure(
                            subject, length, new_tokens, warm_up=repeat == 0, tell=count.tell
                        )
                        count.step(f"{subject.target.label}, {length} tokens")
        watch.end()


async def _measure(
    subject: _Subject, length: int, new_tokens: int, *, warm_up: bool, tell: Listener
) -> None:
    assert subject.engine is not None
    sample = await subject.engine.request("measure", prompt_tokens=length, new_tokens=new_tokens)
    subject.peak = max(subject.peak, int(sample["rss_bytes"]["peak"]))
    if warm_up:
        return
    subject.samples.setdefault(length, []).append(sample)
    for name, unit in (("ttft_s", "s"), ("decode_tps", "tokens/s"), ("prefill_tps", "tokens/s")):
        if name in sample:
            tell(Measured(name, sample[name], unit))
    tell(Measured("rss_bytes", float(sample["rss_bytes"]["now"]), "bytes"))
    tell(Measured("cpu_percent", _cpu_percent([sample]), "%"))


def _cpu_percent(samples: Sequence[dict[str, Any]]) -> float:
    """Processor time of the engine over wall time, in percent of all cores."""
    wall = sum(sample["total_s"] for sample in samples)
    spent = sum(sample["cpu_s"] for sample in samples)
    return 100 * spent / wall / (psutil.cpu_count() or 1) if wall > 0 else 0.0


def _result(subject: _Subject) -> dict[str, Any]:
    everything = [sample for samples in subject.samples.values() for sample in samples]
    precision = subject.artifact.precision
    return {
        "target": subject.target.text,
        "label": subject.target.label,
        "folder": str(subject.artifact.folder),
        **({"precision": precision} if precision else {}),
        "bytes": subject.artifact.bytes,
        "load_s": subject.loaded["load_s"],
        "context": subject.max_length,
        "cases": [_case(length, subject.samples[length]) for length in subject.lengths],
        "rss_bytes": {
            "baseline": subject.loaded["rss_bytes"]["baseline"],
            "loaded": subject.loaded["rss_bytes"]["loaded"],
            "peak": subject.peak,
        },
        "cpu_percent": _cpu_percent(everything),
    }


def _case(length: int, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in ("ttft_s", "prefill_tps", "decode_tps", "total_s"):
        values = [sample[name] for sample in samples if name in sample]
        if values:
            figures[name] = {**spread(values), "samples": values}
    totals = [sample["total_s"] for sample in samples]
    return {
        "prompt_tokens": length,
        "new_tokens": samples[0]["new_tokens"],
        **figures,
        "latency_s": {"p50": percentile(totals, 50), "p95": percentile(totals, 95)},
    }


def machine() -> dict[str, Any]:
    """What was measured on: processor, cores, memory, system, and the versions that decide speed."""
    versions = {}
    for name in ("onnxruntime", "onnxruntime-genai"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
        "threads": psutil.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "memory": bytes_text(psutil.virtual_memory().total),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return one_line(line.partition(":")[2], 80)
    return one_line(platform.processor() or platform.machine(), 80)
