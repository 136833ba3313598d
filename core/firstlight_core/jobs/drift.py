"""How far an artifact's next-token distributions lie from the original's, on the original's own text."""

from pathlib import Path
from typing import Any

from firstlight_core.errors import CheckFailed
from firstlight_core.jobs.generation import Speaker
from firstlight_core.worker import JobContext


def compare(speaker: Speaker, asked: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Teacher-forced comparison on one prompt.

    Asked: ids (prompt and continuation), prompt_tokens, rows (file), first_row, dtype, vocab.
    Result, one entry a continuation token: kl (nats), agree (same likeliest token), logprob and reference (natural
    log-probability of the token), top (the artifact's likeliest token); cancelled when it was stopped.

    Raises:
        CheckFailed: the artifact computes numbers that are not finite.
        InputRefused: the text does not fit into the context.
    """
    import numpy as np

    ids, start = [int(i) for i in asked["ids"]], int(asked["prompt_tokens"])
    speaker.check_length(ids)
    vocab = int(asked["vocab"])
    count = len(ids) - start
    rows = np.memmap(
        Path(str(asked["rows"])),
        dtype=asked["dtype"],
        mode="r",
        offset=int(asked["first_row"]) * vocab * np.dtype(asked["dtype"]).itemsize,
        shape=(count, vocab),
    )
    result: dict[str, Any] = {"kl": [], "agree": [], "logprob": [], "reference": [], "top": []}
    try:
        speaker.open({"do_sample": False})
        logits = speaker.follow(ids[:start], [], context)
        for at in range(count):
            if logits is None:
                return {"cancelled": True}
            _score(result, logits[None], np.asarray(rows[at : at + 1]), ids[start + at :])
            if at + 1 < count:
                logits = speaker.follow(ids[:start], ids[start : start + at + 1], context)
    except BaseException:
        speaker.forget()
        raise
    return result


def _score(result: dict[str, Any], logits: Any, rows: Any, tokens: list[int]) -> None:
    import numpy as np

    if not np.isfinite(logits).all():
        raise CheckFailed(
            "The artifact computes numbers that are not finite.",
            hint="Convert the model again, at another precision if it stays so.",
        )
    shared = min(logits.shape[1], rows.shape[1])
    own = _log_softmax(logits[:, :shared])
    reference = rows[:, :shared].astype(np.float32)
    kl = (np.exp(reference) * (reference - own)).sum(axis=1, dtype=np.float64)
    top = own.argmax(axis=1)
    agree = top == reference.argmax(axis=1)
    for index in range(len(own)):
        token = tokens[index]
        result["kl"].append(max(0.0, float(kl[index])))
        result["agree"].append(bool(agree[index]))
        result["logprob"].append(float(own[index, token]))
        result["reference"].append(float(reference[index, token]))
        result["top"].append(int(top[index]))


def _log_softmax(logits: Any) -> Any:
    import numpy as np

    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64)).astype(
        np.float32
    )
