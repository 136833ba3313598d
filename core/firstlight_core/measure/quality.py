"""Runs the course's five checks, and the drift against the original, on real artifacts and servers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack

from firstlight_core.artifact.artifact import Artifact, check_artifact
from firstlight_core.artifact.target import Target, artifact_folder, find_target
from firstlight_core.artifact.tokenizer_files import no_chat_template, read_chat_template
from firstlight_core.documents.measure import (
    CheckedAnswer,
    DriftDocument,
    QualitiesDocument,
    QualityDocument,
)
from firstlight_core.errors import UsageError
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift, measure_own_text
from firstlight_core.measure.quality_checks import (
    QualityCheck,
    Recorded,
    answer_format,
    because,
    consistent_speed,
    domain_answers,
    edge_cases,
    memory_leak,
)
from firstlight_core.measure.quality_prompts import QualityPrompt, load_prompts, read_prompt
from firstlight_core.measure.quality_runs import (
    Listener,
    ask_questions,
    edge_inputs,
    generate_often,
    measure_speeds,
    try_edges,
)
from firstlight_core.measure.quality_server import check_server
from firstlight_core.measure.quality_verdict import give_verdict
from firstlight_core.measure.reference import find_reference, load_text, read_text
from firstlight_core.model.inspection import find_source
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Stage
from firstlight_core.text import shown_path

__all__ = ["check_quality", "check_quality_of_each", "load_prompts", "prompts_for"]

DRIFT_PROMPTS = 20

GENERAL_PROMPTS = (
    "Hello! Who are you?",
    "Explain in one sentence what you can help with.",
    "Give me three short pieces of advice.",
    "What is the capital of France?",
    "Write one sentence about the sea.",
)
"""Prompts when there is no prompts file; they have no expected answer."""

Started = Callable[[int], None] | None
OnStopped = Callable[[QualityDocument], None]


async def check_quality(
    target: str | Path | Target,
    *,
    prompts: Path | Sequence[QualityPrompt] | None = None,
    reference: str | Path | None = None,
    text: Path | None = None,
    ratings: Sequence[int] = (),
    network: bool = False,
    on_event: Listener | None = None,
    started: Started = None,
    on_stopped: OnStopped | None = None,
) -> QualityDocument:
    """Run the checks, and with a reference measure the drift.

    Without `prompts` an artifact of the sample model is asked the sample's held-out questions, anything else general
    ones. `ok` is false when a check failed or the drift is too large.

    Args:
        text: the user's own text, a UTF-8 file; the drift on it is `drift.own_text`. Needs a reference.
        ratings: what a person gave this target's answers in the chat, 1 to 5 each.
        network: whether a server on another machine may be asked; only after an explicit yes.
        on_stopped: takes what was finished when the check is cancelled, once a question has its answer.

    Raises:
        InputRefused: the target, the prompts or the reference cannot be used.
        JobDied: the engine died while it was loaded.
    """
    resolved = find_target(target)
    tell = on_event or (lambda event: None)
    if text is not None and reference is None:
        raise UsageError(
            "The drift on your text is measured against the original.",
            hint="Name it with --reference SOURCE.",
        )
    if resolved.kind == "endpoint":
        if reference is not None:
            raise UsageError(
                "Drift needs the artifact itself; a server does not tell its probabilities.",
                hint="Name the artifact folder, or leave out --reference.",
            )
        artifact = None
        questions, origin = prompts_for(None, prompts)
    else:
        artifact = check_artifact(artifact_folder(resolved))
        if not (await asyncio.to_thread(read_chat_template, artifact.folder) or "").strip():
            # Before the original is loaded, which takes minutes.
            raise no_chat_template(artifact.folder)
        questions, origin = prompts_for(artifact.source, prompts)
    finished = _Finished()
    try:
        if artifact is None:
            recorded = finished.recorded
            finished.checks = await check_server(
                resolved, questions, ratings, tell, recorded, network=network
            )
        else:
            await _check_artifact(
                artifact, questions, reference, text, ratings, tell, started, finished
            )
    except asyncio.CancelledError:
        if on_stopped is not None and finished.recorded:
            on_stopped(_stopped(resolved, origin, finished, len(questions), ratings))
        raise
    document = _document(resolved, origin, finished)
    if text is not None:
        document["text"] = shown_path(text)
    return document


@dataclass(slots=True)
class _Finished:
    """The part of a check that is finished."""

    recorded: list[Recorded] = field(default_factory=list)
    checks: list[QualityCheck] = field(default_factory=list)
    drift: DriftDocument | None = None


async def _check_artifact(
    artifact: Artifact,
    questions: Sequence[QualityPrompt],
    reference: str | Path | None,
    text: Path | None,
    ratings: Sequence[int],
    tell: Listener,
    started: Started,
    finished: _Finished,
) -> None:
    """Add everything to `finished` as soon as it is there."""
    source = find_source(str(reference)) if reference is not None else None
    conversations = [prompt.messages for prompt in questions[:DRIFT_PROMPTS]]
    own_text = load_text(text) if text is not None else None
    original = reading = None
    if source is not None:
        original = await find_reference(
            source, conversations, template=artifact.folder, on_event=tell, started=started
        )
        if own_text is not None:
            reading = await read_text(source, own_text, on_event=tell, started=started)
    checks, recorded = finished.checks, finished.recorded
    async with open_engine(artifact.folder, started=started) as engine:
        await ask_questions(engine, questions, tell, recorded)
        control = await engine.control_tokens()
        checks.append(domain_answers(recorded, ratings=ratings))
        checks.append(answer_format(recorded, control["faults"]))
        checks.append(memory_leak(await generate_often(engine, questions, tell)))
        checks.append(consistent_speed(await measure_speeds(engine, tell)))
        if original is not None:
            drift = await measure_drift(engine, original, conversations, on_event=tell)
            if reading is not None:
                drift["own_text"] = await measure_own_text(engine, reading, on_event=tell)
            finished.drift = drift

    def reopen() -> AbstractAsyncContextManager[ChatBackend]:
        return open_engine(artifact.folder, started=started)

    unusual = edge_inputs(control["tokens"], artifact.context_length)
    checks.append(edge_cases(await try_edges(reopen, unusual, tell)))


class QualityOptions(TypedDict, total=False):
    """The options of `check_quality`."""

    prompts: Path | Sequence[QualityPrompt] | None
    reference: str | Path | None
    text: Path | None
    ratings: Sequence[int]
    network: bool
    on_event: Listener | None
    started: Started


async def check_quality_of_each(
    targets: Sequence[str | Path | Target],
    *,
    on_stopped: Callable[[QualityDocument | QualitiesDocument], None] | None = None,
    **options: Unpack[QualityOptions],
) -> QualityDocument | QualitiesDocument:
    """Check one target after another; of a single target its own document. Options as `check_quality`.

    When it is cancelled, `on_stopped` takes the document of the targets that were checked by then; before the first of
    them is, what was finished of it, if it has answered anything.

    Raises:
        FirstlightError: as `check_quality`.
    """
    tell = options.get("on_event") or (lambda event: None)
    checked: list[QualityDocument] = []
    begun: list[QualityDocument] = []
    for target in targets:
        if len(targets) > 1:
            tell(Stage("target", f"Checking {find_target(target).label}"))
        try:
            checked.append(await check_quality(target, on_stopped=begun.append, **options))
        except asyncio.CancelledError:
            if on_stopped is not None and (kept := checked or begun):
                on_stopped(_of_each(kept))
            raise
    return _of_each(checked)


def _of_each(checked: Sequence[QualityDocument]) -> QualityDocument | QualitiesDocument:
    return checked[0] if len(checked) == 1 else together(checked)


def together(checked: Sequence[QualityDocument]) -> QualitiesDocument:
    """Return the document of several targets."""
    ok = all(document["ok"] for document in checked)
    return {"kind": "qualities", "ok": ok, "artifacts": list(checked)}


def _document(target: Target, origin: str, finished: _Finished) -> QualityDocument:
    verdict, usable = give_verdict(finished.checks, finished.drift)
    document: QualityDocument = {
        "kind": "quality",
        "ok": usable,
        "target": target.text,
        "prompts": origin,
        "checks": [check.to_json() for check in finished.checks],
        "answers": [_answer(entry) for entry in finished.recorded],
        "verdict": verdict,
    }
    if finished.drift is not None:
        document["drift"] = finished.drift
    return document


def _stopped(
    target: Target, origin: str, finished: _Finished, questions: int, ratings: Sequence[int]
) -> QualityDocument:
    """Return the document of a check that was stopped: what was not reached is not run, and nothing is proven."""
    answered = len(finished.recorded)
    found = {check.id: check for check in finished.checks}
    reached = [
        domain_answers(finished.recorded, ratings=ratings),
        answer_format(finished.recorded),
        *(
            because(check, "The check was stopped before this.")
            for check in (memory_leak([]), consistent_speed({}), edge_cases([]))
        ),
    ]
    checks = [found.get(check.id, check) for check in reached]
    document = _document(target, origin, replace(finished, checks=checks))
    document["verdict"] = (
        f"Stopped early, after {answered} of {questions} question{'s' * (questions != 1)}: "
        f"what was finished is kept, and no verdict is given."
    )
    document["ok"], document["stopped"] = False, True
    return document


def prompts_for(
    source: str | None, prompts: Path | Sequence[QualityPrompt] | None
) -> tuple[list[QualityPrompt], str]:
    """Return the questions for a model that came from `source`, and where they come from.

    Raises:
        InputRefused: the file of prompts cannot be used.
    """
    if isinstance(prompts, Path):
        return load_prompts(prompts), shown_path(prompts)
    if prompts is not None:
        return list(prompts), "given"
    paths = find_paths()
    if source and Path(source).resolve() == paths.sample.resolve():
        return load_prompts(paths.sample_prompts), "sample"
    return [read_prompt({"prompt": text}) for text in GENERAL_PROMPTS], "general"


def _answer(entry: Recorded) -> CheckedAnswer:
    if entry.error:
        return {"prompt": entry.prompt.question, "error": entry.error}
    return {"prompt": entry.prompt.question, "text": entry.text}
