"""Measures artifacts and servers from this machine: load, TTFT, prefill and decode rate, memory; interleaved."""

import asyncio
import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import psutil

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.artifact.target import Target, find_target
from firstlight_core.documents.measure import (
    BenchDocument,
    BenchResult,
    ClientsLevel,
    MachineDocument,
)
from firstlight_core.environment.devices import processor_name
from firstlight_core.errors import JobFailed, UsageError
from firstlight_core.foundry.service import open_service
from firstlight_core.measure.busy_processes import wait_until_quiet
from firstlight_core.measure.interference import InterferenceWatch, others_seconds
from firstlight_core.measure.load_test import check_clients, measure_clients
from firstlight_core.measure.measurement_count import MeasurementCount
from firstlight_core.measure.overhead import overhead
from firstlight_core.measure.prompt_sizer import PromptSizer
from firstlight_core.measure.roofline import add_roofline, measure_bandwidth
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.measure.subjects import (
    ArtifactSubject,
    PairedArtifact,
    Subject,
)
from firstlight_core.monitor import available_memory
from firstlight_core.process.events import Event, Stage
from firstlight_core.text import bytes_text

LENGTHS = (32, 128, 512)
"""Prompt lengths in tokens."""
NEW_TOKENS = 32
REPEATS = 15
"""Enough that a slowdown of 5 % is found nine times in ten beside the noise of a virtual machine; see docs/history.md."""
FOUNDRY = "Foundry Local"
Listener = Callable[[Event], None]
Started = Callable[[int], None] | None


async def benchmark(
    targets: Sequence[str | Path | Target],
    *,
    lengths: Sequence[int] = LENGTHS,
    new_tokens: int = NEW_TOKENS,
    repeats: int = REPEATS,
    clients: Sequence[int] = (),
    through_foundry: bool = False,
    network: bool = False,
    on_event: Listener | None = None,
    started: Started = None,
    on_stopped: Callable[[BenchDocument], None] | None = None,
    wait_quiet: float | None = None,
    watch: InterferenceWatch | None = None,
) -> BenchDocument:
    """Measure every target at every prompt length, `repeats` times after one warm-up that is not counted.

    A prompt that does not fit is shortened, and `notes` says so.

    Args:
        clients: numbers of clients that ask every server at the same time, one sweep after another.
        through_foundry: each artifact is also served by Foundry Local and asked the same questions both ways, in
            turns; `overhead[]` has what the service adds, see `measure.overhead`.
        network: whether a server on another machine may be asked; only after an explicit yes.
        wait_quiet: seconds to wait at most until other programs leave the processor alone; None begins at once.
        on_stopped: takes the document of what was measured when the benchmark is cancelled, if anything was.

    Raises:
        UsageError: a number is out of range, or a target is none.
        CheckFailed: the machine did not become quiet in time.
        InputRefused: a target cannot be opened, or a server refuses.
        JobFailed: a server gave nothing that can be measured.
        JobDied: an engine died.
    """
    _check_numbers(targets, lengths, new_tokens, repeats)
    resolved = [find_target(target) for target in targets]
    levels = check_clients(clients)
    artifacts = [target for target in resolved if target.kind != "endpoint"]
    if through_foundry and not artifacts:
        raise UsageError(
            "Only an artifact can be measured through Foundry Local's service.",
            hint="Name an artifact folder or a deployed name.",
        )
    if levels and len(artifacts) == len(resolved) and not through_foundry:
        raise UsageError(
            "An artifact is asked by one client; several at once need a server.",
            hint="Name http://host:port/v1#model, or add --through-foundry.",
        )
    tell = on_event or (lambda event: None)
    watch = watch or InterferenceWatch()
    if wait_quiet is not None:
        await wait_until_quiet(wait_quiet, tell, load=others_seconds, ours={os.getpid()})
    notes: list[str] = []
    sweeps: dict[int, list[ClientsLevel]] = {}
    async with AsyncExitStack() as services:
        subjects: list[Subject] = []
        pairs: list[tuple[PairedArtifact, EndpointSubject]] = []
        for target in resolved:
            if target.kind == "endpoint":
                subjects.append(EndpointSubject(target, lengths, network=network))
            elif through_foundry:
                pairs.append(await _pair(target, lengths, new_tokens, services, tell))
                subjects += pairs[-1]
            else:
                subjects.append(ArtifactSubject(target, lengths, new_tokens))
        together = _fit_together(subjects)
        notes += [s.note for s in subjects if isinstance(s, ArtifactSubject) and s.note]
        if not together:
            notes.append(
                "The targets do not fit into memory together, so they were measured one after another."
            )
        document_of = partial(
            _document, lengths, new_tokens, repeats, together and len(subjects) > 1
        )
        groups = [subjects] if together or pairs else [[subject] for subject in subjects]
        bandwidth = await measure_bandwidth(map(_artifact, subjects), tell, started)
        count = MeasurementCount(subjects, repeats, levels, tell)
        try:
            for group in groups:
                async with AsyncExitStack() as stack:
                    await _open(group, stack, started, tell)
                    watch.begin(*_processes(group))
                    try:
                        notes += await _measure(group, new_tokens, repeats, count)
                        await _sweep(group, levels, new_tokens, repeats, count, sweeps)
                    finally:
                        watch.end()
        except asyncio.CancelledError:
            measured = [subject for subject in subjects if any(subject.samples.values())]
            if on_stopped is not None and measured:
                reasons = watch.notes()
                results = [_partial_result(s, sweeps, void=bool(reasons)) for s in measured]
                part = document_of(results, [*notes, count.stopped_words, *reasons], reasons)
                on_stopped({**part, "stopped": True})
            raise
        reasons = watch.notes()
        results = [_result(subject, sweeps, void=bool(reasons)) for subject in subjects]
        overheads = [overhead(*pair, name=FOUNDRY) for pair in pairs]
    notes += reasons
    if any(isinstance(subject, EndpointSubject) for subject in subjects):
        notes.append(
            "Servers are measured from outside, a new connection for every question; their answers end when they "
            "like, and their memory is not measured."
        )
    if overheads:
        notes.append(
            "Directly is timed from the prompt's tokens on; through the service the connection, the template and the "
            "tokenizer count too."
        )
    document = document_of(results, notes, reasons)
    if overheads:
        document["overhead"] = overheads
    add_roofline(document, map(_artifact, subjects), bandwidth)
    return document


