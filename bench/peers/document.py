"""The document of `bench/results/peers.json`. Rates in tokens a second, times in seconds, sizes in bytes; every sample."""

from typing import NotRequired, TypedDict, cast

from bench.measuring import RESULTS
from bench.peers.machines import MeasuredMachine
from firstlight_core.files import read_json_object, write_json

RESULT = RESULTS / "peers.json"


class Samples(TypedDict):
    """All samples of one subject, by metric; samples of the same place were taken in the same round."""

    subject: str
    figures: dict[str, list[float]]


class Run(TypedDict):
    """One interleaved run on one model."""

    kind: str
    """`speed`, `parity`, `memory`, `making`, `lengths` or `sizes`."""
    model: str
    machine: str
    """Name of the machine, see `PeersDocument.machines`."""
    at: str
    load_average: list[float]
    void_reasons: list[str]
    """Sentences; figures of a run with any are worth nothing."""
    void_rounds: list[int]
    """Rounds beside which other programs were busy, or the machine slept; their samples stay here and count for nothing."""
    subjects: list[Samples]


class Drift(TypedDict):
    """KL against the original in float32 on the same tokens, for one subject."""

    subject: str
    kl_mean: float
    kl_interval: list[float]
    top1_agreement: float
    tokens: int


class DriftTest(TypedDict):
    """The drift of every subject on one model, and the time of Firstlight's own test of it."""

    model: str
    machine: str
    prompts: int
    drifts: list[Drift]
    whole_s: list[float]
    """The original's continuations computed anew, and the artifact compared with them, for each repeat."""
    forward_s: list[float]
    """The forward passes in it: the original's, and those of a bare loop over the same tokens."""
    void_reasons: list[str]


class Sizes(TypedDict):
    """Bytes on disk of what a subject needs to run."""

    model: str
    machine: str
    """Where it was made: two builds of one source differ by some bytes."""
    subject: str
    bytes: int


class Profile(TypedDict):
    """Share of the time of each kind of operator, from onnxruntime's profiler."""

    model: str
    machine: str
    subject: str
    phase: str
    shares: dict[str, float]


class PeersDocument(TypedDict):
    """All that was measured, on every machine."""

    machines: list[MeasuredMachine]
    runs: list[Run]
    drift_tests: list[DriftTest]
    sizes: list[Sizes]
    profiles: NotRequired[list[Profile]]


def load_document() -> PeersDocument:
    """Return the stored document, or an empty one."""
    if not RESULT.is_file():
        return {"machines": [], "runs": [], "drift_tests": [], "sizes": []}
    return cast(PeersDocument, read_json_object(RESULT, limit=64 * 2**20))


def save_document(document: PeersDocument) -> None:
    """Write the document."""
    write_json(RESULT, document)


def valid_samples(run: Run, samples: list[float]) -> list[float]:
    """Return the samples of the rounds that are not void."""
    return [value for number, value in enumerate(samples) if number not in run["void_rounds"]]


def latest_run(document: PeersDocument, kind: str, model: str, machine: str) -> Run | None:
    """Return a machine's newest run of this kind that is not void; the newest void one where all are; None without any."""
    runs = [run for run in _runs_on(document, kind, machine) if run["model"] == model]
    valid = [run for run in runs if not run["void_reasons"]]
    return next(iter([*reversed(valid), *reversed(runs)]), None)


def latest_of(
    document: PeersDocument, kind: str, machine: str, subject: str
) -> tuple[Run, Samples] | None:
    """Return a subject's samples of the newest run of any model that has them and is not void, else of a void one."""
    pairs = [
        (run, samples)
        for run in _runs_on(document, kind, machine)
        for samples in run["subjects"]
        if samples["subject"] == subject
    ]
    valid = [pair for pair in pairs if not pair[0]["void_reasons"]]
    return next(iter([*reversed(valid), *reversed(pairs)]), None)


def latest_drift(document: PeersDocument, model: str, machine: str) -> DriftTest | None:
    """Return a machine's newest test of drift."""
    tests = [
        test
        for test in document["drift_tests"]
        if (test["model"], test["machine"]) == (model, machine)
    ]
    return tests[-1] if tests else None


def _runs_on(document: PeersDocument, kind: str, machine: str) -> list[Run]:
    return [r for r in document["runs"] if (r["kind"], r["machine"]) == (kind, machine)]
