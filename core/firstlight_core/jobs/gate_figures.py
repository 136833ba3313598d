"""How far the logits of an artifact lie from its original's: figures only, what they mean is judged elsewhere."""

from collections.abc import Sequence
from typing import Any

from firstlight_core.documents.conversion import Agreement, Distance, SpokenText
from firstlight_core.documents.jobs_conversion import OriginalAnswer, Reference
from firstlight_core.text import visible


def read_rows(path: str, reference: Reference) -> Any:
    """Return the rows of a file of logits: float32 (positions, vocabulary)."""
    import numpy as np

    vocab = int(reference["vocab"])
    return np.memmap(path, dtype=np.float32, mode="r").reshape(-1, vocab)


def distance(rows: Sequence[Any], wanted: Any) -> Distance:
    """Return how far rows of logits lie from those of the original, computed in float64."""
    import numpy as np

    if len(rows) != len(wanted):
        raise ValueError(f"{len(rows)} rows of logits against {len(wanted)}")
    errors: list[float] = []
    kls: list[float] = []
    same = 0
    for made, own in zip(rows, wanted, strict=True):
        shared = min(len(made), len(own))
        logits, expected = (np.asarray(row[:shared], dtype=np.float64) for row in (made, own))
        same += int(logits.argmax()) == int(expected.argmax())
        logs = [row - row.max() for row in (logits, expected)]
        logs = [row - np.log(np.exp(row).sum()) for row in logs]
        kls.append(float((np.exp(logs[1]) * (logs[1] - logs[0])).sum()))
        logits, expected = logits - logits.mean(), expected - expected.mean()
        errors.append(
            float(np.linalg.norm(logits - expected)) / max(float(np.linalg.norm(expected)), 1e-12)
        )
    return {
        "positions": len(errors),
        "error_max": max(errors),
        "error_median": float(np.median(errors)),
        "kl_mean": float(np.mean(kls)),
        "kl_max": max(kls),
        "top1": same / len(errors),
    }


def agreed(rows: Sequence[Any], reference: Reference, tokenizer: Any) -> Agreement:
    """Walk along the original's greedy answers: how often is its next token the artifact's first choice too?"""
    import numpy as np

    agreed = close = positions = same = 0
    texts: list[SpokenText] = []
    answers = reference["answers"]
    for answer, text in zip(answers, reference["texts"], strict=False):
        hits = []
        for index, token in enumerate(answer["answer"]):
            logits = rows[text["first_row"] + index]
            hits.append(int(logits.argmax()) == token)
            rank = int((logits > logits[token]).sum())
            close += rank < max(10, len(logits) // 100)
        agreed += sum(hits)
        positions += len(hits)
        same += all(hits)
        texts.append(
            {
                "prompt": answer["prompt"],
                "original": visible(tokenizer.decode(np.asarray(answer["answer"], dtype=np.int32))),
                "same_tokens": hits.index(False) if False in hits else len(hits),
            }
        )
    return {
        "top1": round(agreed / positions, 4),
        "near": round(close / positions, 4),
        "positions": positions,
        "same_answers": same,
        "prompts": len(answers),
        "original_dtype": str(reference["dtype"]),
        "texts": texts,
        "plain": distance(rows, read_rows(reference["rows"], reference)),
        "pieces": _same_pieces(answers, tokenizer),
    }


def _same_pieces(answers: Sequence[OriginalAnswer], tokenizer: Any) -> float:
    """Share of the prompts' tokens that both tokenizers turn into the same text, space at the ends aside."""
    import numpy as np

    same: list[bool] = []
    for answer in answers:
        for token, piece in zip(answer["ids"], answer["pieces"], strict=True):
            plain = piece.strip(" ▁")
            if plain and "\ufffd" not in plain:
                own = str(tokenizer.decode(np.asarray([token], dtype=np.int32)))
                # A runtime may leave control tokens out of a text.
                same.append(own.strip(" ▁") in (plain, ""))
    return sum(same) / len(same) if same else 1.0
