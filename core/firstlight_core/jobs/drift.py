"""How far an artifact's next-token distributions lie from the original's, computed as a user gets them: token by token."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firstlight_core.documents.jobs_engine import CompareRequest, TokenScores
from firstlight_core.errors import CheckFailed
from firstlight_core.jobs.genai_model import GenaiModel
from firstlight_core.process.context import JobContext

NARROWEST = 32
"""Tokens of a stretch of a short text."""


def compare(model: GenaiModel, request: CompareRequest, context: JobContext) -> TokenScores:
    """Return the scores of one text, teacher-forced.

    The first `prompt_tokens` are prefilled as a prompt is, every following token is decoded alone: quantised models round
    otherwise there.

    Raises:
        CheckFailed: the artifact computes numbers that are not finite.
        InputRefused: the text does not fit into the context.
    """
    import numpy as np

    ids, start = [int(i) for i in request["ids"]], int(request["prompt_tokens"])
    model.check_length(ids)
    vocab = int(request["vocab"])
    rows = np.memmap(
        Path(str(request["rows"])),
        dtype=np.float32,
        mode="r",
        offset=int(request["first_row"]) * vocab * np.dtype(np.float32).itemsize,
        shape=(len(ids) - start, vocab),
    )
    scores = TokenScores(kl=[], agree=[], logprob=[], reference=[], top=[])
    try:
        model.open({"do_sample": False})
        for index, token in enumerate(ids[start:]):
            logits = model.follow(ids[:start], ids[start : start + index], context)
            if logits is None:
                return {**scores, "cancelled": True}
            score_token(scores, logits, rows[index], token)
    except BaseException:
        model.forget()
        raise
    return scores


def score_token(scores: TokenScores, logits: Any, original: Any, token: int) -> None:
    """Add one token's scores, from the logits (vocabulary,) of both that predict it; in float64 throughout.

    A longer vocabulary is cut to the shorter one: builders pad the head, and no token of the padding is ever said.

    Raises:
        CheckFailed: the artifact's logits are not finite.
    """
    import numpy as np

    own = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(own).all():
        raise CheckFailed(
            "The artifact computes numbers that are not finite.",
            hint="Convert the model again, at another precision if it stays so.",
        )
    shared = min(len(own), len(original))
    own = log_softmax(own[:shared])
    reference = log_softmax(np.asarray(original[:shared], dtype=np.float64))
    top = int(own.argmax())
    scores["kl"].append(float((np.exp(reference) * (reference - own)).sum()))
    scores["agree"].append(top == int(reference.argmax()))
    scores["logprob"].append(float(own[token]))
    scores["reference"].append(float(reference[token]))
    scores["top"].append(top)


def log_softmax(logits: Any) -> Any:
    """Natural log-probabilities of float64 logits (vocabulary,)."""
    import numpy as np

    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def stretches(ids: Sequence[int], *, width: int, count: int) -> list[list[int]]:
    """At most `count` stretches of at most `width` tokens, spread evenly over a text.

    A short text is cut narrower, for the interval of its figures comes from how its stretches differ.
    """
    width = min(width, max(NARROWEST, math.ceil(len(ids) / count)))
    whole = [list(ids[at : at + width]) for at in range(0, len(ids), width)]
    if len(whole) > count:
        step = (len(ids) - width) / (count - 1)
        whole = [list(ids[at : at + width]) for at in (round(step * n) for n in range(count))]
    # One token alone predicts nothing.
    return [stretch for stretch in whole if len(stretch) > 1]
