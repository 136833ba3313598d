"""Measures settings of a model on this machine, and keeps the fastest that stays close enough to the original."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.genai_config import CONFIG
from firstlight_core.artifact.publishing import (
    MANIFEST,
    check_output,
    open_staging,
    publish,
    read_manifest,
)
from firstlight_core.artifact.target import artifact_folder, find_target
from firstlight_core.documents.tuning import (
    Comparison,
    ResetDocument,
    SourceFigures,
    TunedArtifactDocument,
    TunedDocument,
    TunedManifest,
    TuneFigures,
)
from firstlight_core.errors import CheckFailed, InputRefused, StateProblem, UsageError
from firstlight_core.files import state_problem, write_json
from firstlight_core.locks import try_lock
from firstlight_core.measure.benchmark import machine
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.quality import DRIFT_PROMPTS, prompts_for
from firstlight_core.measure.quality_prompts import QualityPrompt
from firstlight_core.model.sources import find_source
from firstlight_core.paths import absolute, find_paths
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision
from firstlight_core.process.events import Event, Stage
from firstlight_core.tuning.search import NEW_TOKENS, PROMPT_TOKENS, REPEATS, Search
from firstlight_core.tuning.settings import AS_BUILT, Threads, thread_candidates
from firstlight_core.tuning.sources import tune_source
from firstlight_core.tuning.writing import own_threads, without_threads, write_threads


async def tune(
    what: str | Path,
    *,
    output: str | Path | None = None,
    apply: bool = False,
    precision: str = DEFAULT_PRECISION,
    max_drift: float | None = None,
    prompts: Path | Sequence[QualityPrompt] | None = None,
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    repeats: int = REPEATS,
    candidates: Sequence[Threads] | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
    watch: InterferenceWatch | None = None,
) -> TunedDocument:
    """Find the fastest setting of an artifact (its threads) or of a source (its threads and its build).

    Speed is the time of a whole answer: `prompt_tokens` read and `new_tokens` written.

    Args:
        output: where the best artifact of a source is published; without it only figures remain.
        apply: write the best threads into the artifact's genai_config.json.
        precision: the row of the table whose builds are tried.
        max_drift: how far a build may drift from the original, as mean KL in nats; see `tune_source`.
        candidates: the settings of the threads that are tried; by default those that suit this machine.

    Raises:
        UsageError: an option is out of range, or belongs to the other kind of target.
        InputRefused: the target cannot be used.
        CheckFailed: no build stays within `max_drift`, or the figures that `apply` would write are void.
        StateProblem: another tuning runs, or the disk refuses.
    """
    search = Search(
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        repeats=repeats,
        candidates=tuple(candidates) if candidates is not None else thread_candidates(),
        tell=on_event or (lambda event: None),
        started=started,
        watch=watch or InterferenceWatch(),
    )
    search.check()
    artifact, source = _find(what)
    if artifact is not None:
        for name, given in (("--output", output), ("--max-drift", max_drift)):
            if given is not None:
                raise UsageError(
                    f"{name} belongs to tuning a source; {artifact.name} is an artifact.",
                    hint="Name the model folder it was made of, or leave the option out.",
                )
        with _only_tuning():
            return await _tune_artifact(artifact, search, apply=apply)
    assert source is not None
    if apply:
        raise UsageError(
            "--apply belongs to tuning an artifact.", hint="Publish the best one with --output DIR."
        )
    if max_drift is not None and not (math.isfinite(max_drift) and max_drift >= 0):
        raise UsageError("The drift that is allowed must be 0 nats or more.")
    row = find_precision(precision)
    questions, origin = prompts_for(str(source), prompts)
    destination = absolute(output) if output is not None else find_paths().work / "tuning"
    if output is not None:
        check_output(destination, source=source)
    with _only_tuning(), open_staging(destination) as staging:
        outcome = await tune_source(
            source,
            search,
            work=staging.work,
            precision=row,
            conversations=[prompt.messages for prompt in questions[:DRIFT_PROMPTS]],
            max_drift=max_drift,
        )
        figures: SourceFigures = {
            **_document(search, outcome.compared),
            "source": str(source),
            "precision": row.key,
            "prompts": origin,
            "builds": outcome.builds,
            "max_drift": outcome.max_drift,
        }
        if output is None:
            return {"kind": "source", **figures}
        search.tell(Stage("publish", "Publishing"))
        command = ["firstlight", "tune", str(source), "-o", str(destination)]
        command += ["--precision", row.key]
        if max_drift is not None:
            command += ["--max-drift", f"{max_drift:g}"]
        await asyncio.to_thread(_publish, outcome.folder, destination, figures, command)
        return {"kind": "published", **figures, "artifact": str(destination)}


def keep(artifact: Path, document: TuneFigures) -> None:
    """Write the best threads that tuning this artifact has found into it.

    Raises:
        CheckFailed: the figures are void; nothing is written.
        InputRefused: genai_config.json is damaged.
        StateProblem: the disk refuses; the artifact stays as it was.
    """
    if document["void"]:
        raise CheckFailed(
            f"The figures are void, so nothing was written into {artifact.name}.",
            hint="Close other programs, then tune again.",
            detail="\n".join(document["notes"]),
        )
    _write(artifact, document)


def _write(artifact: Path, document: TuneFigures) -> None:
    threads = Threads.from_json(document["best"]["settings"])
    write_threads(artifact, threads, tuned=_manifest(document))


def reset(what: str | Path) -> ResetDocument:
    """Take out of an artifact the threads that tuning has written.

    Raises:
        UsageError, InputRefused: it is no artifact.
        StateProblem: the disk refuses.
    """
    artifact, _ = _find(what)
    if artifact is None:
        raise UsageError("Only an artifact has settings to take back.", hint="Name its folder.")
    check_artifact(artifact)
    if removed := own_threads(artifact):
        write_threads(artifact, None, tuned=None)
    return {"kind": "reset", "artifact": str(artifact), "removed": removed}


async def _tune_artifact(artifact: Path, search: Search, *, apply: bool) -> TunedArtifactDocument:
    check_artifact(artifact)
    with open_staging(find_paths().work / "tuning") as staging:
        try:
            plain = await asyncio.to_thread(without_threads, artifact, staging.work / artifact.name)
        except OSError as error:
            raise state_problem(error, staging.work) from error
        threads = await search.fastest_threads(plain)
        winner, baseline = search.trial(plain, threads), search.trial(plain, AS_BUILT)
        _, compared = await search.compare(winner, baseline)
        document = _document(search, compared)
    if apply:
        await asyncio.to_thread(keep, artifact, document)
    return {"kind": "artifact", **document, "artifact": str(artifact), "applied": apply}


def _document(search: Search, compared: Comparison) -> TuneFigures:
    reasons = search.watch.notes()
    return {
        **compared,
        "trials": search.trials,
        "machine": machine(),
        "prompt_tokens": search.prompt_tokens,
        "new_tokens": search.new_tokens,
        "repeats": search.repeats,
        "notes": search.notes(),
        "void": bool(reasons),
        "void_reasons": reasons,
    }


def _manifest(document: TuneFigures) -> TunedManifest:
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


def _publish(folder: Path, output: Path, document: TuneFigures, command: Sequence[str]) -> None:
    _write(folder, document)
    # What converted it named a folder that is about to go.
    made = {**(read_manifest(folder) or {}), "artifact": output.name, "command": list(command)}
    write_json(folder / MANIFEST, made)
    publish(folder, output, keep_previous=True)


def _find(what: str | Path) -> tuple[Path | None, Path | None]:
    """Return the artifact folder, or the source folder, that is meant.

    Raises:
        UsageError: it is a server.
        InputRefused: it is neither.
    """
    text = str(what)
    if text.startswith(("http://", "https://")):
        raise UsageError(
            "A server cannot be tuned from outside.", hint="Name a model folder or an artifact."
        )
    with contextlib.suppress(UsageError, InputRefused):
        folder = artifact_folder(find_target(text))
        if (folder / CONFIG).exists():
            return folder.absolute(), None
    return None, absolute(find_source(text))


@contextlib.contextmanager
def _only_tuning() -> Iterator[None]:
    """One tuning at a time on a machine: two would spoil each other's figures."""
    lock_file = find_paths().work / "tuning.lock"
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = try_lock(lock_file)
    except OSError as error:
        raise state_problem(error, lock_file) from error
    if lock is None:
        raise StateProblem(
            "Another tuning runs on this machine; two would spoil each other's figures.",
            hint="Wait for it, or end it.",
        )
    try:
        yield
    finally:
        lock.release(unlink=True)
