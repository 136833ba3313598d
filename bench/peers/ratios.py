"""Ratios of two subjects of one run, round by round, and whether a target is reached."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.document import Run, valid_samples
from bench.peers.models import LLAMA, LLAMA_FORMATS, Metric, Target, llama_name


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of the rounds' ratios, and the smallest and largest of them."""

    median: float
    low: float
    high: float


def samples_of(run: Run, subject: str, metric: str) -> list[float]:
    """Return the samples of one subject that are not void; none where it was not measured."""
    for entry in run["subjects"]:
        if entry["subject"] == subject:
            return valid_samples(run, entry["figures"].get(metric, []))
    return []


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> Ratio | None:
    """Return the ratio of samples that were taken in the same rounds; None where there are none."""
    if not ours or len(ours) != len(theirs):
        return None
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def fastest_llama(run: Run, metric: Metric) -> str:
    """Return the name of llama.cpp's format with the highest median rate."""
    medians = {
        name: statistics.median(samples)
        for name in map(llama_name, LLAMA_FORMATS)
        if (samples := samples_of(run, name, metric))
    }
    return max(medians, key=medians.__getitem__, default=llama_name(LLAMA_FORMATS[0]))


def target_ratio(run: Run, target: Target) -> tuple[str, Ratio | None]:
    """Return what a target is held to in this run, and the measured ratio; a void run gives none."""
    against = fastest_llama(run, target.metric) if target.against == LLAMA else target.against
    if run["void_reasons"]:
        return against, None
    ours = samples_of(run, target.subject, target.metric)
    return against, ratio_of(ours, samples_of(run, against, target.metric))
