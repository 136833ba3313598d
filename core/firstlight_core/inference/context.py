"""How long a context may be: what the model holds, what the memory affords, and what was chosen, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.errors import OutOfMemory, UsageError
from firstlight_core.monitor import available_memory
from firstlight_core.text import bytes_text

DEFAULT_CONTEXT = 2048
"""Tokens; the course's `max_length`. The KV cache for all of them is allocated up front."""
SHARE_OF_MEMORY = 0.8
"""Share of the available memory; the rest is for activations and other programs."""
MIN_CONTEXT = 256
"""Tokens; a shorter one is of no use for a conversation: then memory is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The context that an artifact is loaded with. Lengths in tokens, prompt and answer together; sizes in bytes."""

    length: int
    why: str
    longest: int
    """The context length of the model in tokens."""
    affordable: int
    """The longest whose KV cache fits into the memory that is available now."""
    kv_bytes_per_token: int
    needed: int
    """Weights and KV cache, the least that loading takes."""
    available: int

    @property
    def memory_sentence(self) -> str:
        """Return the memory that it takes and the memory that there is."""
        return (
            f"needs at least {bytes_text(self.needed)}; {bytes_text(self.available)} is available"
        )

    @property
    def kv_bytes(self) -> int:
        """The KV cache of the whole context."""
        return self.length * self.kv_bytes_per_token

    @property
    def sentence(self) -> str:
        """All of it in words."""
        cache = (
            f"KV cache {bytes_text(self.kv_bytes_per_token)} a token, {bytes_text(self.kv_bytes)} in all; "
            if self.kv_bytes_per_token
            else ""
        )
        return (
            f"{self.length} tokens of context, {self.why}; {cache}"
            f"the model holds {self.longest}, memory affords {self.affordable}."
        )


def choose_context(
    artifact: Artifact, wanted: int | None, *, available: Callable[[], int] = available_memory
) -> Context:
    """Return the context for `wanted` tokens; for None the course's 2048, or less where model or memory hold less.

    Raises:
        UsageError: the model cannot hold what is wanted.
        OutOfMemory: the weights and this KV cache, the least that loading takes, are more than is available.
    """
    longest, left = artifact.context_length, available()
    per_token = artifact.kv_bytes_per_token
    room = max(0, int(SHARE_OF_MEMORY * left) - artifact.bytes)
    affordable = min(longest, room // per_token) if per_token else longest
    if wanted is not None:
        if not 2 <= wanted <= longest:
            raise UsageError(
                f"A context of {wanted} tokens is not possible with this model.",
                hint=f"Choose between 2 and {longest}.",
            )
        length, why = wanted, "as you asked"
    elif longest <= DEFAULT_CONTEXT:
        length, why = longest, "all that the model holds"
    else:
        length, why = DEFAULT_CONTEXT, "the course's max_length"
    if wanted is None and MIN_CONTEXT <= affordable < length:
        length, why = affordable, "what the available memory affords"
    least = artifact.bytes + length * per_token
    chosen = Context(
        length=length,
        why=why,
        longest=longest,
        affordable=affordable,
        kv_bytes_per_token=per_token,
        needed=least,
        available=left,
    )
    if least > left:
        raise OutOfMemory(
            f"This artifact {chosen.memory_sentence}.",
            hint="Close other programs, or choose a smaller precision or a shorter context.",
        )
    return chosen
