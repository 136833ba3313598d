"""What was measured of each precision so far: conversions, benchmarks and drifts, joined by the artifact's folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from firstlight_core.documents.measure import DriftFigures
from firstlight_core.ledger import Entry
from firstlight_core.measure.drift_words import closeness
from firstlight_core.session import Session

Document = Mapping[str, Any]

PROMPT_TOKENS = 128
"""The table quotes one prompt length: of the measured ones, that which is nearest to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of one artifact; None is "not measured"."""

    precision: str
    artifact: str
    bytes: int | None = None
    seconds: float | None = None
    """What the conversion took."""
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
    drifted: bool = False
    """Whether the distance from the original alone made it not good enough: every check passed."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """Documents of the steps in the order in which they were made."""

    documents: tuple[tuple[str, Document], ...]
    """Pairs of step (`convert`, `benchmark`, `quality`) and document."""

    @classmethod
    def of(cls, session: Session, entries: Iterable[Entry] = ()) -> "Measurements":
        """Those of the run's ledger, then those that the session holds.

        The ledger remembers what the session had to forget when another artifact was chosen.
        """
        documents = [
            (entry.step, entry.values)
            for entry in entries
            if entry.step in ("convert", "benchmark", "quality")
            and (entry.status == "done" or _is_verdict(entry))
        ]
        known = {_folder(a.get("artifact")) for step, a in documents if step == "convert"}
        documents = [
            *(("convert", a) for a in session.artifacts if _folder(a["artifact"]) not in known),
            *documents,
        ]
        for step, document in (("benchmark", session.benchmark), ("quality", session.quality)):
            if document is not None:
                documents.append((step, document))
        return cls(tuple(documents))


def measured_figures(
    artifacts: Sequence[Document], measurements: Measurements | Session
) -> dict[str, Figures]:
    """The newest figures of each artifact by precision; what was measured before a new conversion is forgotten."""
    if isinstance(measurements, Session):
        measurements = Measurements.of(measurements)
    figures = {
        _folder(document["artifact"]): _converted(document)
        for document in artifacts
        if document.get("artifact") and document.get("precision")
    }
    for step, document in measurements.documents:
        if step == "convert" and (folder := _folder(document.get("artifact"))) in figures:
            old = figures[folder]
            figures[folder] = _converted({**document, "precision": old.precision})
        elif step == "benchmark":
            for result in _list(document.get("results")):
                _join(figures, result, _speeds(result, void=bool(document.get("void"))))
        elif step == "quality":
            several = _list(document.get("artifacts"))
            for result in several or [document]:
                _join(figures, result, _quality(result))
    return {figure.precision: figure for figure in figures.values()}


def _is_verdict(entry: Entry) -> bool:
    """Whether a failed entry is a quality check that ran and failed; an error has no checks."""
    return entry.step == "quality" and not {"checks", "artifacts"}.isdisjoint(entry.values)


def _join(figures: dict[str, Figures], result: Document, fields: dict[str, Any]) -> None:
    for name in ("folder", "target"):
        if (folder := _folder(result.get(name))) in figures:
            figures[folder] = replace(figures[folder], **fields)
            return


def _folder(text: Any) -> str:
    return str(Path(str(text))) if text else ""


def _list(value: Any) -> list[Document]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _converted(document: Document) -> Figures:
    return Figures(
        precision=str(document["precision"]),
        artifact=_folder(document["artifact"]),
        bytes=document.get("bytes"),
        seconds=document.get("seconds"),
        peak_rss_bytes=document.get("peak_rss_bytes"),
    )


def _speeds(result: Document, *, void: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"void": void, "load_s": result.get("load_s")}
    fields["run_rss_bytes"] = _inner(result.get("rss_bytes"), "peak")
    cases = [case for case in _list(result.get("cases")) if case.get("prompt_tokens")]
    if cases:
        case = min(cases, key=lambda c: abs(int(c["prompt_tokens"]) - PROMPT_TOKENS))
        fields["prompt_tokens"] = int(case["prompt_tokens"])
        for name in ("ttft_s", "prefill_tps", "decode_tps"):
            fields[name] = _inner(case.get(name), "median")
        low, high = (_inner(case.get("decode_tps"), end) for end in ("min", "max"))
        fields["decode_range"] = (low, high) if low is not None and high is not None else None
    return fields


def _quality(result: Document) -> dict[str, Any]:
    drift = result.get("drift")
    names = ("kl_mean", "top1_agreement")
    fields: dict[str, Any] = {
        name: value for name in names if (value := _inner(drift, name)) is not None
    }
    if isinstance(drift, Mapping) and {"top1_agreement", "perplexity_ratio"} <= _known(drift):
        fields["closeness"] = closeness(cast(DriftFigures, drift))[0]
    usable = result.get("ok")
    if isinstance(usable, bool):
        failed = any(check.get("status") == "fail" for check in _list(result.get("checks")))
        fields |= {"usable": usable, "drifted": not usable and not failed and drift is not None}
    return fields


def _known(drift: Document) -> set[str]:
    """The figures that a drift has."""
    return {str(name) for name, value in drift.items() if isinstance(value, int | float)}


def _inner(values: Any, name: str) -> Any:
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, int | float) else None
