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

from firstlight_core.artifact.target import Target, find_target
from firstlight_core.documents.measure import BenchDocument, BenchResult, MachineDocument
from firstlight_core.environment.devices import processor_name
from firstlight_core.errors import UsageError
from firstlight_core.foundry.service import open_service
from firstlight_core.measure.busy_processes import wait_until_quiet
from firstlight_core.measure.energy import EnergyLog
from firstlight_core.measure.interference import InterferenceWatch, others_seconds
from firstlight_core.measure.load_test import check_clients
from firstlight_core.measure.load_times import LOADS
from firstlight_core.measure.measurement_count import MeasurementCount
from firstlight_core.measure.overhead import overhead
from firstlight_core.measure.prompt_sizer import PromptSizer
from firstlight_core.measure.roofline import measure_roofline
from firstlight_core.measure.rounds import (
    Listener,
    Started,
    artifact_of,
    fit_together,
    measure_group,
    open_group,
    partial_result,
    processes_of,
    result_of,
    sweep_clients,
)
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.measure.subjects import ArtifactSubject, PairedArtifact, Subject
from firstlight_core.process.events import Stage
from firstlight_core.sensors import EnergyMeter, find_energy_meter
from firstlight_core.text import bytes_text

LENGTHS = (32, 128, 512)
"""Prompt lengths in tokens."""
NEW_TOKENS = 32
REPEATS = 15
"""Enough that a slowdown of 5 % is found nine times in ten beside the noise of a virtual machine; see docs/history.md."""
FOUNDRY = "Foundry Local"
MOST_LOADS = 100


async def benchmark(
    targets: Sequence[str | Path | Target],
    *,
    lengths: Sequence[int] = LENGTHS,
    new_tokens: int = NEW_TOKENS,
    repeats: int = REPEATS,
    clients: Sequence[int] = (),
    through_foundry: bool = False,
    network: bool = False,
    loads: int = LOADS,
    on_event: Listener | None = None,
    started: Started = None,
    on_stopped: Callable[[BenchDocument], None] | None = None,
    wait_quiet: float | None = None,
    watch: InterferenceWatch | None = None,
) -> BenchDocument:
    """Measure every target at every prompt length, `repeats` times after one warm-up that is not counted.

    A prompt that does not fit is shortened, and `notes` says so.

    Args:
        clients: numbers of clients that ask every server at the same time, one sweep after another; an artifact is
            served by Foundry Local for it.
        through_foundry: each artifact is also served by Foundry Local and asked the same questions both ways, in
            turns; `overhead[]` has what the service adds, see `measure.overhead`.
        network: whether a server on another machine may be asked; only after an explicit yes.
        loads: how often each artifact is loaded cold and warm before it is measured; 0 loads it once.
        wait_quiet: seconds to wait at most until other programs leave the processor alone; None begins at once.
        on_stopped: takes the document of what was measured when the benchmark is cancelled, if anything was.

    Raises:
        UsageError: a number is out of range, or a target is none.
        CheckFailed: the machine did not become quiet in time.
        InputRefused: a target cannot be opened, or a server refuses.
        JobFailed: a server gave nothing that can be measured.
        JobDied: an engine died.
    """
    _check_numbers(targets, lengths, new_tokens, repeats, loads)
    resolved = [find_target(target) for target in targets]
    levels = check_clients(clients)
    artifacts = [target for target in resolved if target.kind != "endpoint"]
    if through_foundry and not artifacts:
        raise UsageError(
            "Only an artifact can be measured through Foundry Local's service.",
            hint="Name an artifact folder or a deployed name.",
        )
    tell = on_event or (lambda event: None)
    watch = watch or InterferenceWatch()
    if wait_quiet is not None:
        await wait_until_quiet(wait_quiet, tell, load=others_seconds, ours={os.getpid()})
    notes: list[str] = []
    async with AsyncExitStack() as services:
        subjects, pairs = await _subjects(
            resolved, lengths, new_tokens, network, through_foundry, services, tell
        )
        together = fit_together(subjects)
        notes += [s.note for s in subjects if isinstance(s, ArtifactSubject) and s.note]
        if not together:
            notes.append(
                "The targets do not fit into memory together, so they were measured one after another."
            )
        meter = _give_meter(subjects)
        interleaved = together and len(subjects) > 1
        document_of = partial(_document, lengths, new_tokens, repeats, interleaved, meter)
        groups = [subjects] if together or pairs else [[subject] for subject in subjects]
        roofline = await measure_roofline(map(artifact_of, subjects), tell, started)
        count = MeasurementCount(subjects, repeats, levels, tell)
        try:
            for group in groups:
                async with AsyncExitStack() as stack:
                    await open_group(group, stack, started, tell, loads=loads)
                    watch.begin(*processes_of(group))
                    try:
                        notes += await measure_group(group, new_tokens, repeats, count, watch.look)
                        for server in group:
                            if isinstance(server, EndpointSubject):
                                await sweep_clients(
                                    server, levels, new_tokens, repeats, count, server.sweep
                                )
                    finally:
                        watch.end()
            if levels and not pairs:
                await _sweep_served(subjects, levels, new_tokens, repeats, count, watch)
        except asyncio.CancelledError:
            measured = [subject for subject in subjects if any(subject.samples.values())]
            if on_stopped is not None and measured:
                results = [partial_result(s, void=bool(watch.notes())) for s in measured]
                part = document_of(results, [*notes, count.stopped_words, *watch.notes()], watch)
                part["stopped"] = True
                roofline.add(part, map(artifact_of, measured))
                on_stopped(part)
            raise
        results = [result_of(subject, void=bool(watch.notes())) for subject in subjects]
        overheads = [overhead(*pair, name=FOUNDRY) for pair in pairs]
    notes += [*watch.notes(), *_notes_on_services(subjects, bool(pairs), bool(levels))]
    document = document_of(results, notes, watch)
    if overheads:
        document["overhead"] = overheads
    roofline.add(document, map(artifact_of, subjects))
    return document


