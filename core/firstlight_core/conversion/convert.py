"""Converts a model folder to artifacts: preflight, Olive in a child, the gate, one atomic publish each."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.conversion.plan import ConversionPlan, plan_conversion
from firstlight_core.conversion.work import (
    BuiltArtifact,
    ConversionWork,
    Document,
    Listen,
    Started,
)
from firstlight_core.errors import FirstlightError
from firstlight_core.precision.table import DEFAULT_PRECISION

__all__ = [
    "ConversionPlan",
    "convert",
    "convert_many",
    "convert_plans",
    "plan_conversion",
]
OnDone = Callable[[ConversionPlan, Document], None]


async def convert(
    source: str | Path,
    output: str | Path,
    *,
    precision: str = DEFAULT_PRECISION,
    method: str = "config",
    config: Mapping[str, Any] | None = None,
    calibration: str | Path | None = None,
    force: bool = False,
    on_event: Listen = None,
    started: Started = None,
    olive: str | None = None,
) -> Document:
    """Convert `source` and publish the artifact as `output`; the document of SPEC 2.

    `{artifact, precision, bytes, seconds, olive_load_seconds, peak_rss_bytes, peak_rss_by_stage{build, check},
    olive_peak_rss_bytes, command, smoke{tokens, text}, method, built, source{path, fingerprint}, total_seconds}`;
    `seconds` are those of Olive, loading it included, `total_seconds` those of everything. `peak_rss_bytes` is the most
    resident memory of all processes that the conversion starts, added up: Olive, the original and the check. `calibration` names
    the text of a calibrated precision. `olive` replaces the Olive entry point (default: `FIRSTLIGHT_OLIVE`). `force` goes on where
    only an estimate or a red numbers gate stands against it.

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
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
    on_event: Listen = None,
    on_done: Callable[[str, Document], None] | None = None,
    started: Started = None,
    olive: str | None = None,
) -> Document:
    """Convert to several precisions, `{precision: output}`, with Olive loaded once.

    `configs` holds edited configurations of method `config` by precision. A precision that fails does not stop the
    others. `on_done` is told each precision with its document, or with `{"error": {...}}`.
    Returns `{ok, results[], failures[]: {precision, error}, total_seconds}`.

    Raises:
        FirstlightError: a plan, the source or an output is refused before anything has begun.
    """
    plans = [
        plan_conversion(
            source, output, precision=key, method=method, config=(configs or {}).get(key)
        )
        for key, output in outputs.items()
    ]

    def tell(plan: ConversionPlan, document: Document) -> None:
        if on_done is not None:
            on_done(plan.precision.key, document)

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
) -> Document:
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
        self.results: list[Document] = []
        self.failures: list[Document] = []

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
            outcome: Document | FirstlightError = await self._work.settle(built, quiet=quiet)
        except FirstlightError as error:
            outcome = error
        self._tell(built.plan, outcome)

    def _tell(self, plan: ConversionPlan, outcome: Document | FirstlightError) -> None:
        if isinstance(outcome, FirstlightError):
            outcome = {"error": outcome.to_json()}
            self.failures.append({"precision": plan.precision.key, **outcome})
        else:
            self.results.append(outcome)
        self._on_done(plan, outcome)
