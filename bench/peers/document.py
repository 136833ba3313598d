"""The document of `bench/results/peers.json`. Rates in tokens a second, times in seconds, sizes in bytes; every sample."""

from typing import NotRequired, TypedDict, cast

from bench.measuring import RESULTS
from firstlight_core.documents.measure import MachineDocument
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
    subject: str
    bytes: int


class Profile(TypedDict):
    """Share of the time of each kind of operator, from onnxruntime's profiler."""

    model: str
    subject: str
    phase: str
    shares: dict[str, float]


class PeersDocument(TypedDict):
    """All that was measured."""

    machine: MachineDocument
    llama_cpp: str
    """Package and version of its source."""
    runs: list[Run]
    drift_tests: list[DriftTest]
    sizes: list[Sizes]
    profiles: NotRequired[list[Profile]]


def load_document(machine: MachineDocument, llama_cpp: str) -> PeersDocument:
    """Return the stored document with the current machine, or an empty one."""
    empty: PeersDocument = {
        "machine": machine,
        "llama_cpp": llama_cpp,
        "runs": [],
        "drift_tests": [],
        "sizes": [],
    }
    if not RESULT.is_file():
        return empty
    stored = cast(PeersDocument, read_json_object(RESULT, limit=64 * 2**20))
    return {**stored, "machine": machine, "llama_cpp": llama_cpp}


def save_document(document: PeersDocument) -> None:
    """Write the document."""
    write_json(RESULT, document)


def valid_samples(run: Run, samples: list[float]) -> list[float]:
    """Return the samples of the rounds that are not void."""
    return [value for number, value in enumerate(samples) if number not in run["void_rounds"]]


def latest_run(document: PeersDocument, kind: str, model: str) -> Run | None:
    """Return the newest run of this kind that is not void; the newest void one where all are; None without any."""
    runs = [run for run in document["runs"] if run["kind"] == kind and run["model"] == model]
    valid = [run for run in runs if not run["void_reasons"]]
    return next(iter([*reversed(valid), *reversed(runs)]), None)
