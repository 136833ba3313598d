"""Converts models of real shapes and writes what was estimated beside what was measured.

    python -m bench.estimates [--only NAME ...] [--source FOLDER ...] [--precisions KEY ...] [--work FOLDER]

Each case is converted by `conversion.convert`, one after another, and run once with a context of 2048 tokens; results
are added to docs/estimates.json as they come, and docs/estimates.md is written from it. A source of one's own (the
real models of `make test-real`) is named after its folder. The estimates are those of the bare formulas, without
calibration. `--fit` prints what the constants of `Cost` in the precision table would be by these measurements.
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
from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.conversion.convert import convert
from firstlight_core.documents.messages import Message
from firstlight_core.environment.machine import core_count
from firstlight_core.environment.toolchain import CONVERT_PACKAGES, installed_version
from firstlight_core.errors import FirstlightError
from firstlight_core.estimate.artifact_size import artifact_bytes
from firstlight_core.estimate.estimates import bare_estimate
from firstlight_core.estimate.run_memory import run_bytes
from firstlight_core.files import read_json_object, write_json, write_whole
from firstlight_core.inference.engine import open_engine
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.monitor import PeakMemory
from firstlight_core.paths import find_paths
from firstlight_core.precision.table import BASE_RAM, PRECISIONS, Precision, find_precision

DOCS = Path(__file__).parent.parent / "docs"
GOALS = {
    "bytes": 0.03,
    "build_ram_bytes": 0.15,
    "peak_ram_bytes": 0.15,
    "run_ram_bytes": 0.15,
    "olive_seconds": 0.30,
    "seconds": 0.30,
}
TITLES = {
    "bytes": "size",
    "build_ram_bytes": "RAM of Olive's stage",
    "peak_ram_bytes": "peak RAM",
    "run_ram_bytes": "RAM to run",
    "olive_seconds": "seconds in Olive",
    "seconds": "seconds of the whole",
}
SECONDS = ("olive_seconds", "seconds")
CONTEXT = 2048
QUESTION = "Tell me about the sea, and the mountains behind it. " * 16
BUSY = 1.0
"""Load average from which the seconds of a conversion say nothing about the machine."""


FORMS = {
    row.key if form is row else f"{row.key} none": form for row in PRECISIONS for form in row.forms
}
"""Every form of every row by name; `none`: rounded to the nearest, as by `--calibration none`."""


def estimated(inspection: Inspection, precision: Precision) -> dict[str, float]:
    """The bare formulas: what `firstlight inspect` says on a machine that has converted nothing yet."""
    bare = bare_estimate(inspection, precision)
    return {
        "bytes": artifact_bytes(inspection, precision),
        "run_ram_bytes": run_bytes(inspection, precision, context_of(inspection)),
        "build_ram_bytes": bare["build_ram_bytes"],
        "peak_ram_bytes": bare["peak_ram_bytes"],
        "olive_seconds": bare["seconds"] - bare["check_seconds"],
        "seconds": bare["seconds"],
    }


def context_of(inspection: Inspection) -> int:
    """The context that an artifact of this model is run with."""
    return min(CONTEXT, inspection.shape.context or CONTEXT)


async def run_memory(artifact: Path, context: int) -> int:
    """Most resident bytes of the engine after one long prompt; a base model gets the plainest of templates."""
    if read_chat_template(artifact) is None:
        template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
        (artifact / "chat_template.jinja").write_text(template)
    memory = PeakMemory()
    memory.begin("run")
    async with open_engine(artifact, max_length=context, started=memory.add) as engine:
        question: list[Message] = [{"role": "user", "content": QUESTION}]
        await engine.answer(question, greedy=True, max_tokens=8)
        memory.take()
    return memory.peak


async def measure(source: Path, output: Path, precision: Precision, context: int) -> dict[str, Any]:
    """Convert once and run it once; bytes of the folder, peak resident bytes of all processes, seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    nearest = find_precision(precision.key).nearest is precision
    document = await convert(
        source,
        output,
        precision=precision.key,
        calibration="none" if nearest else None,
        force=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_ram = await run_memory(output, context)
    shutil.rmtree(output)
    return {
        "bytes": document["bytes"],
        "peak_ram_bytes": document["peak_rss_bytes"],
        "build_ram_bytes": document["peak_rss_by_stage"]["build"],
        "run_ram_bytes": run_ram,
        "olive_seconds": document["olive_seconds"],
        "seconds": document["seconds"],
        # Of the conversion and the check in a fresh process: tells a busy machine from a slow one.
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2
        ),
    }


def machine() -> dict[str, Any]:
    """Return the conditions that the seconds depend on."""
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
        "Written by `python -m bench.estimates` from `docs/estimates.json`. The estimates are those of the bare formulas of",
        "`estimates.py`, `artifact_size.py` and `run_memory.py`, before a machine has calibrated them. Peak RAM is that of all",
        "processes of a conversion together: Olive, the original, the check. RAM to run is that of the engine with a context of",
        f"{CONTEXT} tokens. Seconds are those of an idle machine, in Olive and until the artifact is published; those of a busy",
        "one are left out.",
        "Goals: size 3 %, RAM 15 %, seconds 30 %.",
        "",
        f"Machine: {document['machine']['cores']} cores, {document['machine']['system']}; "
        + ", ".join(f"{k} {v}" for k, v in document["machine"]["packages"].items())
        + ".",
        "",
        "| model | precision | size MB | estimate | off | RAM of Olive's stage MB | estimate | off | peak RAM MB | estimate | off "
        "| RAM to run MB | estimate | off | s in Olive | estimate | off | s | estimate | off |",
        "|---|---|" + "---:|" * 3 * len(GOALS),
    ]
    worst = dict.fromkeys(GOALS, 0.0)
    for row in document["cases"]:
        cells = [row["model"], row["precision"]]
        for name in GOALS:
            real, guess = row["measured"].get(name), row["estimate"].get(name)
            busy = name in SECONDS and (row.get("load_before") or 0.0) > BUSY
            if real is None or guess is None or busy:
                cells += ["", "", ""]
                continue
            scale = 1 if name in SECONDS else 1e6
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


