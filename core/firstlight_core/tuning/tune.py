"""Measures settings of a model on this machine, and keeps the fastest that stays close enough to the original."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.genai_config import CONFIG
from firstlight_core.artifact.manifest import read_source
from firstlight_core.artifact.publishing import check_output, open_staging
from firstlight_core.artifact.target import artifact_folder, find_target
from firstlight_core.documents.tuning import (
    ResetDocument,
    TunedDocument,
    TuneFigures,
)
from firstlight_core.errors import CheckFailed, InputRefused, StateProblem, UsageError
from firstlight_core.estimate.estimates import form_of
from firstlight_core.files import exists, state_problem
from firstlight_core.locks import try_lock
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.quality import prompts_for
from firstlight_core.measure.quality_prompts import QualityPrompt
from firstlight_core.model.adapter import adapter_base
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.sources import find_source
from firstlight_core.paths import absolute, find_paths
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision
from firstlight_core.process.events import Event
from firstlight_core.tuning.budget import read_budget
from firstlight_core.tuning.build_cache import BuildCache
from firstlight_core.tuning.build_search import Builds
from firstlight_core.tuning.outcome import (
    write_best,
)
from firstlight_core.tuning.peer import find_peer
from firstlight_core.tuning.resumable import ArtifactTuning, OnStopped, SourceRun
from firstlight_core.tuning.search import NEW_TOKENS, PROMPT_TOKENS, REPEATS, Search
from firstlight_core.tuning.settings import Threads, thread_candidates
from firstlight_core.tuning.writing import own_threads, write_threads


async def tune(
    what: str | Path,
    *,
    output: str | Path | None = None,
    apply: bool = False,
    precision: str = DEFAULT_PRECISION,
    drift_budget: str | None = None,
    max_drift: float | None = None,
    prompts: Path | Sequence[QualityPrompt] | None = None,
    prompt_tokens: int | Sequence[int] = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    repeats: int = REPEATS,
    candidates: Sequence[Threads] | None = None,
    llama_bench: str | Path | None = None,
    gguf: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
    on_stopped: OnStopped | None = None,
    watch: InterferenceWatch | None = None,
) -> TunedDocument:
    """Find the fastest setting of an artifact (its threads) or of a source (its threads and its build).

    Speed is the time of a whole answer: `prompt_tokens` read and `new_tokens` written; of several prompt lengths the
    geometric mean. Builds and measurements are kept as they are made: the same tuning, started again after it was
    stopped or killed, goes on with them. A finished one leaves its builds.

    Args:
        output: where the best artifact of a source is published; without it only figures remain.
        apply: write the best threads into the artifact's genai_config.json.
        precision: the row of the table whose builds are tried.
        drift_budget: how far a build may drift from the original: nats of mean KL ("0.05"), or times the drift of the
            row as it is built ("1.5x"); 1.1 times by default.
        max_drift: the same in nats.
        candidates: the settings of the threads that are tried; by default those that suit this machine.
        llama_bench: llama.cpp's program; by default the one on the PATH.
        gguf: the same weights for it; by default the only GGUF beside the source's weights.
        on_stopped: takes what was done when the tuning is cancelled.

    Raises:
        UsageError: an option is out of range, or belongs to the other kind of target.
        InputRefused: the target, the program or the GGUF cannot be used.
        CheckFailed: no build stays within the budget, or the figures that `apply` would write are void.
        StateProblem: another tuning runs, or the disk refuses.
    """
    search = Search(
        lengths=(prompt_tokens,) if isinstance(prompt_tokens, int) else tuple(prompt_tokens),
        new_tokens=new_tokens,
        repeats=repeats,
        candidates=tuple(candidates) if candidates is not None else thread_candidates(),
        tell=on_event or (lambda event: None),
        started=started,
        watch=watch or InterferenceWatch(),
    )
    search.check()
    artifact, source = _find(what)
    budget = read_budget(drift_budget, max_drift)
    if artifact is not None:
        for name, given in (
            ("--output", output),
            ("--max-drift", max_drift),
            ("--drift-budget", drift_budget),
        ):
            if given is not None:
                raise UsageError(
                    f"{name} belongs to tuning a source; {artifact.name} is an artifact.",
                    hint="Name the model folder it was made of, or leave the option out.",
                )
        made_of = read_source(artifact)
        origin = Path(made_of["path"]) if made_of is not None else None
        with _only_tuning():
            search.peer, notes = await find_peer(llama_bench, gguf, origin, search.tell)
            document = await ArtifactTuning(artifact, search, notes, on_stopped).run()
            if apply:
                await asyncio.to_thread(keep, artifact, document)
        return {**document, "applied": apply}
    assert source is not None
    if apply:
        raise UsageError(
            "--apply belongs to tuning an artifact.", hint="Publish the best one with --output DIR."
        )
    row = form_of(find_precision(precision), await asyncio.to_thread(inspect_model, source))
    questions, origin_words = prompts_for(str(source), prompts)
    destination = absolute(output) if output is not None else None
    if destination is not None:
        check_output(destination, source=source)
    with _only_tuning(), contextlib.ExitStack() as stack:
        staging = stack.enter_context(open_staging(destination)) if destination else None
        search.peer, notes = await find_peer(llama_bench, gguf, source, search.tell)
        cache = await asyncio.to_thread(
            BuildCache.of, find_paths().tuning, source, adapter_base(source)
        )
        made = Builds(source=source, precision=row, cache=cache, search=search)
        tuning = SourceRun(made, notes, on_stopped)
        return await tuning.run(questions, origin_words, budget, destination, staging)


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
    write_best(artifact, document)


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
        if exists(folder / CONFIG):
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
