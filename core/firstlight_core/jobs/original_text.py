"""Token sequences on which an artifact is compared with its original: short turns, and one longer than windows."""

import contextlib
from typing import Any

from firstlight_core.documents.conversion import Covered
from firstlight_core.documents.jobs_conversion import Text
from firstlight_core.model.structure_lengths import Lengths

PROMPTS = (
    "What can you do?",
    "Write one sentence about the sea.",
    "What is two plus two?",
)
LONG = (
    "The ferry leaves the island at seven in the morning and comes back before noon. Two people wait on the pier: one "
    "carries a box of apples, the other a letter. Nobody knows why the old lighthouse was painted green in 1962; the "
    "keeper said that 3.5 litres of paint were left over. When the wind turns north, the boats stay in the harbour, the "
    "children count the waves (one, two, three …), and a dog named Bruno sleeps under the bench. def tide(hour): return "
    "hour % 12 < 6. "
)
STEPS = 8
"""Tokens that are appended one by one after each prompt: the path of an answer."""
PLAIN_TOKENS = 96
"""Length of the long text where nothing asks for more."""
BEYOND = 24
"""Tokens by which the long text passes a window or the original rope length."""
MOST_TOKENS = 4_608
"""No long text is longer: it passes the windows of 4,096 that most models with windows have."""
MOST_WORK = 1.2e12
"""Tokens × parameters of the long text: about a minute on two cores for the original."""


def rows_of(text: Text) -> int:
    """Return how many rows of logits a text has."""
    return len(text["ids"]) - text["prompt_tokens"] + 1


def render(tokenizer: Any, prompt: str) -> list[int]:
    """Return the prompt as a chat turn where the tokenizer has a template that can be rendered, else as plain text."""
    if getattr(tokenizer, "chat_template", None):
        with contextlib.suppress(Exception):
            turn = [{"role": "user", "content": prompt}]
            text = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
            return [int(i) for i in tokenizer.encode(text, add_special_tokens=False)]
    return [int(i) for i in tokenizer.encode(prompt)]


def long_ids(tokenizer: Any, lengths: Lengths, parameters: int, rows: int) -> list[int]:
    """Tokens of a plain text that is long enough for the model's windows, and within the cost that a check may have.

    `rows` are those of the token table: no id reaches them.
    """
    ids = [
        i for i in (int(n) for n in tokenizer.encode(LONG, add_special_tokens=False)) if i < rows
    ]
    if not ids:
        return []
    most = min(MOST_TOKENS, int(MOST_WORK / max(parameters, 1)), lengths.context - 1)
    wanted = [n + BEYOND for n in (lengths.window, lengths.rope_length) if n]
    reachable = [n for n in wanted if n <= most]
    length = max([min(PLAIN_TOKENS, most), *reachable])
    return (ids * (length // len(ids) + 1))[:length]


def covered(tokens: int, lengths: Lengths) -> Covered:
    """Return what a text of that many tokens reached."""
    return {
        "tokens": tokens,
        "window": lengths.window,
        "window_passed": None if lengths.window is None else tokens > lengths.window,
        "rope_length": lengths.rope_length,
        "rope_length_passed": None if lengths.rope_length is None else tokens > lengths.rope_length,
    }
