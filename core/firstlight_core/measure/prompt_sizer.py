"""The prompts of the benchmark: one text repeated to the wanted length, with an uncached beginning."""

import time
from collections.abc import Sequence

from firstlight_core.documents.messages import Message

BENCH_TEXT = (
    "A small language model runs where its user is: on a laptop, a phone, a machine in a hall without a network. "
    "It answers from its own weights, so nothing leaves the device, and the time to the first word depends on the "
    "length of the prompt while the speed of the rest depends on the memory that feeds the processor. "
)
"""Repeated up to the wanted length."""
TRIAL_WORDS = (8, 40)
"""Prompts of these lengths tell how many tokens a word takes, and how many the chat template adds."""
TOKENS_A_WORD = 1.33
"""Before a server is measured: a common figure for English text."""


class PromptSizer:
    """Prompts of a wanted length in tokens, for servers that only report counts.

    Every prompt begins differently, in every run too: servers keep the KV cache of prompts that they have seen, and
    the time to the first token would be that of a look-up.
    """

    def __init__(self, salt: str | None = None) -> None:
        self._salt = salt if salt is not None else f"{time.time_ns() // 1000 % 16**8:08x}"
        self._number = 0
        self._added = 0.0
        self._each = TOKENS_A_WORD
        self.calibrated = False
        """Whether the tokens of a word are measured, not assumed."""

    def learn(self, counts: Sequence[tuple[int, int]]) -> None:
        """Learn from pairs of words and tokens; two different lengths define the line."""
        (few, low), (many, high) = min(counts), max(counts)
        if many > few and high > low:
            self._each = (high - low) / (many - few)
            self._added = low - few * self._each
            self.calibrated = True

    def words(self, tokens: int) -> int:
        """Return the number of words for a prompt of this many tokens; at least one."""
        return max(1, round((tokens - self._added) / self._each))

    def conversation(self, words: int) -> list[Message]:
        """Return a question with this many words after a unique beginning."""
        self._number += 1
        text = BENCH_TEXT.split()
        body = " ".join((text * (words // len(text) + 1))[:words])
        return [{"role": "user", "content": f"{self._salt}-{self._number}: {body}"}]
