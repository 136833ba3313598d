"""The result of a tuning: its document, what a stopped one leaves, its entry in the manifest, and its publication."""

from collections.abc import Sequence
from pathlib import Path

from firstlight_core.artifact.publishing import MANIFEST, Staging, publish, read_manifest
from firstlight_core.documents.conversion import SourceDocument
from firstlight_core.documents.tuning import (
    BuildRow,
    Comparison,
    StoppedTuningDocument,
    TakenOver,
    TuneConditions,
    TunedManifest,
    TuneFigures,
)
from firstlight_core.files import state_problem, write_json
from firstlight_core.measure.benchmark import machine
from firstlight_core.tuning.search import Search
from firstlight_core.tuning.settings import Threads
from firstlight_core.tuning.writing import linked_copy, write_threads


def conditions(search: Search, taken_over: TakenOver) -> TuneConditions:
    """Return what was measured so far, and under which conditions."""
    document: TuneConditions = {
        "trials": search.trials_so_far(),
        "machine": machine(),
        "prompt_tokens": max(search.lengths),
        "lengths": sorted(set(search.lengths)),
        "new_tokens": search.new_tokens,
        "repeats": search.repeats,
    }
    if taken_over["builds"] or taken_over["measurements"]:
        document["taken_over"] = taken_over
    return document


def figures(
    search: Search, compared: Comparison, taken_over: TakenOver, notes: Sequence[str]
) -> TuneFigures:
    """Return the part of the document that every tuning has."""
    reasons = search.watch.notes()
    return {
        **compared,
        **conditions(search, taken_over),
        "notes": [*notes, *search.notes()],
        "void": bool(reasons),
        "void_reasons": reasons,
    }


def stopped(
    search: Search, target: Path, taken_over: TakenOver, builds: Sequence[BuildRow]
) -> StoppedTuningDocument:
    """Return what a stopped tuning has done."""
    finished: TakenOver = {
        "builds": sum("bytes" in build for build in builds),
        "measurements": search.journal.reused + search.journal.written,
    }
    return {
        "kind": "stopped",
        **conditions(search, taken_over),
        "target": str(target),
        "builds": list(builds),
        "kept": finished,
        "notes": [kept_words(finished)],
    }


def done_words(done: TakenOver) -> str:
    """Return how many builds and measurements these are."""
    parts = [
        f"{count} {name if count == 1 else name + 's'}"
        for count, name in ((done["builds"], "build"), (done["measurements"], "measurement"))
        if count
    ]
    return " and ".join(parts)


def kept_words(finished: TakenOver) -> str:
    """Return what of a stopped tuning is kept, as a sentence."""
    if words := done_words(finished):
        return f"Kept: {words}. The same tuning goes on with that."
    return "Nothing was finished yet, so nothing is kept."


def manifest_entry(document: TuneFigures) -> TunedManifest:
    """Return the manifest entry of a tuning: the setting, its gain, and the machine."""
    best, where = document["best"], document["machine"]
    tuned: TunedManifest = {
        "settings": best["settings"],
        "machine": {
            "cpu": where["cpu"],
            "cores": where["cores"],
            "threads": where["threads"],
            "versions": where["versions"],
        },
    }
    if (faster := best.get("faster")) is not None:
        tuned["faster"] = {
            "answer": faster["answer"]["median"],
            "decode": faster["decode"]["median"],
            "prefill": faster["prefill"]["median"],
        }
    if document["void"]:
        tuned["void"] = True
    return tuned


def write_best(folder: Path, document: TuneFigures) -> None:
    """Write the best threads into an artifact.

    Raises:
        InputRefused: genai_config.json is damaged.
        StateProblem: the disk refuses; the artifact stays as it was.
    """
    threads = Threads.from_json(document["best"]["settings"])
    write_threads(folder, threads, tuned=manifest_entry(document))


def publish_best(
    build: Path,
    staging: Staging,
    output: Path,
    document: TuneFigures,
    *,
    source: Path,
    command: Sequence[str],
) -> None:
    """Publish the best build with the best threads; the build itself stays as it is, for the next tuning.

    Raises:
        StateProblem: the disk refuses.
    """
    try:
        linked_copy(build, staging.artifact)
    except OSError as error:
        raise state_problem(error, staging.artifact) from error
    write_best(staging.artifact, document)
    # What converted it named a folder of the cache.
    made = {
        **(read_manifest(staging.artifact) or {}),
        "artifact": output.name,
        "command": list(command),
    }
    origin = made.get("source")
    if isinstance(origin, dict):
        moved: SourceDocument = {"path": str(source), "fingerprint": str(origin["fingerprint"])}
        made["source"] = moved
    write_json(staging.artifact / MANIFEST, made)
    publish(staging.artifact, output, keep_previous=True)
