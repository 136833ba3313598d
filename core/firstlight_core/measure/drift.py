"""Drift: how an artifact's predictions differ from the original's, token by token, on the user's prompts and text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from firstlight_core.documents import jobs_engine
from firstlight_core.documents.jobs_engine import TokenScores
from firstlight_core.documents.jobs_reference import Passage
from firstlight_core.documents.measure import (
    DriftDocument,
    DriftExample,
    DriftFigures,
    OwnTextDrift,
)
from firstlight_core.errors import InputRefused
from firstlight_core.inference.engine import Engine
from firstlight_core.measure.drift_words import closeness
from firstlight_core.measure.intervals import mean_interval, share_interval
from firstlight_core.measure.metrics import LARGEST_RATIO, mean, percentile, perplexity_ratio
from firstlight_core.measure.reference import Conversation, Listener, Reference
from firstlight_core.process.events import Progress, Stage
from firstlight_core.text import first_difference

WORST = 3


@dataclass(frozen=True, slots=True)
class ScoredText:
    """One text of the reference and its scores."""

    passage: Passage
    scores: TokenScores
    messages: Conversation = ()
    """The prompt; empty for a stretch of the user's text."""

    @property
    def divergence(self) -> int | None:
        """Index of the first token of the continuation that the artifact would not have chosen."""
        return next((n for n, same in enumerate(self.scores["agree"]) if not same), None)


async def measure_drift(
    engine: Engine,
    reference: Reference,
    conversations: Sequence[Conversation],
    *,
    on_event: Listener | None = None,
) -> DriftDocument:
    """Measure the drift on prompts.

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
    texts: list[ScoredText] = []
    skipped = equal = 0
    for number, (passage, messages) in enumerate(
        zip(reference.prompts, conversations, strict=True)
    ):
        scores = await _score(engine, reference, passage)
        if scores is None:
            skipped += 1
            continue
        own = await engine.render(messages)
        equal += own["ids"] == passage["ids"][: passage["prompt_tokens"]]
        texts.append(ScoredText(passage, scores, messages))
        tell(Progress(number + 1, len(reference.prompts), "prompts"))
    return await _document(engine, reference, texts, skipped=skipped, equal=equal)


async def measure_own_text(
    engine: Engine, reference: Reference, *, on_event: Listener | None = None
) -> OwnTextDrift:
    """Measure the drift on the user's own text.

    Raises:
        FirstlightError: as `measure_drift`.
    """
    tell = on_event or (lambda event: None)
    tell(Stage("own-text", "Comparing on your text"))
    texts: list[ScoredText] = []
    for number, passage in enumerate(reference.prompts):
        if (scores := await _score(engine, reference, passage)) is not None:
            texts.append(ScoredText(passage, scores))
        tell(Progress(number + 1, len(reference.prompts), "stretches"))
    if not texts:
        raise InputRefused(
            "The text does not fit into the artifact's context.", hint="Give it a longer one."
        )
    scored = [text.scores for text in texts]
    return {
        **drift_figures(scored),
        "perplexity": {
            "original": _perplexity([row["reference"] for row in scored]),
            "artifact": _perplexity([row["logprob"] for row in scored]),
        },
        "stretches": len(texts),
        "text_tokens": reference.text_tokens,
        "reference_cached": reference.cached,
    }


def drift_figures(scored: Sequence[TokenScores]) -> DriftFigures:
    """Return the figures of several texts together.

    The intervals of KL and perplexity are absent for fewer than `intervals.FEWEST_GROUPS` texts.
    """
    kl = [value for row in scored for value in row["kl"]]
    agree = [value for row in scored for value in row["agree"]]
    figures: DriftFigures = {
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


def _perplexity(logprobs: Sequence[Sequence[float]]) -> float:
    lost = -mean([value for text in logprobs for value in text])
    return math.exp(min(lost, math.log(LARGEST_RATIO)))


async def _score(engine: Engine, reference: Reference, passage: Passage) -> TokenScores | None:
    """Return the scores of one text; None when it does not fit into the artifact's context."""
    try:
        return await engine.call(
            jobs_engine.COMPARE(
                {
                    "ids": passage["ids"],
                    "prompt_tokens": passage["prompt_tokens"],
                    "first_row": passage["first_row"],
                    "rows": str(reference.rows),
                    "vocab": reference.vocab,
                }
            )
        )
    except InputRefused:
        return None


async def _document(
    engine: Engine,
    reference: Reference,
    texts: Sequence[ScoredText],
    *,
    skipped: int,
    equal: int,
) -> DriftDocument:
    scored = [text for text in texts if text.scores["kl"]]
    if not scored:
        raise InputRefused(
            "None of the prompts fits into the artifact's context, so there is no drift to measure.",
            hint="Use shorter prompts.",
        )
    figures = drift_figures([text.scores for text in scored])
    diverged = [position for text in scored if (position := text.divergence) is not None]
    worst = sorted(scored, key=lambda text: mean(text.scores["kl"]), reverse=True)[:WORST]
    level, sure = closeness(figures)
    document = {
        **figures,
        "prompts": len(scored),
        "prompts_equal": equal,
        "prompts_skipped": skipped,
        "prompts_diverged": len(diverged),
        "first_divergence": min(diverged) if diverged else None,
        "reference_cached": reference.cached,
        "kl_by_prompt": [mean(text.scores["kl"]) for text in scored],
        "worst": [await _example(engine, text) for text in worst],
        "closeness": level,
        "closeness_sure": sure,
    }
    return cast(DriftDocument, document)


async def _example(engine: Engine, text: ScoredText) -> DriftExample:
    """Return one prompt with the original's answer and the artifact's."""
    passage = text.passage
    continuation = passage["ids"][passage["prompt_tokens"] :]
    own = await engine.answer(text.messages, greedy=True, max_tokens=len(continuation))
    return {
        "prompt": text.messages[-1]["content"],
        "kl_mean": mean(text.scores["kl"]),
        "original": passage["text"],
        "artifact": own["text"],
        "first_divergence": text.divergence,
        "texts_differ_at": first_difference(passage["text"], own["text"]),
    }
