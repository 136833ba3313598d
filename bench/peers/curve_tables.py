"""Tables of how cost grows, for the page."""

import statistics
from collections.abc import Sequence

from bench.peers.curves import CURVE_SHAPES
from bench.peers.document import PeersDocument, Run, Samples, latest_of, latest_run
from bench.peers.markdown import VOID, spread, table, void_lines
from bench.peers.models import MODELS
from bench.random_model import LARGE

_LENGTH_HEAD = ["Prompt tokens", "Prefill, tokens/s", "Decode, tokens/s", "Running"]
_SIZE_HEAD = [
    "Shape, random weights",
    "Artifact",
    "Conversion",
    "Its peak memory",
    "Prefill of 128, tokens/s",
    "Decode, tokens/s",
    "Running",
]
_LOAD_HEAD = [
    "Shape",
    "Load, files cached",
    "Reading its bytes",
    "Load, files not cached",
    "Reading its bytes",
]
LOAD_LIMIT = 1.2
"""Times the reading of its bytes that loading the largest shape may take."""


def curve_lines(document: PeersDocument) -> list[str]:
    """Return the tables of every machine; nothing where nothing was measured."""
    lines: list[str] = []
    for entry in document["machines"]:
        machine = entry["name"]
        for model in MODELS.values():
            lengths = latest_run(document, "lengths", model.key, machine)
            if lengths is not None:
                title = f"## Over the length of the prompt: INT4 of {model.title}, on {machine}"
                lines += [title, ""]
                lines += [*void_lines(lengths), *table(_LENGTH_HEAD, _length_rows(lengths))]
        lines += _size_lines(document, machine)
    return lines


def _size_lines(document: PeersDocument, machine: str) -> list[str]:
    measured = [
        pair for name in CURVE_SHAPES if (pair := latest_of(document, "sizes", machine, name))
    ]
    if not measured:
        return []
    return [
        f"## Over the size of the model: INT4 of random weights, on {machine}",
        "",
        *(line for run, _ in measured for line in void_lines(run)),
        *table(_SIZE_HEAD, [_size_row(run, samples) for run, samples in measured]),
        "Loading beside reading every byte of the artifact; not cached: the files taken out of the page cache before.",
        f"To reach: {LARGE.name} loads in at most {LOAD_LIMIT} × that.",
        "",
        *table(_LOAD_HEAD, [_load_row(run, samples) for run, samples in measured]),
    ]


def _length_rows(run: Run) -> list[list[str]]:
    return [
        [
            entry["subject"],
            spread(entry["figures"]["prefill_tps"], run),
            spread(entry["figures"]["decode_tps"], run),
            spread(entry["figures"]["running_bytes"], run, unit=2**20) + " MiB",
        ]
        for entry in run["subjects"]
    ]


def _size_row(run: Run, samples: Samples) -> list[str]:
    figures = samples["figures"]
    return [
        samples["subject"],
        spread(figures["artifact_bytes"], run, unit=2**20) + " MiB",
        spread(figures["convert_s"], run) + " s",
        spread(figures["convert_peak_bytes"], run, unit=2**20) + " MiB",
        spread(figures["prefill_tps"], run),
        spread(figures["decode_tps"], run),
        spread(figures["running_bytes"], run, unit=2**20) + " MiB",
    ]


def _load_row(run: Run, samples: Samples) -> list[str]:
    figures = samples["figures"]
    cells = [samples["subject"]]
    for load, read in (("load_s", "read_s"), ("load_cold_s", "read_cold_s")):
        if run["void_reasons"]:
            cells += [VOID, VOID]
        elif load not in figures:
            cells += ["", ""]
        else:
            cells += _load_cells(samples, figures[load], figures[read])
    return cells


def _load_cells(samples: Samples, loads: Sequence[float], reads: Sequence[float]) -> list[str]:
    load, read = statistics.median(loads), statistics.median(reads)
    verdict = ""
    if samples["subject"] == LARGE.name:
        verdict = ", reached" if load <= LOAD_LIMIT * read else ", **not reached**"
    return [f"{load:.2f} s: {load / read:.1f} ×{verdict}", f"{read:.2f} s"]