def _document(
    lengths: Sequence[int],
    new_tokens: int,
    repeats: int,
    interleaved: bool,
    results: list[BenchResult],
    notes: list[str],
    reasons: list[str],
) -> BenchDocument:
    """Return the document of these results; `reasons` say why they are void."""
    return {
        "machine": machine(),
        "lengths": list(lengths),
        "new_tokens": new_tokens,
        "repeats": repeats,
        "interleaved": interleaved,
        "results": results,
        "notes": notes,
        "void": bool(reasons),
        "void_reasons": reasons,
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


async def _pair(
    target: Target,
    lengths: Sequence[int],
    new_tokens: int,
    services: AsyncExitStack,
    tell: Listener,
) -> tuple[PairedArtifact, EndpointSubject]:
    """Return an artifact and the service that serves it, which runs until `services` is closed."""
    sizer = PromptSizer()
    direct = PairedArtifact(target, lengths, new_tokens, sizer)
    tell(Stage("serve", f"Starting {FOUNDRY} with {target.label}"))
    service = await services.enter_async_context(open_service(target.text, on_event=tell))
    address = Target(
        kind="endpoint",
        text=f"{service.base_url}#{service.model}",
        base_url=service.base_url,
        model=service.model,
    )
    through = EndpointSubject(
        address, direct.lengths, sizer=sizer, like=direct, served_by=[service.pid]
    )
    return direct, through


def _artifact(subject: Subject) -> Artifact | None:
    return subject.artifact if isinstance(subject, ArtifactSubject) else None


def _fit_together(subjects: Sequence[Subject]) -> bool:
    artifacts = [s for s in subjects if isinstance(s, ArtifactSubject)]
    return len(artifacts) < 2 or sum(s.least_bytes for s in artifacts) < available_memory()


async def _open(
    group: Sequence[Subject], stack: AsyncExitStack, started: Started, tell: Listener
) -> None:
    # Servers first: they determine the number of words of a prompt, and artifacts get the same prompts.
    for subject in sorted(group, key=lambda s: not isinstance(s, EndpointSubject)):
        tell(Stage("load", f"Loading {subject.label}"))
        await subject.open(stack, started)


def _processes(group: Sequence[Subject]) -> tuple[list[int], bool]:
    """Return the processes that work for the group, and whether these are all."""
    known = [subject.pids for subject in group]
    return [pid for pids in known for pid in pids or ()], None not in known


async def _measure(
    group: Sequence[Subject], new_tokens: int, repeats: int, count: MeasurementCount
) -> list[str]:
    """Measure every subject in turns, round by round; return sentences about lengths that were left out."""
    count.begin()
    notes = []
    for repeat in range(repeats + 1):
        for length in sorted({length for subject in group for length in subject.lengths}):
            for subject in group:
                if length not in subject.lengths:
                    continue
                if repeat == 0:
                    notes.append(await subject.warm_up(length, new_tokens))
                else:
                    await subject.repeat(length, new_tokens, count.tell)
                count.step(f"{subject.label}, {length} tokens")
    return [note for note in notes if note]


async def _sweep(
    group: Sequence[Subject],
    levels: Sequence[int],
    new_tokens: int,
    repeats: int,
    count: MeasurementCount,
    sweeps: dict[int, list[ClientsLevel]],
) -> None:
    for subject in group:
        if isinstance(subject, EndpointSubject):
            for level in levels:
                count.tell(Stage("clients", f"{level} client{'s' * (level != 1)} at once"))
                measured = await measure_clients(
                    subject, level, new_tokens=new_tokens, repeats=repeats
                )
                sweeps.setdefault(id(subject), []).append(measured)
                count.step(f"{subject.label}, {level} clients")


def _result(subject: Subject, sweeps: dict[int, list[ClientsLevel]], *, void: bool) -> BenchResult:
    if isinstance(subject, EndpointSubject) and not any(subject.samples.values()):
        raise JobFailed(
            f"Every question to {subject.label} failed: {subject.faults[-1]}",
            hint="Look at the server's log, then measure again.",
        )
    result = subject.document()
    if sweep := sweeps.get(id(subject)):
        result["clients"] = sweep
    if void:
        result["void"] = True
    return result


def _partial_result(
    subject: Subject, sweeps: dict[int, list[ClientsLevel]], *, void: bool
) -> BenchResult:
    """The result of a subject whose measurement was stopped: only the prompt lengths that have figures."""
    result = _result(subject, sweeps, void=void)
    cases = zip(subject.lengths, result["cases"], strict=True)
    result["cases"] = [case for length, case in cases if subject.samples[length]]
    return result


def machine() -> MachineDocument:
    """Return what this machine is: processor, cores, memory, system, and the versions that decide speed."""
    versions = {}
    for name in ("onnxruntime", "onnxruntime-genai"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "cpu": processor_name(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
        "threads": psutil.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "memory": bytes_text(psutil.virtual_memory().total),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": versions,
    }
