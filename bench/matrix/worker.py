"""The process that makes rows: keys come in a line each, results go out as a JSON line each."""

import contextlib
import io
import json
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from bench.matrix.adapters import write_adapter
from bench.matrix.comparing import Converter, Figures, load_original, measure, texts
from bench.matrix.rows import Row, rows
from bench.matrix.tiny import write_model

LIMITS = {
    "fp32": 1e-9,
    "int8": 0.3,
    "int8-compact": 0.3,
    "int4": 3.5,
    "int4-quality": 3.5,
    "int4-calibrated": 3.5,
}
"""Largest mean KL of a right row (nats): FP32 rows that are right stay below 5e-10, the weakest planted fault is 3e-9; of quantised
rows only those count as wrong that say something else altogether (unrelated logits of this spread: about 9)."""


def write_source(row: Row, work: Path) -> tuple[Path, Path | None]:
    """Write the folders of a row; its source and, for an adapter, the base."""
    source = write_model(
        work / "model",
        row.architecture.model_type,
        row.config,
        dtype=row.dtype,
        own_head=row.own_head,
        edits=row.edits,
    )
    base = None
    if row.lora:
        base = source
        source = write_adapter(work / "adapter", base, row.lora, row.architecture.targets)
    return source, base


def make(row: Row, converter: Converter, work: Path) -> dict[str, Any]:
    """Build, inspect, convert and compare one row."""
    from firstlight_core.errors import FirstlightError
    from firstlight_core.model.inspection import inspect_model

    source, base = write_source(row, work)
    original = load_original(source, base)
    try:
        inspection = inspect_model(source, base=base)
    except FirstlightError as error:
        return {"status": "refused", "why": str(error), "remedy": error.hint or ""}
    given = texts(
        int(row.config["vocab_size"]),
        int(row.config["max_position_embeddings"]),
        int(row.config.get("sliding_window") or 0),
    )
    figures: dict[str, Any] = {}
    worst = "right"
    why = ""
    for precision in row.precisions:
        try:
            artifact = converter.convert(source, base, precision, inspection=inspection)
            precision_figures = measure(original, artifact, given)
        except Exception as error:
            traceback.print_exc()
            worst, why = "failed", f"{precision}: {type(error).__name__}: {error}"
            continue
        figures[precision] = precision_figures.to_json()
        if not _right(precision_figures, precision) and worst == "right":
            worst, why = (
                "wrong",
                f"{precision}: KL {precision_figures.kl:.2g}, {precision_figures.top1:.0%} top-1",
            )
    return {"status": worst, "why": why, "figures": figures, "notes": list(inspection.warnings)}


def _right(figures: Figures, precision: str) -> bool:
    return figures.kl <= LIMITS[precision]


def main() -> None:
    """Serve keys from stdin until it closes."""
    out = sys.stdout
    sys.stdout = sys.stderr
    work = Path(sys.argv[1])
    from firstlight_core.jobs.transformers_model import import_transformers

    torch, _ = import_transformers()
    torch.set_num_threads(1)
    converter = Converter(work / "olive")
    known = {row.key: row for row in rows()}
    for number, line in enumerate(sys.stdin):
        key = json.loads(line)
        began = time.perf_counter()
        # A conversion remembers by path what it has merged: each row has a folder of its own.
        row_folder = work / f"row{number}"
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                result = make(known[key], converter, row_folder)
        except Exception as error:
            traceback.print_exc()
            result = {"status": "unmade", "why": f"{type(error).__name__}: {error}"}
        for folder in (row_folder, *work.glob("olive/out*"), *work.glob("olive/merged-*")):
            shutil.rmtree(folder, ignore_errors=True)
        result = {"key": key, **result, "seconds": round(time.perf_counter() - began, 2)}
        out.write(json.dumps(result) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
