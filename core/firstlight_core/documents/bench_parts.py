"""Parts of a benchmark's document beside its speeds: loads, energy, conditions, memory bandwidth, clients."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.figures import Figure, Spread, TailPercentiles
from firstlight_core.documents.inference import CountedBy


class LoadFigures(TypedDict, total=False):
    """Loading in a process of its own, with Python's libraries in the page cache each time."""

    cold_s: Figure
    """With the artifact's files out of the page cache; absent where that could not be brought about, or proven."""
    cold_unknown: str
    """Why there is no cold figure, as the end of a sentence."""
    warm_s: Figure
    """With its files in the page cache."""


class EnergyFigures(TypedDict):
    """The energy of all repetitions of a target, measured; idle power is in it."""

    source: Literal["processor", "battery"]
    """The counters of the processor's packages, or the battery that feeds the whole machine."""
    joules: float
    tokens: int
    """Tokens written."""
    joules_per_token: float


class BenchConditions(TypedDict, total=False):
    """Conditions of a measurement; what the system does not tell is absent."""

    slept_s: float
    """Seconds that it slept."""
    others_share: float
    """Share of all cores that other programs used, at most; absent where their load is not known."""
    throttled: bool
    """Whether the processor was slowed down, by heat or by its own limits."""
    clock_mhz: Spread
    """The clock of the fastest core after each measurement."""
    energy_unknown: str
    """Why there is no energy, as the end of a sentence."""


class MemoryBandwidth(TypedDict):
    """The memory bandwidth of the machine, measured before the benchmark in bytes a second."""

    triad_bytes_per_s: float
    read_bytes_per_s: float
    threads: int
    array_bytes: int
    """Of each of three arrays."""


class ClientsLevel(TypedDict):
    """Several clients at once: rates of all together, times of each."""

    clients: int
    requests: int
    errors: int
    error_rate: float
    seconds: float
    requests_per_s: NotRequired[float]
    tokens_per_s: NotRequired[float]
    counted_by: NotRequired[CountedBy]
    latency_s: NotRequired[TailPercentiles]
    ttft_s: NotRequired[TailPercentiles]
    client_p95_s: NotRequired[Spread]
    """The 95th percentile of each client's own answers, spread over the clients: whether all are served alike."""
    faults: NotRequired[dict[str, int]]
    """Sentence → how often."""
