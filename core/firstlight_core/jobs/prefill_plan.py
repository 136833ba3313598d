"""How a prompt is cut into appends, so that the same prompt gives the same logits, to the last bit, every time.

onnxruntime computes one token with other kernels than several, and rounds otherwise there. A quantised model rounds its
activations once more, so the last bit of one layer becomes a visible difference some layers on: the logits of SmolLM2 in INT4 move by
up to 1.05, and greedy answers differ. Three things would let that happen from one time to the next: chunks whose size
follows the load of the machine, a last chunk of a single token, and a KV cache in which an earlier answer was
decoded token by token. A plan that depends on nothing but the prompt's length and the model rules out all three.
Measured on the sample and on SmolLM2 (INT4, INT8, FP32, with 1 to 4 threads): rows that are computed with at least one other are
bit-equal for every chunking, except that the kernel for 4 bits in blocks of 64 and more takes rows by twos and the last of an odd
number alone, with another order of its sums. So a chunk that others follow has a multiple of four rows. Attention works in tiles of 128 rows, so one append of 129 or 257 tokens computes its last row alone
too: Foundry Local, which appends the whole prompt, answers SmolLM2's INT4 otherwise there, and only there.
"""

from collections.abc import Mapping, Sequence

_CHUNKS = ((150_000_000, 128), (300_000_000, 64), (600_000_000, 32))
"""Multiply-adds of a token up to which a chunk has so many tokens: 0.1 to 0.25 s on two cores at 200 to 280 giga-operations
a second (measured in INT4: 128 tokens of SmolLM2-135M or Gemma 3 270M take 0.14 s). Larger chunks gain nothing more there."""
_SMALLEST = 16
_TILE = 4
"""Rows that a kernel may compute together: a chunk that another follows holds no part of a tile."""


def chunk_tokens(model: Mapping[str, object], *, head_once: bool = False) -> int:
    """Tokens of one append, from the `model` of a `genai_config.json`: stopping waits for one append.

    It follows the model's size and never the clock. 12 h^2 weights a layer are usual for a hidden width of h;
    the output head counts where it is computed for every token of a prompt, which `head_once` denies.
    """
    decoder = model.get("decoder")
    decoder = decoder if isinstance(decoder, Mapping) else {}
    named = (decoder.get("hidden_size"), decoder.get("num_hidden_layers"), model.get("vocab_size"))
    width, layers, vocabulary = (n if isinstance(n, int) and n > 0 else 0 for n in named)
    work = 12 * layers * width**2 + (0 if head_once else vocabulary * width)
    return next((tokens for limit, tokens in _CHUNKS if work <= limit), _SMALLEST)


def chunk_ends(count: int, size: int, *, start: int = 0) -> list[int]:
    """Return where the chunks of `count` prompt tokens end, the first beginning at `start`; no chunk but a whole prompt
    has a single token, the last but one leaves it a tile of its own. A chunk never exceeds `size`, a multiple of a tile,
    for attention computes row 129 of an append alone.
    """
    ends = [*range(start + size, count, size), count]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1:
        ends[-2] -= _TILE
    return ends


def is_repeatable(search: Mapping[str, object]) -> bool:
    """Return whether these search options give the same answer each time: no sampling, or sampling from a seed."""
    drawn = search.get("do_sample", False) and search.get("top_k") != 1
    return not drawn or is_seeded(search)


def is_seeded(search: Mapping[str, object]) -> bool:
    """Return whether tokens are drawn with random numbers that a seed begins; -1 is none."""
    seed = search.get("random_seed", -1)
    return bool(search.get("do_sample", False)) and isinstance(seed, int) and seed >= 0


def common_prefix(held: Sequence[int], wanted: Sequence[int]) -> int:
    """Return how many tokens at the start of both are equal."""
    shorter = min(len(held), len(wanted))
    if held[:shorter] == wanted[:shorter]:
        return shorter
    return next(i for i in range(shorter) if held[i] != wanted[i])
