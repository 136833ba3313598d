"""The rounds of a benchmark: open a group of subjects, measure each in turns, ask servers by several clients."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.documents.bench_parts import ClientsLevel
from firstlight_core.documents.measure import BenchResult
from firstlight_core.errors import JobFailed
from firstlight_core.measure.load_test import measure_clients
from firstlight_core.measure.measurement_count import MeasurementCount
from firstlight_core.measure.server_subject import EndpointSubject
from firstlight_core.measure.subjects import ArtifactSubject, Subject
from firstlight_core.monitor import available_memory
from firstlight_core.process.events import Event, Stage

Listener = Callable[[Event], None]
Started = Callable[[int], None] | None


def artifact_of(subject: Subject) -> Artifact | None:
    """Return the artifact of a subject, None for a server."""
    return subject.artifact if isinstance(subject, ArtifactSubject) else None


def fit_together(subjects: Sequence[Subject]) -> bool:
    """Return whether all subjects can be in memory at the same time."""
    artifacts = [s for s in subjects if isinstance(s, ArtifactSubject)]
    return len(artifacts) < 2 or sum(s.least_bytes for s in artifacts) < available_memory()


async def open_group(
    group: Sequence[Subject],
    stack: AsyncExitStack,
    started: Started,
    tell: Listener,
    *,
    loads: int,
) -> None:
    """Open every subject until the stack is closed; before that, load each artifact `loads` times cold and warm."""
    for subject in group:
        if isinstance(subject, ArtifactSubject):
            await subject.measure_loads(loads, tell, started)
    # Servers first: they determine the number of words of a prompt, and artifacts get the same prompts.
    for subject in sorted(group, key=lambda s: not isinstance(s, EndpointSubject)):
        tell(Stage("load", f"Loading {subject.label}"))
        await subject.open(stack, started)


def processes_of(group: Sequence[Subject]) -> tuple[list[int], bool]:
    """Return the processes that work for the group, and whether these are all."""
    known = [subject.pids for subject in group]
    return [pid for pids in known for pid in pids or ()], None not in known


async def measure_group(
    group: Sequence[Subject],
    new_tokens: int,
    repeats: int,
    count: MeasurementCount,
    look: Callable[[], None],
) -> list[str]:
    """Measure every subject in turns, round by round; return sentences about lengths that were left out.

    Args:
        look: looks at the processor, right after each repetition.
    """
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
                    look()
                count.step(f"{subject.label}, {length} tokens")
    return [note for note in notes if note]


async def sweep_clients(
    server: EndpointSubject,
    levels: Sequence[int],
    new_tokens: int,
    repeats: int,
    count: MeasurementCount,
    sweep: list[ClientsLevel],
) -> None:
    """Measure one number of clients after another, and add each to `sweep`."""
    for level in levels:
        count.tell(Stage("clients", f"{level} client{'s' * (level != 1)} at once"))
        sweep.append(await measure_clients(server, level, new_tokens=new_tokens, repeats=repeats))
        count.step(f"{server.label}, {level} clients")


def result_of(subject: Subject, *, void: bool) -> BenchResult:
    """Return the result of a subject.

    Raises:
        JobFailed: a server answered nothing.
    """
    if isinstance(subject, EndpointSubject) and not any(subject.samples.values()):
        raise JobFailed(
            f"Every question to {subject.label} failed: {subject.faults[-1]}",
            hint="Look at the server's log, then measure again.",
        )
    result = subject.document()
    if subject.sweep:
        result["clients"] = subject.sweep
    if void:
        result["void"] = True
    return result


def partial_result(subject: Subject, *, void: bool) -> BenchResult:
    """Return the result of a subject whose measurement was stopped: only the prompt lengths that have figures."""
    result = result_of(subject, void=void)
    cases = zip(subject.lengths, result["cases"], strict=True)
    result["cases"] = [case for length, case in cases if subject.samples[length]]
    return result
