"""Tables of how cost grows, for the page."""

import statistics

from bench.peers.document import PeersDocument, Run, latest_run
from bench.peers.markdown import VOID, spread, table, void_lines
from bench.peers.models import MODELS

_LENGTH_HEAD = ["Prompt tokens", "Prefill, tokens/s", "Decode, tokens/s", "Running"]
_SIZE_HEAD = [
    "Shape, random weights",
    "Artifact",
    "Conversion",
    "Its peak memory",
    "Load",
    "Load ÷ reading its bytes",
    "Prefill of 128, tokens/s",
    "Decode, tokens/s",
    "Running",
]


def curve_lines(document: PeersDocument) -> list[str]:
    """Return the tables; nothing where nothing was measured."""
    lines: list[str] = []
    for model in MODELS.values():
        lengths = latest_run(document, "lengths", model.key)
        if lengths is not None:
            lines += [f"## Over the length of the prompt: INT4 of {model.title}", ""]
            lines += [*void_lines(lengths), *table(_LENGTH_HEAD, _length_rows(lengths))]
    sizes = latest_run(document, "sizes", next(iter(MODELS)))
    if sizes is not None:
        lines += ["## Over the size of the model: INT4 of random weights", ""]
        lines += [*void_lines(sizes), *table(_SIZE_HEAD, _size_rows(sizes))]
    return lines


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


def _size_rows(run: Run) -> list[list[str]]:
    rows = []
    for entry in run["subjects"]:
        figures = entry["figures"]
        ratio = statistics.median(figures["load_s"]) / statistics.median(figures["read_s"])
        rows.append(
            [
                entry["subject"],
                spread(figures["artifact_bytes"], run, unit=2**20) + " MiB",
                spread(figures["convert_s"], run) + " s",
                spread(figures["convert_peak_bytes"], run, unit=2**20) + " MiB",
                spread(figures["load_s"], run, digits=2) + " s",
                VOID if run["void_reasons"] else f"{ratio:.1f} ×",
                spread(figures["prefill_tps"], run),
                spread(figures["decode_tps"], run),
                spread(figures["running_bytes"], run, unit=2**20) + " MiB",
            ]
        )
    return rows
