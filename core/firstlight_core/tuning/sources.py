"""Tunes a source model: several builds of it, their drift, and the fastest of those that stay close enough."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.conversion.convert import convert_plans
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.conversion.plan import ConversionPlan, plan_conversion
from firstlight_core.documents.tuning import BuildDrift, BuildRow, Comparison, DriftLimit
from firstlight_core.errors import CheckFailed, FirstlightError
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift
from firstlight_core.measure.drift_words import KL_ZERO, kl_text
from firstlight_core.measure.reference import Conversation, find_reference
from firstlight_core.model.adapter import adapter_base
from firstlight_core.model.inspection import inspect_model
from firstlight_core.precision.options import read_options, with_options
from firstlight_core.precision.table import Precision
from firstlight_core.process.events import Event, Progress, Stage
from firstlight_core.tuning.search import Search
from firstlight_core.tuning.settings import AS_BUILT, Build, builds

ALLOWANCE = 1.1
"""Without a limit of one's own, a build may drift so many times as far as the row of the table does."""


@dataclass(kw_only=True)
class TriedBuild:
    """One build that was tried; what is not known of it is None."""

    build: Build
    folder: Path
    bytes: int | None = None
    drift: BuildDrift | None = None
    excluded: str = ""
    """Why it is not measured any further."""

    @property
    def kl(self) -> float:
        """Mean KL divergence from the original in nats; needs a measured drift."""
        assert self.drift is not None
        return self.drift["kl_mean"]

    def to_json(self) -> BuildRow:
        """Return a row of the document's `builds[]`."""
        row: BuildRow = {"label": self.build.label, "settings": self.build.to_json()}
        if self.bytes is not None:
            row["bytes"] = self.bytes
        if self.drift is not None:
            row["drift"] = self.drift
        if self.excluded:
            row["excluded"] = self.excluded
        return row


@dataclass(kw_only=True)
class SourceTuning:
    """The result of tuning a source: `folder` holds the best artifact until the work folder is closed."""

    folder: Path
    compared: Comparison
    max_drift: DriftLimit
    builds: list[BuildRow]


async def tune_source(
    source: Path,
    search: Search,
    *,
    work: Path,
    precision: Precision,
    conversations: Sequence[Conversation],
    max_drift: float | None = None,
) -> SourceTuning:
    """Build `source` in several ways within `work`, and find the fastest that drifts no further than allowed.

    Args:
        max_drift: mean KL divergence from the original in nats, over its greedy answers to `conversations`; by default
            1.1 times that of the precision's own row.

    Raises:
        CheckFailed: no build stays within the limit.
        FirstlightError: the row itself cannot be built, or an engine died.
    """
    tried = await _build_all(source, precision, work, search)
    reference = await find_reference(
        source, conversations, on_event=search.tell, started=search.started
    )
    standing = [candidate for candidate in tried if not candidate.excluded]
    search.tell(Stage("drift", f"Comparing {len(standing)} builds with the original"))
    for number, candidate in enumerate(standing):
        search.tell(Progress(number, len(standing), "builds", candidate.build.label))
        async with open_engine(candidate.folder, started=search.started) as engine:
            drift = await measure_drift(engine, reference, conversations)
        candidate.drift = {
            "top1_agreement": drift["top1_agreement"],
            "kl_mean": drift["kl_mean"],
            "kl_p95": drift["kl_p95"],
            "perplexity_ratio": drift["perplexity_ratio"],
        }
    limit, why = _limit(standing[0], max_drift)
    for candidate in standing:
        if candidate.kl > limit:
            candidate.excluded = f"drifts further than {limit:.2g} nats"
    close = [candidate for candidate in standing if not candidate.excluded]
    if not close:
        nearest = min(standing, key=lambda candidate: candidate.kl)
        raise CheckFailed(
            f"No build of {precision.label} stays within a mean KL of {limit:.2g} nats: the closest, "
            f"{nearest.build.label}, has {nearest.kl:.2g}.",
            hint="Allow more with --max-drift, or choose a larger precision with --precision.",
        )
    threads = await search.fastest_threads(standing[0].folder)
    winner = await search.fastest_build(
        [(candidate.build, candidate.folder) for candidate in close], threads
    )
    baseline = search.trial(standing[0].folder, AS_BUILT, standing[0].build)
    best, compared = await search.compare(winner, baseline)
    for row, trial in ((compared["baseline"], baseline), (compared["best"], best)):
        candidate = next(o for o in standing if o.folder == trial.artifact.folder)
        row["drift"], row["bytes"] = candidate.drift, candidate.bytes
    return SourceTuning(
        folder=best.artifact.folder,
        compared=compared,
        max_drift={"kl_mean": limit, "why": why},
        builds=[candidate.to_json() for candidate in tried],
    )


def _limit(first: TriedBuild, max_drift: float | None) -> tuple[float, str]:
    if max_drift is not None:
        return max_drift, "as you asked"
    kl = first.kl
    # What is no drift at all allows what rounding leaves of none.
    limit = max(ALLOWANCE * kl, KL_ZERO)
    return limit, f"{ALLOWANCE} times the drift of {first.build.label}, {kl_text(kl)} nats"


async def _build_all(
    source: Path, precision: Precision, work: Path, search: Search
) -> list[TriedBuild]:
    """Return every build that is tried, the row of the table first; those that fail say why.

    Raises:
        FirstlightError: the row itself failed.
    """
    inspection = await asyncio.to_thread(inspect_model, source)
    row = run_config(source, precision, base=adapter_base(source))
    tied = inspection.structure.tied
    tried: dict[Path, TriedBuild] = {}
    plans: list[ConversionPlan] = []
    for build in builds(precision, read_options(row), tied=tied):
        folder = work / build.name
        config = (
            with_options(row, build.options, precision=precision, tied=tied)
            if build.options
            else None
        )
        plans.append(plan_conversion(source, folder, precision=precision.key, config=config))
        tried[folder] = TriedBuild(build=build, folder=folder)

    def on_done(plan: ConversionPlan, document: Any) -> None:
        candidate = tried[plan.output]
        candidate.bytes = document.get("bytes")
        if "error" in document:
            candidate.excluded = str(document["error"]["message"])

    labels = iter(candidate.build.label for candidate in tried.values())
    begun = itertools.count()

    def tell(event: Event) -> None:
        if isinstance(event, Stage):
            # One line for all conversions: their stages would fill the screen.
            if event.name == "start":
                search.tell(Progress(next(begun), len(plans), "builds", next(labels)))
        elif not isinstance(event, Progress):
            search.tell(event)

    search.tell(Stage("build", f"Building {precision.label} in {len(plans)} ways"))
    made = await convert_plans(plans, on_event=tell, on_done=on_done, started=search.started)
    first = next(iter(tried.values()))
    if first.excluded:
        failure = next(f["error"] for f in made["failures"])
        raise FirstlightError(failure["message"], hint=failure.get("hint", ""))
    return list(tried.values())
