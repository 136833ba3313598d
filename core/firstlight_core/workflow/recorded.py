"""The measuring functions of the core with their memory: what they return is kept in the history.

The wizard, a run without a screen and the verbs of the command line all call these. A result is returned whatever
happens to the history; what went wrong there is a `Notice`.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, cast

from firstlight_core.conversion.convert import convert as convert_once
from firstlight_core.conversion.convert import convert_many as convert_several
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.history import RecordFacts, RecordKind
from firstlight_core.errors import FirstlightError
from firstlight_core.files import JsonObject
from firstlight_core.history.records import (
    bench_records,
    conversion_records,
    new_document,
    quality_records,
    tune_records,
)
from firstlight_core.history.store import HistoryStore
from firstlight_core.measure.benchmark import benchmark as measure_speed
from firstlight_core.measure.benchmark import machine
from firstlight_core.measure.quality import check_quality_of_each as measure_quality
from firstlight_core.process.events import Event, Notice
from firstlight_core.text import one_line
from firstlight_core.tuning.tune import tune as find_fastest

P = ParamSpec("P")
DocumentT = TypeVar("DocumentT", bound=Mapping[str, Any])


def record(
    kind: RecordKind,
    document: DocumentT,
    records_of: Callable[[DocumentT], Sequence[RecordFacts]],
    *,
    on_event: Callable[[Event], None] | None = None,
    store: HistoryStore | None = None,
) -> list[int]:
    """Keep a document in the history; return the ids of its records, none when it could not be kept.

    Whatever goes wrong becomes a sentence: no figure is lost because it could not be kept.
    """
    tell = on_event or (lambda event: None)
    try:
        store = store or HistoryStore()
        if not (records := records_of(document)):
            return []
        numbers = store.add(
            new_document(kind, cast(JsonObject, dict(document)), records, machine())
        )
    except FirstlightError as error:
        tell(Notice(f"Not kept in the history. {error.with_hint}"))
        return []
    except Exception as error:
        tell(Notice(f"Not kept in the history: {one_line(str(error) or repr(error), 200)}."))
        return []
    for note in store.notes:
        tell(Notice(note))
    return numbers


def _recorded(
    kind: RecordKind,
    function: Callable[P, Awaitable[DocumentT]],
    records_of: Callable[[DocumentT], Sequence[RecordFacts]],
) -> Callable[P, Coroutine[None, None, DocumentT]]:
    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> DocumentT:
        parts: list[DocumentT] = []
        if callable(on_stopped := kwargs.get("on_stopped")):

            def keep_part(part: DocumentT) -> None:
                parts.append(part)
                on_stopped(part)

            kwargs["on_stopped"] = keep_part
        events: list[Event] = []

        # Hashes and the disk may take a while; events belong to the loop.
        async def keep(document: DocumentT) -> None:
            await asyncio.to_thread(record, kind, document, records_of, on_event=events.append)

        try:
            document = await function(*args, **kwargs)
        except asyncio.CancelledError:
            for part in parts:
                await keep(part)
            raise
        await keep(document)
        if callable(listener := kwargs.get("on_event")):
            for event in events:
                listener(event)
        return document

    return call


def _single(document: ConversionDocument) -> Sequence[RecordFacts]:
    return conversion_records([document])


benchmark = _recorded("bench", measure_speed, bench_records)
tune = _recorded("tune", find_fastest, tune_records)
check_quality = _recorded("quality", measure_quality, quality_records)
convert = _recorded("conversion", convert_once, _single)
convert_many = _recorded(
    "conversion", convert_several, lambda document: conversion_records(document["results"])
)
