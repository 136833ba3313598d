"""How far two sets of answers are the same: whole texts, and tokens up to the first that differs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firstlight_core.inference.open_target import open_target
from firstlight_core.inference.sampling import Message
from firstlight_core.text import first_difference

ANSWER_TOKENS = 96


async def ask_all(target: str | Path, questions: Sequence[Sequence[Message]]) -> list[str]:
    """The greedy answer to each question."""
    async with open_target(target) as speaker:
        return [
            (await speaker.answer(list(question), greedy=True, max_tokens=ANSWER_TOKENS))["text"]
            for question in questions
        ]


def agreement(left: Sequence[str], right: Sequence[str], tokenizer: Path) -> dict[str, Any]:
    """`{answers, same_text, tokens, same_tokens, share, first_different}`; tokens of `tokenizer.json`."""
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(str(tokenizer))
    total = same = 0
    different: list[dict[str, str]] = []
    for first, other in zip(left, right, strict=True):
        ids = [encoder.encode(text, add_special_tokens=False).ids for text in (first, other)]
        position = first_difference(ids[0], ids[1])
        total += max(len(ids[0]), len(ids[1]))
        same += len(ids[0]) if position is None else position
        if first != other:
            different.append({"left": first, "right": other})
    return {
        "answers": len(left),
        "same_text": len(left) - len(different),
        "tokens": total,
        "same_tokens": same,
        "share": same / max(1, total),
        **({"first_different": different[0]} if different else {}),
    }
