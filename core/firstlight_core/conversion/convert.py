"""Converts a model folder to artifacts: preflight, Olive in a child, the gate, one atomic publish each."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from firstlight_core.conversion.calibration_choice import text_for
from firstlight_core.conversion.inspected_source import InspectedSource
from firstlight_core.conversion.plan import ConversionPlan, plan_conversion
from firstlight_core.conversion.work import (
    BuiltArtifact,
    ConversionWork,
    Listen,
    Started,
)
from firstlight_core.documents.conversion import (
    ConversionDocument,
    ConversionFailure,
    ConversionOutcome,
    ConversionsDocument,
    FailedPrecision,
    OliveConfig,
)
from firstlight_core.errors import FirstlightError
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision

__all__ = [
    "ConversionPlan",
    "convert",
    "convert_many",
    "convert_plans",
    "plan_conversion",
]
OnDone = Callable[[ConversionPlan, ConversionOutcome], None]


async def convert(
    source: str | Path,
    output: str | Path,
    *,
    precision: str = DEFAULT_PRECISION,
    method: str = "config",
    config: OliveConfig | None = None,
    calibration: str | Path | None = None,
    force: bool = False,
    on_event: Listen = None,
    started: Started = None,
    olive: str | None = None,
) -> ConversionDocument:
    """Convert `source` and publish the artifact as `output`.

    `calibration` names the text that weights are rounded on. `olive` replaces the Olive entry point (default:
    `FIRSTLIGHT_OLIVE`). `force` goes on where only an estimate or a red numbers gate stands against it.

    Raises:
        UsageError: an unknown precision, method or configuration.
        ModelRefused: the source cannot be converted.
        InputRefused: the output is not to be written.
        FirstlightError: the conversion failed; an earlier output is untouched.
    """
    begun = time.perf_counter()
    plan = plan_conversion(
        source, output, precision=precision, method=method, config=config, calibration=calibration
    )
    work = ConversionWork([plan], force=force, on_event=on_event, started=started, olive=olive)
    async with work:
        document = await work.settle(await work.build(plan))
    document["total_seconds"] = round(time.perf_counter() - begun, 3)
    return document


async def convert_many(
    source: str | Path,
    outputs: Mapping[str, str | Path],
    *,
    method: str = "config",
    configs: Mapping[str, OliveConfig] | None = None,
    calibration: str | Path | None = None,
    force: bool = False,
    on_event: Listen = None,
    on_done: Callable[[str, ConversionOutcome], None] | None = None,
    started: Started = None,
    olive: str | None = None,
) -> ConversionsDocument:
    """Convert to several precisions, `{precision: output}`, with Olive loaded once.

    `configs` holds edited configurations of method `config` by precision; `calibration` names the text of those
    that are rounded on one. A precision that fails does not stop the others. `on_done` gets each precision with its document, or with its failure.

    Raises:
        FirstlightError: a plan, the source or an output is refused before anything has begun.
    """
    plans: list[ConversionPlan] = []
    inspected: InspectedSource | None = None
    for key, output in outputs.items():
        config = (configs or {}).get(key)
        plan = plan_conversion(
            source,
            output,
            precision=key,
            method=method,
            config=config,
            calibration=text_for(find_precision(key), calibration, config),
            inspected=inspected,
        )
        inspected = plan.inspected or inspected
        plans.append(plan)

    def tell(plan: ConversionPlan, outcome: ConversionOutcome) -> None:
        if on_done is not None:
            on_done(plan.precision.key, outcome)

    return await convert_plans(
        plans, force=force, on_event=on_event, on_done=tell, started=started, olive=olive
    )


async def convert_plans(
    plans: Sequence[ConversionPlan],
    *,
    force: bool = False,
    on_event: Listen = None,
    on_done: OnDone | None = None,
    started: Started = None,
    olive: str | None = None,
) -> ConversionsDocument:
    """Carry out plans of one source with Olive loaded once; as `convert_many`, the same precision more than once.

    Raises:
        FirstlightError: the source or an output is refused before anything has begun.
    """
    begun = time.perf_counter()
    work = ConversionWork(list(plans), force=force, on_event=on_event, started=started, olive=olive)
    async with work:
        queue = _Queue(work, on_done or (lambda plan, document: None))
        await queue.run(list(plans))
    seconds = round(time.perf_counter() - begun, 3)
    return {
        "ok": not queue.failures,
        "results": queue.results,
        "failures": queue.failures,
        "total_seconds": seconds,
    }


class _Queue:
    """Builds one plan after the other, while the one before is checked and published beside it."""

    def __init__(self, work: ConversionWork, on_done: OnDone) -> None:
        self._work = work
        self._on_done = on_done
        self._settling: asyncio.Task[None] | None = None
        self.results: list[ConversionDocument] = []
        self.failures: list[FailedPrecision] = []

    async def run(self, plans: list[ConversionPlan]) -> None:
        try:
            for index, plan in enumerate(plans):
                try:
                    built = await self._work.build(plan)
                except FirstlightError as error:
                    await self._settled()
                    self._tell(plan, error)
                    continue
                await self._settled()
                last = index + 1 == len(plans)
                beside = not last and self._work.roomy(plans[index + 1])
                self._settling = asyncio.create_task(self._settle(built, quiet=beside))
                if not beside:
                    await self._settled()
            await self._settled()
        except BaseException:
            if self._settling is not None:
                self._settling.cancel()
                await asyncio.wait({self._settling})
            raise

    async def _settled(self) -> None:
        if self._settling is not None:
            await self._settling
            self._settling = None

    async def _settle(self, built: BuiltArtifact, *, quiet: bool) -> None:
        try:
            outcome: ConversionDocument | FirstlightError = await self._work.settle(
                built, quiet=quiet
            )
        except FirstlightError as error:
            outcome = error
        self._tell(built.plan, outcome)

    def _tell(self, plan: ConversionPlan, outcome: ConversionDocument | FirstlightError) -> None:
        if isinstance(outcome, FirstlightError):
            failure: ConversionFailure = {"kind": "failure", "error": outcome.to_json()}
            self.failures.append({"precision": plan.precision.key, **failure})
            self._on_done(plan, failure)
        else:
            self.results.append(outcome)
            self._on_done(plan, outcome)