async def _subjects(
    targets: Sequence[Target],
    lengths: Sequence[int],
    new_tokens: int,
    network: bool,
    through_foundry: bool,
    services: AsyncExitStack,
    tell: Listener,
) -> tuple[list[Subject], list[tuple[PairedArtifact, EndpointSubject]]]:
    """Return what is measured, and which two of it are an artifact and its service."""
    subjects: list[Subject] = []
    pairs: list[tuple[PairedArtifact, EndpointSubject]] = []
    for target in targets:
        if target.kind == "endpoint":
            subjects.append(EndpointSubject(target, lengths, network=network))
        elif through_foundry:
            pairs.append(await _pair(target, lengths, new_tokens, services, tell))
            subjects += pairs[-1]
        else:
            subjects.append(ArtifactSubject(target, lengths, new_tokens))
    return subjects, pairs


def _give_meter(subjects: Sequence[Subject]) -> EnergyMeter | str:
    """Let every artifact log its energy; return the meter, or why there is none."""
    meter = find_energy_meter()
    for subject in subjects:
        if isinstance(subject, ArtifactSubject) and isinstance(meter, EnergyMeter):
            subject.energy = EnergyLog(meter)
    return meter


def _notes_on_services(subjects: Sequence[Subject], paired: bool, clients: bool) -> list[str]:
    notes = []
    if any(isinstance(subject, EndpointSubject) for subject in subjects):
        notes.append(
            "Servers are measured from outside, a new connection for every question; their answers end when they "
            "like, and their memory is not measured."
        )
    if paired:
        notes.append(
            "Directly is timed from the prompt's tokens on; through the service the connection, the template and the "
            "tokenizer count too."
        )
    elif clients and any(isinstance(subject, ArtifactSubject) for subject in subjects):
        notes.append(f"Several clients asked an artifact through {FOUNDRY}'s service.")
    return notes


def _document(
    lengths: Sequence[int],
    new_tokens: int,
    repeats: int,
    interleaved: bool,
    meter: EnergyMeter | str,
    results: list[BenchResult],
    notes: list[str],
    watch: InterferenceWatch,
) -> BenchDocument:
    """Return the document of these results; `watch` says what the machine did, and why they are void."""
    conditions, reasons = watch.conditions(), watch.notes()
    if isinstance(meter, str):
        conditions["energy_unknown"] = meter
    elif not any("energy" in result for result in results):
        conditions["energy_unknown"] = (
            f"too little was measured for the steps of the {meter.source}'s counter"
        )
    return {
        "machine": machine(),
        "lengths": list(lengths),
        "new_tokens": new_tokens,
        "repeats": repeats,
        "interleaved": interleaved,
        "results": results,
        "conditions": conditions,
        "notes": notes,
        "void": bool(reasons),
        "void_reasons": reasons,
    }


def _check_numbers(
    targets: Sequence[str | Path | Target],
    lengths: Sequence[int],
    new_tokens: int,
    repeats: int,
    loads: int,
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
    if not 0 <= loads <= MOST_LOADS:
        raise UsageError(f"The number of loads must lie between 0 and {MOST_LOADS}.")
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
    address, pid = await _serve(target, services, tell)
    return direct, EndpointSubject(
        address, direct.lengths, sizer=sizer, like=direct, served_by=[pid]
    )


async def _serve(target: Target, services: AsyncExitStack, tell: Listener) -> tuple[Target, int]:
    """Return address and process of a service of an artifact, which runs until `services` is closed."""
    tell(Stage("serve", f"Starting {FOUNDRY} with {target.label}"))
    service = await services.enter_async_context(open_service(target.text, on_event=tell))
    text = f"{service.base_url}#{service.model}"
    address = Target(kind="endpoint", text=text, base_url=service.base_url, model=service.model)
    return address, service.pid


async def _sweep_served(
    subjects: Sequence[Subject],
    levels: Sequence[int],
    new_tokens: int,
    repeats: int,
    count: MeasurementCount,
    watch: InterferenceWatch,
) -> None:
    """Ask each artifact by several clients through the service, which alone is in memory then."""
    for subject in subjects:
        if not isinstance(subject, ArtifactSubject):
            continue
        async with AsyncExitStack() as stack:
            address, pid = await _serve(subject.target, stack, count.tell)
            server = EndpointSubject(address, subject.lengths[:1], served_by=[pid])
            await server.open(stack, None)
            watch.begin(*processes_of([server]))
            try:
                await sweep_clients(server, levels, new_tokens, repeats, count, subject.sweep)
            finally:
                watch.end()


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
