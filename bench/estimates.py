"""Converts models of real shapes and writes what was estimated beside what was measured.

    python -m bench.estimates [--only NAME ...] [--precisions KEY ...] [--work FOLDER]

Each case is converted by `conversion.convert`, one after another; results are added to docs/estimates.json as they
come, and docs/estimates.md is written from it. The estimates are those of the bare formulas, without calibration.
"""

import argparse
import asyncio
import os
import platform
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from bench.random_model import SHAPES, write_model
from firstlight_core import __version__
from firstlight_core.conversion.convert import convert
from firstlight_core.environment.machine import core_count
from firstlight_core.environment.toolchain import CONVERT_PACKAGES, installed_version
from firstlight_core.errors import FirstlightError
from firstlight_core.estimate.artifact_size import artifact_bytes
from firstlight_core.estimate.estimates import bare_estimate
from firstlight_core.files import read_json_object, write_json, write_whole
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.paths import find_paths
from firstlight_core.precisions import PRECISIONS, Precision

DOCS = Path(__file__).parent.parent / "docs"
GOALS = {"bytes": 0.03, "peak_ram_bytes": 0.15, "seconds": 0.30}
TITLES = {"bytes": "size", "peak_ram_bytes": "peak RAM", "seconds": "seconds"}


def estimated(inspection: Inspection, precision: Precision) -> dict[str, float]:
    """The bare formulas: what `firstlight inspect` says on a machine that has converted nothing yet."""
    return {
        "bytes": artifact_bytes(inspection, precision),
        **bare_estimate(inspection, precision),
    }


async def measure(source: Path, output: Path, precision: Precision) -> dict[str, Any]:
    """Convert once; bytes of the folder, peak resident bytes of the child, seconds in the child."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    document = await convert(source, output, precision=precision.key, force=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(output)
    return {
        "bytes": document["bytes"],
        "peak_ram_bytes": document["peak_rss_bytes"],
        "seconds": document["seconds"],
        "total_seconds": document["total_seconds"],
        # Of the conversion and the check in a fresh process: tells a busy machine from a slow one.
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2
        ),
    }


def machine() -> dict[str, Any]:
    """What the seconds depend on."""
    return {
        "cores": core_count()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "firstlight": __version__,
        "packages": {name: installed_version(name) for name in CONVERT_PACKAGES},
    }


def table(document: dict[str, Any]) -> str:
    """docs/estimates.md."""
    lines = [
        "# Estimates against conversions that were really run",
        "",
        "Written by `python -m bench.estimates` from `docs/estimates.json`. Random bf16 weights of real shapes; the estimates",
        "are those of the bare formulas of `estimates.py` and `artifact_size.py`, before a machine has calibrated them.",
        "Goals: size 3 %, peak RAM 15 %, seconds 30 %.",
        "",
        f"Machine: {document['machine']['cores']} cores, {document['machine']['system']}; "
        + ", ".join(f"{k} {v}" for k, v in document["machine"]["packages"].items())
        + ".",
        "",
        "| model | precision | size MB, measured | estimate | off | peak RAM MB, measured | estimate | off | s, measured | estimate | off |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    worst = dict.fromkeys(GOALS, 0.0)
    for row in document["cases"]:
        inspection = row["estimate"]
        cells = [row["model"], row["precision"]]
        for name in GOALS:
            scale = 1 if name == "seconds" else 1e6
            real, guess = row["measured"][name], inspection[name]
            off = guess / real - 1
            worst[name] = max(worst[name], abs(off))
            mark = "" if abs(off) <= GOALS[name] else " **!**"
            cells += [f"{real / scale:.1f}", f"{guess / scale:.1f}", f"{off:+.1%}{mark}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Largest deviation: "]
    lines[-1] += ", ".join(
        f"{TITLES[name]} {worst[name]:.1%} (goal {goal:.0%})" for name, goal in GOALS.items()
    )
    lines[-1] += "."
    if document.get("remarks"):
        lines += ["", *document["remarks"]]
    return "\n".join(lines) + "\n"


def refresh(document: dict[str, Any], work: Path) -> None:
    """Compute every estimate again with the formulas of today; the measurements stay."""
    known: dict[str, Inspection] = {}
    rows = {row.key: row for row in PRECISIONS}
    for case in document["cases"]:
        name = case["model"]
        known.setdefault(name, inspect_model(source_folder(name, work)))
        case["estimate"] = estimated(known[name], rows[case["precision"]])


def source_folder(name: str, work: Path) -> Path:
    """The source of one case, written when it is not there yet."""
    if name == "sample":
        return find_paths().sample
    folder = work / "sources" / name
    if not (folder / "model.safetensors").is_file():
        shape = next(shape for shape in SHAPES if shape.name == name)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        write_model(part, shape).rename(folder)
    return folder


def main() -> int:
    """Run the cases that were asked for and write both files."""
    names = ["sample", *(shape.name for shape in SHAPES)]
    keys = [row.key for row in PRECISIONS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=names, choices=names)
    parser.add_argument("--precisions", nargs="*", default=keys, choices=keys)
    parser.add_argument("--work", type=Path, default=find_paths().cache / "bench")
    parser.add_argument(
        "--table", action="store_true", help="convert nothing, write the files anew"
    )
    asked = parser.parse_args()
    path = DOCS / "estimates.json"
    document = read_json_object(path) if path.exists() else {"cases": []}
    document["machine"] = machine()
    for name in [] if asked.table else asked.only:
        source = source_folder(name, asked.work)
        inspection = inspect_model(source)
        for row in (row for row in PRECISIONS if row.key in asked.precisions):
            guess = estimated(inspection, row)
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
            began = time.strftime("%Y-%m-%d %H:%M")
            try:
                real = asyncio.run(measure(source, asked.work / "out" / f"{name}-{row.key}", row))
            except FirstlightError as error:
                sys.stderr.write(f"{name} {row.key}: {error}\n{error.detail[-1500:]}\n")
                continue
            case = {"model": name, "precision": row.key, "at": began, "load_before": load}
            case |= {"measured": real, "estimate": guess}
            sys.stderr.write(
                f"{name} {row.key}: "
                + ", ".join(f"{k} {real[k]} ({guess[k] / real[k] - 1:+.1%})" for k in GOALS)
                + f", load {load:.1f}\n"
            )
            others = [
                c for c in document["cases"] if (c["model"], c["precision"]) != (name, row.key)
            ]
            document["cases"] = sorted(
                [*others, case], key=lambda c: (names.index(c["model"]), keys.index(c["precision"]))
            )
            write_json(path, document)
    refresh(document, asked.work)
    write_json(path, document)
    write_whole(DOCS / "estimates.md", table(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
