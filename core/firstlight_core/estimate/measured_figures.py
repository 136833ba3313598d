"""The measurements of each precision: conversions, benchmarks and drifts, joined by the artifact's folder."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.measure import DriftFigures
from firstlight_core.files import JsonObject, JsonValue
from firstlight_core.ledger import Entry
from firstlight_core.measure.drift_words import closeness
from firstlight_core.measure.quoted_length import quoted_index
from firstlight_core.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The measurements of one artifact; None is "not measured"."""

    precision: str
    artifact: str
    bytes: int | None = None
    seconds: float | None = None
    """Duration of the conversion."""
    peak_rss_bytes: int | None = None
    """The most resident memory of the conversion."""
    load_s: float | None = None
    prompt_tokens: int | None = None
    """Length of the prompt that TTFT, prefill and decode belong to."""
    ttft_s: float | None = None
    prefill_tps: float | None = None
    decode_tps: float | None = None
    decode_range: tuple[float, float] | None = None
    """Slowest and fastest repetition, in tokens a second."""
    run_rss_bytes: int | None = None
    """The most resident memory of the process that ran it."""
    void: bool = False
    """Whether the benchmark is void (a busy or sleeping machine)."""
    kl_mean: float | None = None
    """Mean KL divergence from the original, in nats a token."""
    top1_agreement: float | None = None
    closeness: str = ""
    """`very-close`, `close`, `noticeable` or `far`, in Quality's words; empty when the drift was not measured."""
    usable: bool | None = None
    """Quality's verdict: False is "Not good enough"."""
    measured_at: str = ""
    """UTC, ISO 8601, of figures from the history; empty for those of this run."""
    drifted: bool = False
    """Whether the distance from the original alone made it not good enough: every check passed."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """Documents of the steps in the order in which they were made."""

    documents: tuple[tuple[str, JsonObject], ...]
    """Pairs of step (`convert`, `benchmark`, `quality`) and document."""

    @classmethod
    def of(cls, session: Session, entries: Iterable[Entry] = ()) -> "Measurements":
        """Return the measurements of the run's ledger, then those of the session.

        The ledger remembers what the session had to forget when another artifact was chosen.
        """
        documents: list[tuple[str, JsonObject]] = [
            (entry.step, dict(entry.values))
            for entry in entries
            if entry.step in ("convert", "benchmark", "quality")
            and (entry.status == "done" or _is_verdict(entry))
        ]
        known = {_folder(a.get("artifact")) for step, a in documents if step == "convert"}
        documents = [
            *(
                ("convert", cast(JsonObject, a))
                for a in session.artifacts
                if _folder(a["artifact"]) not in known
            ),
            *documents,
        ]
        for step, document in (("benchmark", session.benchmark), ("quality", session.quality)):
            if document is not None:
                documents.append((step, cast(JsonObject, document)))
        return cls(tuple(documents))


def measured_figures(
    artifacts: Sequence[ConversionDocument], measurements: Measurements | Session
) -> dict[str, Figures]:
    """Return the newest figures of each artifact by precision; those from before a new conversion are dropped."""
    if isinstance(measurements, Session):
        measurements = Measurements.of(measurements)
    figures = {
        _folder(document["artifact"]): converted_figures(cast(JsonObject, document))
        for document in artifacts
        if document.get("artifact") and document.get("precision")
    }
    for step, document in measurements.documents:
        if step == "convert" and (folder := _folder(document.get("artifact"))) in figures:
            old = figures[folder]
            figures[folder] = converted_figures({**document, "precision": old.precision})
        elif step == "benchmark":
            for result in _list(document.get("results")):
                _join(figures, result, partial(with_speeds, void=bool(document.get("void"))))
        elif step == "quality":
            several = _list(document.get("artifacts"))
            for result in several or [document]:
                _join(figures, result, with_quality)
    return {figure.precision: figure for figure in figures.values()}


def _is_verdict(entry: Entry) -> bool:
    """Return whether a failed entry is a quality check that ran and failed; an error has no checks."""
    return entry.step == "quality" and not {"checks", "artifacts"}.isdisjoint(entry.values)


def _join(
    figures: dict[str, Figures],
    result: JsonObject,
    add: Callable[[Figures, JsonObject], Figures],
) -> None:
    for name in ("folder", "target"):
        if (folder := _folder(result.get(name))) in figures:
            figures[folder] = add(figures[folder], result)
            return


def _folder(text: JsonValue) -> str:
    return str(Path(str(text))) if text else ""


def _list(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def converted_figures(document: JsonObject) -> Figures:
    """Return the figures of a conversion's document."""
    return Figures(
        precision=str(document["precision"]),
        artifact=_folder(document["artifact"]),
        bytes=_whole(_inner(document, "bytes")),
        seconds=_inner(document, "seconds"),
        peak_rss_bytes=_whole(_inner(document, "peak_rss_bytes")),
    )


def with_speeds(figures: Figures, result: JsonObject, *, void: bool) -> Figures:
    """Return the figures with what a benchmark measured."""
    figures = replace(
        figures,
        void=void,
        load_s=_inner(result, "load_s"),
        run_rss_bytes=_whole(_inner(result.get("rss_bytes"), "peak")),
    )
    lengths = [(_whole(_inner(case, "prompt_tokens")), case) for case in _list(result.get("cases"))]
    quoted = quoted_index([length for length, _case in lengths])
    if quoted is None:
        return figures
    length, case = lengths[quoted]
    decode = case.get("decode_tps")
    low, high = _inner(decode, "min"), _inner(decode, "max")
    return replace(
        figures,
        prompt_tokens=length,
        ttft_s=_inner(case.get("ttft_s"), "median"),
        prefill_tps=_inner(case.get("prefill_tps"), "median"),
        decode_tps=_inner(decode, "median"),
        decode_range=(low, high) if low is not None and high is not None else None,
    )


def with_quality(figures: Figures, result: JsonObject) -> Figures:
    """Return the figures with what a quality check measured."""
    drift, usable = result.get("drift"), result.get("ok")
    if (kl_mean := _inner(drift, "kl_mean")) is not None:
        figures = replace(figures, kl_mean=kl_mean)
    if (agreement := _inner(drift, "top1_agreement")) is not None:
        figures = replace(figures, top1_agreement=agreement)
    if isinstance(drift, dict) and {"top1_agreement", "perplexity_ratio"} <= _known(drift):
        figures = replace(figures, closeness=closeness(cast(DriftFigures, drift))[0])
    if isinstance(usable, bool):
        failed = any(check.get("status") == "fail" for check in _list(result.get("checks")))
        drifted = not usable and not failed and drift is not None
        figures = replace(figures, usable=usable, drifted=drifted)
    return figures


def _known(drift: JsonObject) -> set[str]:
    """Return the figures that a drift has."""
    return {str(name) for name, value in drift.items() if isinstance(value, int | float)}


def _inner(values: JsonValue, name: str) -> float | None:
    """Return the number of this name; None when there is none."""
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, int | float) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
