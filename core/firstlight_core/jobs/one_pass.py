"""One pass of a text through a network, in which every matrix is rounded once its input is known.

Olive's pass computes each layer twice, once with the weights as they are and once with the rounded ones, and gives all
layers the positions of the first, which are not those of the global layers of Gemma 3. Here the whole text goes through
the network itself, in one batch, and every matrix is rounded on what the original hands it (docs/int4.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

InputHook = Callable[[Any, tuple[Any, ...], Any], None]


def round_in_one_pass(
    network: Any,
    rows: Sequence[Sequence[int]],
    *,
    take_input: InputHook,
    round_module: Callable[[Any], None],
) -> Any:
    """Round the matrices that have a `quant_info`; return what the output head gets (tokens, width).

    `take_input` is called for each matrix with what goes into it, then `round_module`; the matrices of one input one after
    the other.
    """
    import torch

    rows = _side_by_side(rows)
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    real = mask.bool()
    handles = []

    def rounding(matrices: Sequence[Any]) -> Callable[[Any, tuple[Any, ...], Any], None]:
        done = False

        def after(module: Any, given: tuple[Any, ...], made: Any) -> None:
            nonlocal done
            if done:
                return
            done = True
            inputs = given[0][real]
            for matrix in matrices:
                take_input(matrix, (inputs,), None)
            for matrix in matrices:
                round_module(matrix)

        return after

    decoder = network.base_model
    with torch.no_grad():
        for matrices in _by_input(decoder, ids[:1, :2]):
            # The last of one input: what all of them make of it is computed by then.
            handles.append(matrices[-1].register_forward_hook(rounding(matrices)))
        try:
            made = decoder(input_ids=ids, attention_mask=mask, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
    states = made.last_hidden_state[real]
    head = network.get_output_embeddings()
    if hasattr(head, "quant_info"):
        take_input(head, (states,), None)
        round_module(head)
    return states


def _side_by_side(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the rows, short ones one behind the other: few tokens of the batch are only there to fill it up."""
    longest = max(map(len, rows))
    filled: list[list[int]] = []
    for row in sorted(rows, key=len, reverse=True):
        room = next((other for other in filled if len(other) + len(row) <= longest), None)
        if room is None:
            filled.append(list(row))
        else:
            room.extend(row)
    return filled


def _by_input(decoder: Any, ids: Any) -> list[list[Any]]:
    """Return the matrices in the order of their work, those of one input together."""
    groups: list[list[Any]] = []
    last: Any = None

    def note(module: Any, given: tuple[Any, ...]) -> None:
        nonlocal last
        if given[0] is last:
            groups[-1].append(module)
        else:
            groups.append([module])
        last = given[0]

    matrices = [module for module in decoder.modules() if hasattr(module, "quant_info")]
    handles = [matrix.register_forward_pre_hook(note) for matrix in matrices]
    try:
        decoder(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return groups
