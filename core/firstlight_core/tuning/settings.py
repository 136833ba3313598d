"""The settings of tuning: threads of onnxruntime, and blocks and algorithm of the quantiser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from firstlight_core.documents.tuning import BuildSettings, ThreadSettings
from firstlight_core.environment.machine import core_count
from firstlight_core.inference.session_options import (
    ALLOW_SPINNING,
    INTRA_OP_THREADS,
    SPIN_DURATION,
    SPIN_MICROSECONDS,
    usable_threads,
)
from firstlight_core.precision.options import options_for
from firstlight_core.precision.table import Precision

SPINS = (SPIN_MICROSECONDS, 0, 1_000)
"""Microseconds that an idle thread stays awake; a millisecond is onnxruntime's own, 0 lets it sleep at once."""
BLOCKS = (32, 64, 128)
"""Weights that share a scale. Smaller blocks than the builder's 32 are larger files and more arithmetic."""
HEADS = {"k_quant": "4-bit head", "k_quant_last": "8-bit head"}
"""The algorithm of a calibrated row in words: it is that of the output head alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """How onnxruntime uses the processor: its intra-op threads, and for how long an idle one stays awake."""

    count: int | None
    """0: onnxruntime counts the cores, and binds a thread to each. None: no setting, as in what Olive makes, and
    onnxruntime-genai chooses (0.18: one thread on two virtual cores)."""
    spin_us: int | None = None
    """Microseconds; None: onnxruntime's own choice."""

    def options(self) -> dict[str, int | str]:
        """As `session_options` of `genai_config.json`; never empty, so that an artifact keeps even what is the default."""
        if self.count is None:
            return {ALLOW_SPINNING: "1"}
        options: dict[str, int | str] = {INTRA_OP_THREADS: self.count}
        if self.spin_us == 0:
            options[ALLOW_SPINNING] = "0"
        elif self.spin_us is not None:
            options[SPIN_DURATION] = str(self.spin_us)
        return options

    @property
    def label(self) -> str:
        """Label for a table."""
        return threads_text(self.count, self.spin_us)

    def to_json(self) -> ThreadSettings:
        """Return its part of a document."""
        return {"intra_op_num_threads": self.count, "spin_us": self.spin_us}

    @classmethod
    def from_json(cls, settings: ThreadSettings) -> "Threads":
        """Return the inverse of `to_json`."""
        return cls(count=settings["intra_op_num_threads"], spin_us=settings["spin_us"])


def threads_text(count: int | None, spin_us: int | None) -> str:
    """Return thread settings in words."""
    if count is None:
        return "threads as Olive leaves them"
    if not count:
        return "a thread bound to each core"
    many = f"{count} thread{'s' * (count != 1)}"
    if spin_us is None:
        return many
    return f"{many}, awake {spin_us} µs" if spin_us else f"{many}, asleep at once"


AS_BUILT = Threads(count=None)


def thread_candidates(
    *, physical: int | None = None, usable: int | None = None
) -> tuple[Threads, ...]:
    """List the thread settings to try, the default first: all cores, all threads, half of the cores, three ways to wait;
    and a thread bound to each core.
    """
    if usable is None:
        physical, usable = psutil.cpu_count(logical=False), core_count()[0]
    own = usable_threads(physical, usable)
    counts = dict.fromkeys((own, usable, max(1, own // 2)))
    candidates: list[Threads] = []
    for count in counts:
        spins: Sequence[int | None] = SPINS if count > 1 else (None,)
        candidates += [Threads(count=count, spin_us=spin) for spin in spins]
    return (*candidates, Threads(count=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One way to quantise: a row of the precision table with options of its own."""

    precision: Precision
    options: Mapping[str, int | str | bool] = field(default_factory=dict)
    """Chosen values by option key (`precision/options.py`); empty for the unchanged row."""

    @property
    def name(self) -> str:
        """Name of the build's folder."""
        parts = [f"{key[0]}{value}" for key, value in self.options.items()]
        return "-".join([self.precision.key, *parts])

    @property
    def label(self) -> str:
        """Label for a table."""
        parts = []
        if "block_size" in self.options:
            parts.append(f"blocks of {self.options['block_size']}")
        if "head_block_size" in self.options:
            parts.append(f"head in blocks of {self.options['head_block_size']}")
        if "algorithm" in self.options:
            algorithm = str(self.options["algorithm"])
            parts.append(
                HEADS.get(algorithm, algorithm)
                if self.precision.calibrated
                else algorithm.replace("_", "-")
            )
        if self.options.get("accuracy_level") == 1:
            parts.append("fp32 arithmetic")
        return ", ".join([self.precision.label, *parts])

    @property
    def gentler(self) -> bool:
        """True if it searches for better scales than the build of the same kind that rounds: no faster, but closer."""
        return self.options.get("algorithm") == "k_quant" and not self.precision.calibrated

    @property
    def kind(self) -> tuple[tuple[str, int | str | bool], ...]:
        """Options that decide its speed: all of them, without the algorithm that finds the scales."""
        return tuple((k, v) for k, v in self.options.items() if k != "algorithm")

    def to_json(self) -> BuildSettings:
        """Return its part of a document."""
        settings: BuildSettings = {"precision": self.precision.key}
        if isinstance(block_size := self.options.get("block_size"), int):
            settings["block_size"] = block_size
        if isinstance(head_block_size := self.options.get("head_block_size"), int):
            settings["head_block_size"] = head_block_size
        if isinstance(algorithm := self.options.get("algorithm"), str):
            settings["algorithm"] = algorithm
        if isinstance(accuracy_level := self.options.get("accuracy_level"), int):
            settings["accuracy_level"] = accuracy_level
        return settings


def builds(
    precision: Precision,
    own: Mapping[str, int | str | bool],
    *,
    tied: bool,
) -> tuple[Build, ...]:
    """List the builds to try for a row whose configuration asks for `own`; the row as it is comes first.

    Each block size with rounding and with k-quant, which costs nothing when it runs and drifts less; and arithmetic in
    fp32 instead of int8. A row that names another algorithm keeps it; a calibrated one is tried with a head of 4 bits
    too, in the row's blocks and in the largest. Rows that are not quantised have one build.
    """
    first = Build(precision=precision)
    options_offered = options_for(precision, tied=tied)
    offered = {option.key: [c.value for c in option.choices] for option in options_offered}
    if not offered:
        return (first,)
    algorithms = ["default", "k_quant"] if own["algorithm"] == "default" else [own["algorithm"]]
    wanted: list[dict[str, int | str | bool]] = [
        {"block_size": block, "algorithm": algorithm}
        for block in BLOCKS
        for algorithm in algorithms
    ]
    if precision.calibrated:
        # The algorithm is that of the head: what is fastest of all has large blocks and a head of 4 bits.
        for blocks in ({}, {"head_block_size": BLOCKS[-1]}):
            wanted.append({"block_size": BLOCKS[-1], "algorithm": "k_quant", **blocks})
    wanted.append({"accuracy_level": 1})
    candidates = [first]
    for options in wanted:
        if any(value not in offered.get(key, ()) for key, value in options.items()):
            continue
        if differing := {k: v for k, v in options.items() if own[k] != v}:
            candidates.append(Build(precision=precision, options=differing))
    return tuple(candidates)
