"""Tunes a source model: several builds of it, their drift, and the fastest of those that stay close enough."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.tokenizer_files import no_chat_template
from firstlight_core.documents.tuning import Comparison, DriftLimit
from firstlight_core.errors import CheckFailed
from firstlight_core.measure.reference import Conversation, find_reference, lacks_template
from firstlight_core.tuning.budget import DriftBudget
from firstlight_core.tuning.build_search import Builds, TriedBuild
from firstlight_core.tuning.choice import median
from firstlight_core.tuning.gains import MARGIN
from firstlight_core.tuning.settings import AS_BUILT, Threads


@dataclass(kw_only=True)
class SourceTuning:
    """The result of tuning a source: `folder` holds the best build, without its threads."""

    folder: Path
    compared: Comparison
    max_drift: DriftLimit


async def tune_source(
    made: Builds, conversations: Sequence[Conversation], budget: DriftBudget
) -> SourceTuning:
    """Build the source in several ways, and find the fastest build that drifts no further than allowed.

    Builds that round are made first. One that searches for better scales takes many times as long to make and is no
    faster, so it is made only where the one that rounds drifts too far and is faster than all that stay close.

    Args:
        made: the listed builds; those that are not there yet are made.
        conversations: the drift is that over the original's greedy answers to these.
        budget: how far a build may drift.

    Raises:
        CheckFailed: no build stays within the limit.
        FirstlightError: the row itself cannot be built, or an engine died.
    """
    search = made.search
    plain = made.plain
    if await asyncio.to_thread(lacks_template, made.source):
        # The drift needs one; not a build is made before that is known.
        raise no_chat_template(made.source)
    await made.make(plain)
    reference = await find_reference(
        made.source, conversations, on_event=search.tell, started=search.started
    )
    standing = [candidate for candidate in plain if not candidate.excluded]
    await made.take_drift(standing, reference, conversations)
    limit = budget.limit(made.first.kl, made.first.build.label)
    _exclude(standing, limit)
    threads = await search.fastest_threads(made.first.folder)
    wanted = await _worth_making(made, standing, threads)
    await made.make(wanted)
    gentler = [candidate for candidate in wanted if not candidate.excluded]
    await made.take_drift(gentler, reference, conversations)
    _exclude(gentler, limit)
    standing += gentler
    close = [c for c in made.tried if c in standing and not c.excluded]
    if not close:
        nearest = min(standing, key=lambda candidate: candidate.kl)
        raise CheckFailed(
            f"No build of {made.precision.label} stays within a mean KL of {limit['kl_mean']:.2g} nats: "
            f"the closest, {nearest.build.label}, has {nearest.kl:.2g}.",
            hint="Allow more with --drift-budget or --max-drift, or choose a larger precision with --precision.",
        )
    search.expect(threads=False, builds=len(close))
    winner = await search.fastest_build([(c.build, c.folder) for c in close], threads)
    baseline = search.trial(made.first.folder, AS_BUILT, made.first.build)
    best, compared = await search.compare(winner, baseline)
    for row, trial in ((compared["baseline"], baseline), (compared["best"], best)):
        candidate = next(o for o in standing if o.folder == trial.artifact.folder)
        row["drift"], row["bytes"] = candidate.drift, candidate.bytes
    return SourceTuning(folder=best.artifact.folder, compared=compared, max_drift=limit)


def _exclude(candidates: Sequence[TriedBuild], limit: DriftLimit) -> None:
    for candidate in candidates:
        if candidate.kl > limit["kl_mean"]:
            candidate.excluded = f"drifts further than {limit['kl_mean']:.2g} nats"


async def _worth_making(
    made: Builds, standing: Sequence[TriedBuild], threads: Threads
) -> list[TriedBuild]:
    """Return the gentler builds that may win; the others are excluded, with the reason."""
    pairs = [(plain, made.gentler_than(plain)) for plain in made.plain]
    needed = any(gentle is not None and plain.excluded for plain, gentle in pairs)
    close = [candidate for candidate in standing if not candidate.excluded]
    measured = [c for c in standing if not c.excluded or made.gentler_than(c) is not None]
    seconds: dict[Path, float] = {}
    if needed and close:
        times = await made.search.scout([(c.build, c.folder) for c in measured], threads)
        seconds = {c.folder: median(t) for c, t in zip(measured, times, strict=True)}
    else:
        made.search.outlook.expect("scout", 0, 0)
    best = min((seconds[c.folder] for c in close if c.folder in seconds), default=None)
    wanted = []
    for plain, gentle in pairs:
        if gentle is None:
            continue
        own = seconds.get(plain.folder)
        if not plain.excluded:
            gentle.excluded = f"not needed: {plain.build.label} drifts little enough"
        elif best is not None and own is not None and own * (1 + MARGIN) > best:
            gentle.excluded = f"not needed: {plain.build.label} is no faster"
        else:
            wanted.append(gentle)
    return wanted
