"""The builds of a source that are worth measuring: made once, their drift taken, the expensive ones only when needed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.conversion.calibration_choice import CalibrationWord
from firstlight_core.conversion.convert import convert_plans
from firstlight_core.conversion.inspected_source import inspect_source
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.conversion.plan import ConversionPlan, plan_conversion
from firstlight_core.documents.conversion import ConversionOutcome
from firstlight_core.documents.tuning import BuildDrift, BuildRow
from firstlight_core.errors import FirstlightError
from firstlight_core.estimate.estimates import estimate
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.drift import measure_drift
from firstlight_core.measure.reference import Conversation, Reference
from firstlight_core.model.adapter import adapter_base
from firstlight_core.precision.options import read_options, with_options
from firstlight_core.precision.table import Precision, find_precision
from firstlight_core.process.events import Event, Progress, Stage
from firstlight_core.tuning.build_cache import BuildCache
from firstlight_core.tuning.search import Search
from firstlight_core.tuning.settings import Build, builds


@dataclass(kw_only=True)
class TriedBuild:
    """One build that was tried; what is not known of it is None."""

    build: Build
    plan: ConversionPlan
    bytes: int | None = None
    drift: BuildDrift | None = None
    excluded: str = ""
    """Why it is not measured any further."""
    reused: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the build."""
        return self.plan.output

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
        if self.reused:
            row["reused"] = True
        return row


@dataclass(kw_only=True)
class Builds:
    """The builds of one source, in the order in which they are tried."""

    source: Path
    precision: Precision
    cache: BuildCache
    search: Search
    tried: list[TriedBuild] = field(default_factory=list)
    _estimate: float = 0.0

    async def list_all(self) -> None:
        """List the builds, and see which of them are there already.

        Raises:
            FirstlightError: the source is refused.
        """
        inspected = await asyncio.to_thread(inspect_source, self.source)
        inspection = inspected.inspection
        row = run_config(self.source, self.precision, base=adapter_base(self.source))
        tied = inspection.structure.tied
        self._estimate = estimate(inspection, self.precision)["seconds"]
        for build in builds(self.precision, read_options(row), tied=tied):
            config = (
                with_options(row, build.options, precision=self.precision, tied=tied)
                if build.options
                else None
            )
            folder = self.cache.folder(build)
            nearest = (
                config is None and self.precision is find_precision(build.precision.key).nearest
            )
            plan = plan_conversion(
                self.source,
                folder,
                precision=self.precision.key,
                config=config,
                calibration=CalibrationWord.NEAREST if nearest else None,
                inspected=inspected,
            )
            size = await asyncio.to_thread(self.cache.size, plan)
            self.tried.append(
                TriedBuild(build=build, plan=plan, bytes=size, reused=size is not None)
            )

    @property
    def first(self) -> TriedBuild:
        """The row of the table as it is."""
        return self.tried[0]

    @property
    def reused(self) -> int:
        """Builds that an earlier tuning had made."""
        return sum(candidate.reused for candidate in self.tried)

    @property
    def plain(self) -> list[TriedBuild]:
        """The builds that are made in any case."""
        return [candidate for candidate in self.tried if not candidate.build.gentler]

    def gentler_than(self, plain: TriedBuild) -> TriedBuild | None:
        """Return the build of the same speed that drifts less; None when there is none."""
        return next(
            (c for c in self.tried if c.build.gentler and c.build.kind == plain.build.kind), None
        )

    async def make(self, wanted: Sequence[TriedBuild]) -> None:
        """Build those that are not there yet; one that fails says why.

        Raises:
            FirstlightError: the row itself failed, or the disk refuses.
        """
        lacking = [candidate for candidate in wanted if candidate.bytes is None]
        if not lacking:
            return
        search = self.search
        by_folder = {candidate.folder: candidate for candidate in lacking}
        began = time.monotonic()
        done = 0

        def on_done(plan: ConversionPlan, outcome: ConversionOutcome) -> None:
            nonlocal done
            done += 1
            candidate = by_folder[plan.output]
            if outcome["kind"] == "failure":
                candidate.excluded = outcome["error"]["message"]
            else:
                candidate.bytes = outcome["bytes"]
            search.outlook.built((time.monotonic() - began) / done)

        labels = iter([candidate.build.label for candidate in lacking])
        begun = 0

        def tell(event: Event) -> None:
            nonlocal begun
            if isinstance(event, Stage):
                # One line for all conversions: their stages would fill the screen.
                if event.name == "start":
                    search.tell(Progress(begun, len(lacking), "builds", next(labels)))
                    begun += 1
            elif not isinstance(event, Progress):
                search.tell(event)

        many = f"in {len(lacking)} ways" if len(lacking) > 1 else f"as {lacking[0].build.label}"
        search.tell(Stage("build", f"Building {self.precision.label} {many}"))
        search.outlook.expect_builds(len(lacking), self._estimate)
        search.outlook.say()
        made = await convert_plans(
            [candidate.plan for candidate in lacking],
            on_event=tell,
            on_done=on_done,
            started=search.started,
        )
        if self.first.excluded:
            failure = next(f["error"] for f in made["failures"])
            raise FirstlightError(failure["message"], hint=failure.get("hint", ""))

    async def take_drift(
        self,
        wanted: Sequence[TriedBuild],
        reference: Reference,
        conversations: Sequence[Conversation],
    ) -> None:
        """Measure how far each build drifts from the original, unless that is known.

        Raises:
            FirstlightError: an engine died, or the disk refuses.
        """
        tell, key = self.search.tell, reference.rows.parent.name
        lacking = []
        for candidate in wanted:
            candidate.drift = self.cache.drift(candidate.build, key)
            if candidate.drift is None:
                lacking.append(candidate)
        if not lacking:
            return
        many = f"{len(lacking)} builds" if len(lacking) > 1 else lacking[0].build.label
        tell(Stage("drift", f"Comparing {many} with the original"))
        self.search.outlook.say()
        for number, candidate in enumerate(lacking):
            tell(Progress(number, len(lacking), "builds", candidate.build.label))
            async with open_engine(candidate.folder, started=self.search.started) as engine:
                drift = await measure_drift(engine, reference, conversations)
            candidate.drift = {
                "top1_agreement": drift["top1_agreement"],
                "kl_mean": drift["kl_mean"],
                "kl_p95": drift["kl_p95"],
                "perplexity_ratio": drift["perplexity_ratio"],
            }
            self.cache.keep_drift(candidate.build, key, candidate.drift)
