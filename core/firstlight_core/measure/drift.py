"""Drift: how an artifact's predictions differ from the original's, token by token, on the user's prompts and text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from firstlight_core.errors import InputRefused
from firstlight_core.inference.engine import Engine
from firstlight_core.measure.intervals import mean_interval, share_interval
from firstlight_core.measure.metrics import LARGEST_RATIO, mean, percentile, perplexity_ratio
from firstlight_core.measure.reference import Conversation, Listener, Reference
from firstlight_core.process.events import Progress, Stage
from firstlight_core.text import first_difference

WORST = 3
Scored = Mapping[str, Any]
"""One text: the lists of `jobs.drift.TokenScores`, and its entry of the reference."""


async def measure_drift(
    engine: Engine,
    reference: Reference,
    conversations: Sequence[Conversation],
    *,
    on_event: Listener | None = None,
) -> dict[str, Any]:
    """The drift document: the figures of `drift_figures`, first_divergence, worst[3] and what was compared.

    Everything is measured on the tokens of the original's greedy continuations, teacher-forced, as a user gets them: the
    prompt prefilled, then token by token. `prompts_equal` counts the prompts that the artifact's own tokenizer and
    template turn into the very same tokens.

    Raises:
        CheckFailed: the artifact computes numbers that are not finite.
        InputRefused: no prompt fits into the artifact's context.
        JobDied: the engine died.
    """
    tell = on_event or (lambda event: None)
    tell(Stage("drift", "Comparing with the original"))
    rows: list[dict[str, Any]] = []
    skipped = equal = 0
    for number, (entry, messages) in enumerate(zip(reference.prompts, conversations, strict=True)):
        scored = await _score(engine, reference, entry)
        if scored is None:
            skipped += 1
            continue
        own = await engine.render(messages)
        equal += own["ids"] == entry["ids"][: int(entry["prompt_tokens"])]
        rows.append({**scored, "messages": messages})
        tell(Progress(number + 1, len(reference.prompts), "prompts"))
    return await _document(engine, reference, rows, skipped=skipped, equal=equal)


async def measure_own_text(
    engine: Engine, reference: Reference, *, on_event: Listener | None = None
) -> dict[str, Any]:
    """`drift.own_text`: the figures of `drift_figures` on the user's text, perplexity {original, artifact}, stretches, and
    text_tokens (of the whole text).

    Raises:
        FirstlightError: as `measure_drift`.
    """
    tell = on_event or (lambda event: None)
    tell(Stage("own-text", "Comparing on your text"))
    scored = []
    for number, entry in enumerate(reference.prompts):
        if (scores := await _score(engine, reference, entry)) is not None:
            scored.append(scores)
        tell(Progress(number + 1, len(reference.prompts), "stretches"))
    if not scored:
        raise InputRefused(
            "The text does not fit into the artifact's context.", hint="Give it a longer one."
        )
    figures = drift_figures(scored)
    return {
        **figures,
        "perplexity": {
            "original": _perplexity(scored, "reference"),
            "artifact": _perplexity(scored, "logprob"),
        },
        "stretches": len(scored),
        "text_tokens": reference.text_tokens,
        "reference_cached": reference.cached,
    }


def drift_figures(scored: Sequence[Scored]) -> dict[str, Any]:
    """top1_agreement, kl_mean and kl_p95 (nats), perplexity_ratio, tokens; and the 95 % intervals top1_interval, kl_interval
    and perplexity_interval as [low, high], the last two absent for fewer than `intervals.FEWEST_GROUPS` texts.
    """
    kl = [value for row in scored for value in row["kl"]]
    agree = [value for row in scored for value in row["agree"]]
    figures: dict[str, Any] = {
        "top1_agreement": sum(agree) / len(agree),
        "top1_interval": list(share_interval([row["agree"] for row in scored])),
        "kl_mean": mean(kl),
        "kl_p95": percentile(kl, 95),
        "perplexity_ratio": perplexity_ratio(
            [value for row in scored for value in row["logprob"]],
            [value for row in scored for value in row["reference"]],
        ),
        "tokens": len(kl),
    }
    if (interval := mean_interval([row["kl"] for row in scored])) is not None:
        # A divergence is never negative, but for rounding.
        figures["kl_interval"] = [max(min(0.0, mean(kl)), interval[0]), interval[1]]
    lost = [
        [before - after for before, after in zip(row["reference"], row["logprob"], strict=True)]
        for row in scored
    ]
    if (interval := mean_interval(lost)) is not None:
        figures["perplexity_interval"] = [
            math.exp(min(end, math.log(LARGEST_RATIO))) for end in interval
        ]
    return figures


def _perplexity(scored: Sequence[Scored], whose: str) -> float:
    lost = -mean([value for row in scored for value in row[whose]])
    return math.exp(min(lost, math.log(LARGEST_RATIO)))


async def _score(
    engine: Engine, reference: Reference, entry: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The scores of one text; None when it does not fit into the artifact's context."""
    try:
        scored = await engine.request(
            "compare",
            ids=entry["ids"],
            prompt_tokens=int(entry["prompt_tokens"]),
            first_row=entry["first_row"],
            rows=str(reference.rows),
            vocab=reference.vocab,
        )
    except InputRefused:
        return None
    return {**scored, "entry": entry}


async def _document(
    engine: Engine,
    reference: Reference,
    rows: Sequence[dict[str, Any]],
    *,
    skipped: int,
    equal: int,
) -> dict[str, Any]:
    scored = [row for row in rows if row["kl"]]
    if not scored:
        raise InputRefused(
            "None of the prompts fits into the artifact's context, so there is no drift to measure.",
            hint="Use shorter prompts.",
        )
    diverged = [position for row in scored if (position := _divergence(row)) is not None]
    worst = sorted(scored, key=lambda row: mean(row["kl"]), reverse=True)[:WORST]
    return {
        **drift_figures(scored),
        "prompts": len(scored),
        "prompts_equal": equal,
        "prompts_skipped": skipped,
        "prompts_diverged": len(diverged),
        "first_divergence": min(diverged) if diverged else None,
        "reference_cached": reference.cached,
        "worst": [await _example(engine, row) for row in worst],
    }


def _divergence(row: Mapping[str, Any]) -> int | None:
    """Index of the first token of the continuation that the artifact would not have chosen."""
    return next((index for index, same in enumerate(row["agree"]) if not same), None)


async def _example(engine: Engine, row: Mapping[str, Any]) -> dict[str, Any]:
    """One prompt side by side: what the original said, what the artifact says."""
    entry = row["entry"]
    continuation = entry["ids"][int(entry["prompt_tokens"]) :]
    own = await engine.answer(row["messages"], greedy=True, max_tokens=len(continuation))
    return {
        "prompt": row["messages"][-1]["content"],
        "kl_mean": mean(row["kl"]),
        "original": entry["text"],
        "artifact": own["text"],
        "first_divergence": _divergence(row),
        "texts_differ_at": first_difference(entry["text"], own["text"]),
    }