def refresh(document: dict[str, Any], work: Path, own: dict[str, Path]) -> None:
    """Compute every estimate again with the formulas of today; the measurements stay, and so does what is not here."""
    known: dict[str, Inspection] = {}
    for case in document["cases"]:
        name = case["model"]
        if name not in own and name not in _names():
            continue
        known.setdefault(name, inspect_model(source_folder(name, work, own)))
        case["estimate"] = estimated(known[name], FORMS[case["precision"]])


def fit(document: dict[str, Any], work: Path, own: dict[str, Path]) -> str:
    """Bytes a weight of body, table and second table that the peaks of Olive's stage ask for, by least squares."""
    import numpy as np

    lines = []
    for key in dict.fromkeys(case["precision"] for case in document["cases"]):
        rows, peaks = [], []
        for case in document["cases"]:
            build = case["measured"].get("build_ram_bytes")
            if case["precision"] != key or build is None:
                continue
            inspection = inspect_model(source_folder(case["model"], work, own))
            table = inspection.shape.vocab * inspection.shape.hidden
            rows.append(
                [inspection.structure.body, table, 0 if inspection.structure.tied else table]
            )
            peaks.append(build)
        if not rows:
            continue
        weights, wanted = np.array(rows, float), np.array(peaks, float)
        columns = [number for number in range(3) if weights[:, number].any()]
        relative = weights[:, columns] / wanted[:, None]
        solved = np.linalg.lstsq(relative, (wanted - BASE_RAM) / wanted, rcond=None)[0]
        off = (BASE_RAM + weights[:, columns] @ solved) / wanted - 1
        figures = ", ".join(f"{value:.2f}" for value in solved)
        lines.append(f"{key}: {figures} ({len(rows)} models, {abs(off).max():.1%} off at most)")
    return "\n".join(lines)


def source_folder(name: str, work: Path, own: dict[str, Path]) -> Path:
    """The source of one case, written when it is not there yet."""
    if name == "sample":
        return find_paths().sample
    if name in own:
        return own[name]
    folder = work / "sources" / name
    if not (folder / "model.safetensors").is_file():
        shape = next(shape for shape in SHAPES if shape.name == name)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        write_model(part, shape).rename(folder)
    return folder


def _names() -> list[str]:
    return ["sample", *(shape.name for shape in SHAPES)]


def main() -> int:
    """Run the cases that were asked for and write both files."""
    names = _names()
    keys = list(FORMS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=names)
    parser.add_argument("--source", nargs="*", type=Path, default=[])
    parser.add_argument("--precisions", nargs="*", default=keys, choices=keys)
    parser.add_argument("--work", type=Path, default=find_paths().cache / "bench")
    parser.add_argument(
        "--table", action="store_true", help="convert nothing, write the files anew"
    )
    parser.add_argument("--fit", action="store_true", help="print constants by these measurements")
    arguments = parser.parse_args()
    own = {folder.name: folder for folder in arguments.source}
    models = arguments.only if arguments.only is not None else ([] if own else names)
    path = DOCS / "estimates.json"
    document: dict[str, Any] = read_json_object(path) if path.exists() else {"cases": []}
    document["machine"] = machine()
    for name in [] if arguments.table else [*models, *own]:
        source = source_folder(name, arguments.work, own)
        inspection = inspect_model(source)
        for key, row in ((key, row) for key, row in FORMS.items() if key in arguments.precisions):
            guess = estimated(inspection, row)
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
            began = time.strftime("%Y-%m-%d %H:%M")
            try:
                output = arguments.work / "out" / f"{name}-{key.replace(' ', '-')}"
                real = asyncio.run(measure(source, output, row, context_of(inspection)))
            except FirstlightError as error:
                sys.stderr.write(f"{name} {key}: {error}\n{error.detail[-1500:]}\n")
                continue
            case = {"model": name, "precision": key, "at": began, "load_before": load}
            case |= {"measured": real, "estimate": guess}
            sys.stderr.write(
                f"{name} {key}: "
                + ", ".join(f"{k} {real[k]} ({guess[k] / real[k] - 1:+.1%})" for k in GOALS)
                + f", load {load:.1f}\n"
            )
            others = [c for c in document["cases"] if (c["model"], c["precision"]) != (name, key)]
            places = {model: position for position, model in enumerate(names)}
            document["cases"] = sorted(
                [*others, case],
                key=lambda c: (
                    places.get(c["model"], len(places)),
                    c["model"],
                    keys.index(c["precision"]),
                ),
            )
            write_json(path, document)
    refresh(document, arguments.work, own)
    write_json(path, document)
    if arguments.fit:
        sys.stderr.write(fit(document, arguments.work, own) + "\n")
    write_whole(DOCS / "estimates.md", table(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
