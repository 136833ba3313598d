"""Compares two records: which figures became worse, and whether that is more than their scatter."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firstlight_core.documents.comparison import (
    Better,
    ChangeRow,
    ChangeVerdict,
    ComparedSide,
    ComparisonDocument,
    SideFigure,
    Unit,
)
from firstlight_core.documents.history import RecordFacts, RecordSettings, SampleSeries
from firstlight_core.errors import InputRefused
from firstlight_core.history.ratio import RESAMPLES, Ratio, level_of, ratio_of_medians
from firstlight_core.measure.metrics import percentile
from firstlight_core.text import one_line

FEWEST_RUNS = 4
"""From so many earlier runs on their scatter is known well enough to count."""
JUDGED = ("prefill_tps", "ttft_s", "decode_tps", "kl_by_prompt")
"""Figures whose change is judged. TTFT only where there is no prefill rate, which is the same time for an artifact."""
REFUSED_SETTINGS = {
    "new_tokens": "new tokens",
    "prompt_tokens": "prompt tokens",
    "through_foundry": "through Foundry Local",
    "prompts": "the questions",
    "template": "the template",
}
"""Settings that change what a figure means → their name."""
NAMES = {
    "prefill_tps": "prefill",
    "decode_tps": "decode",
    "ttft_s": "TTFT",
    "total_s": "answer",
    "load_s": "load",
    "load_cold_s": "cold load",
    "joules_per_token": "energy",
    "seconds": "conversion",
    "peak_rss_bytes": "peak memory",
    "bytes": "size",
    "kl": "drift (KL)",
    "kl_by_prompt": "drift of a prompt (KL)",
    "top1_agreement": "top-1 agreement",
}
"""Figure → how a reader calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison: a record, or a document that is not in the history."""

    facts: RecordFacts
    machine_fingerprint: str
    versions: dict[str, str]
    id: int | None = None
    recorded_at: str | None = None

    @property
    def name(self) -> str:
        """Name for a sentence."""
        label = one_line(self.facts["label"], 60)
        return f"record {self.id} ({label})" if self.id is not None else label

    def to_json(self) -> ComparedSide:
        """Return its part of the document."""
        return {
            "id": self.id,
            "label": self.facts["label"],
            "recorded_at": self.recorded_at,
            "precision": self.facts["precision"],
        }


def compare(
    before: Side,
    after: Side,
    *,
    across_machines: bool = False,
    earlier: Sequence[RecordFacts] = (),
    resamples: int = RESAMPLES,
) -> ComparisonDocument:
    """Compare the medians of two records; a regression is what lies outside the interval of chance.

    Args:
        across_machines: whether records of different machines are compared.
        earlier: valid records of the same artifact, versions, settings and machine; from `FEWEST_RUNS` of them on their
            scatter from run to run widens the intervals.

    Raises:
        InputRefused: one is void, or they measure different things: another kind, other settings, another machine.
    """
    notes = _check(before, after, across_machines=across_machines)
    groups = list(_groups(before.facts["series"], after.facts["series"]))
    if not groups:
        raise InputRefused(
            f"{_capital(before.name)} and {after.name} have no figure in common.",
            hint="Measure both at the same prompt lengths.",
        )
    judged = sum(group.judged for group in groups)
    level = level_of(judged)
    rows = [_row(group, level, _between_runs(group, earlier), resamples) for group in groups]
    if len(earlier) >= FEWEST_RUNS:
        notes.append(f"The scatter between {len(earlier)} earlier runs widens the intervals.")
    regressions = sum(row["verdict"] == "regression" for row in rows)
    document: ComparisonDocument = {
        "kind": "comparison",
        "ok": not regressions,
        "before": before.to_json(),
        "after": after.to_json(),
        "rows": rows,
        "level": level,
        "regressions": regressions,
        "improvements": sum(row["verdict"] == "improvement" for row in rows),
        "notes": notes,
    }
    if regressions:
        document["error"] = {
            "code": "regression",
            "message": regression_sentence(rows, before, after),
            "hint": "Measure both once more; if it stays, look at what `notes` says has changed.",
        }
    return document


def regression_sentence(rows: Sequence[ChangeRow], before: Side, after: Side) -> str:
    """Return which figures are worse, in one sentence."""
    worse = [row_sentence(row) for row in rows if row["verdict"] == "regression"]
    return f"{_capital(after.name)} is slower or worse than {before.name}: {', '.join(worse)}."


def row_sentence(row: ChangeRow) -> str:
    """Return one change in words: `decode at 128 tokens -5.2 %`."""
    where = ""
    if row["lengths"] > 1:
        where = " over all lengths"
    elif row["prompt_tokens"] is not None:
        where = f" at {row['prompt_tokens']} tokens"
    return f"{NAMES.get(row['measure'], row['measure'])}{where} {change_text(row['ratio'])}"


def change_text(ratio: float) -> str:
    """Return a ratio as a change in percent."""
    return f"{100 * (ratio - 1):+.1f} %"


def _check(before: Side, after: Side, *, across_machines: bool) -> list[str]:
    """Refuse what cannot be compared; return sentences about what differs."""
    for side in (before, after):
        if side.facts["void"]:
            reason = next(iter(side.facts["void_reasons"]), "Its figures are worth nothing.")
            raise InputRefused(
                f"{_capital(side.name)} is void and is not compared. {one_line(reason, 300)}",
                hint="Measure again on a quiet machine: --wait-quiet 300 waits for one.",
            )
    if before.facts["kind"] != after.facts["kind"]:
        raise InputRefused(
            f"{_capital(before.name)} is a {before.facts['kind']} and {after.name} a {after.facts['kind']}.",
            hint="Compare two records of one kind.",
        )
    for key, words in REFUSED_SETTINGS.items():
        old, new = _setting(before.facts["settings"], key), _setting(after.facts["settings"], key)
        if old != new:
            raise InputRefused(
                f"Both were measured with other settings: {words} {one_line(old, 80)} and {one_line(new, 80)}.",
                hint="Measure again with the same settings.",
            )
    notes = []
    if before.machine_fingerprint != after.machine_fingerprint:
        if not across_machines:
            raise InputRefused(
                f"{_capital(before.name)} and {after.name} were measured on different machines.",
                hint="Measure both on one machine, or add --across-machines.",
            )
        notes.append("Both were measured on different machines: the change is also theirs.")
    notes += _differences(before, after)
    return notes


def _differences(before: Side, after: Side) -> Iterator[str]:
    for words, old, new in (
        ("Precision", before.facts["precision"], after.facts["precision"]),
        ("Context", *(s.facts["settings"].get("context") for s in (before, after))),
        ("Threads", *(s.facts["settings"].get("threads") for s in (before, after))),
    ):
        if old != new and old is not None and new is not None:
            yield f"{words}: {old}, then {new}."
    if before.facts["source_fingerprint"] != after.facts["source_fingerprint"]:
        yield "The source models differ, or one of them is not known."
    elif before.facts["artifact_fingerprint"] != after.facts["artifact_fingerprint"]:
        yield "The artifacts differ: one was built anew, or has other options."
    for name in sorted(before.versions.keys() & after.versions.keys()):
        if before.versions[name] != after.versions[name]:
            yield f"{name}: {before.versions[name]}, then {after.versions[name]}."


def _setting(settings: RecordSettings, key: str) -> str:
    values: dict[str, object] = {**settings}
    value = values.get(key)
    return "none" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class _Group:
    """One row to be: a figure at one length, or at all of them."""

    measure: str
    unit: Unit
    better: Better
    lengths: Sequence[int | None]
    before: Sequence[Sequence[float]]
    after: Sequence[Sequence[float]]
    judged: bool


def _groups(before: Sequence[SampleSeries], after: Sequence[SampleSeries]) -> Iterator[_Group]:
    """Figures that both sides have, in their order; a figure at several lengths also as a whole."""
    old = {(entry["measure"], entry["prompt_tokens"]): entry for entry in before}
    new = {(entry["measure"], entry["prompt_tokens"]): entry for entry in after}
    both = [key for key in old if key in new and _comparable(old[key], new[key])]
    for measure in dict.fromkeys(key[0] for key in both):
        keys = [key for key in both if key[0] == measure]
        judged = measure in JUDGED and not (
            measure == "ttft_s" and any(key[0] == "prefill_tps" for key in both)
        )
        if measure in ("ttft_s", "total_s") and not judged:
            continue
        first = old[keys[0]]
        for key in keys:
            yield _Group(
                measure,
                first["unit"],
                first["better"],
                [key[1]],
                [old[key]["samples"]],
                [new[key]["samples"]],
                judged,
            )
        if judged and len(keys) > 1:
            yield _Group(
                measure,
                first["unit"],
                first["better"],
                [key[1] for key in keys],
                [old[key]["samples"] for key in keys],
                [new[key]["samples"] for key in keys],
                judged,
            )


def _comparable(old: SampleSeries, new: SampleSeries) -> bool:
    """Return True if a ratio of medians exists: nothing is missing, and no median is 0."""
    return all(
        entry["samples"] and percentile(entry["samples"], 50) > 0 for entry in (old, new)
    ) and all(math.isfinite(sample) for entry in (old, new) for sample in entry["samples"])


def _between_runs(group: _Group, earlier: Sequence[RecordFacts]) -> float:
    """Standard deviation of the logarithm of a figure over earlier runs; 0 when there are too few to tell."""
    if len(earlier) < FEWEST_RUNS:
        return 0.0
    figures = []
    for facts in earlier:
        medians = [
            percentile(entry["samples"], 50)
            for entry in facts["series"]
            if entry["measure"] == group.measure and entry["prompt_tokens"] in group.lengths
        ]
        if len(medians) == len(group.lengths) and min(medians) > 0:
            figures.append(math.fsum(map(math.log, medians)) / len(medians))
    return statistics.stdev(figures) if len(figures) >= FEWEST_RUNS else 0.0


def _row(group: _Group, level: float, between_runs: float, resamples: int) -> ChangeRow:
    ratio = ratio_of_medians(
        group.before, group.after, level=level, between_runs=between_runs, resamples=resamples
    )
    alone = len(group.before) == 1
    return {
        "measure": group.measure,
        "unit": group.unit,
        "better": group.better,
        "prompt_tokens": group.lengths[0] if alone else None,
        "lengths": len(group.before),
        "before": _figure(group.before[0]) if alone else None,
        "after": _figure(group.after[0]) if alone else None,
        "ratio": ratio.value,
        "interval": list(ratio.interval) if group.judged and ratio.interval is not None else None,
        "detectable": ratio.detectable if group.judged else None,
        "verdict": _verdict(ratio, group) if group.judged else "not-judged",
    }


def _figure(samples: Sequence[float]) -> SideFigure:
    return {
        "median": percentile(samples, 50),
        "low": min(samples),
        "high": max(samples),
        "samples": len(samples),
    }


def _verdict(ratio: Ratio, group: _Group) -> ChangeVerdict:
    if ratio.interval is None:
        return "not-judged"
    low, high = ratio.interval
    if group.better == "higher":
        low, high = 1 / high, 1 / low
    if low > 1:
        return "regression"
    return "improvement" if high < 1 else "no-change"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
