"""The calibration's one pass: every matrix is rounded on what the original hands it, and each once."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from firstlight_core.jobs.one_pass import round_in_one_pass
from tests.support.lazy_modules import at_first_use, installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed("torch"), reason="needs the conversion tools"),
]
torch = at_first_use("torch")

WIDTH = 8


def decoder_of_two_layers() -> Any:
    """A causal network whose classes need torch, which is loaded here."""

    class Layer(torch.nn.Module):  # type: ignore[misc]
        """Query and key have one input, the output another; what went before is summed up."""

        def __init__(self) -> None:
            super().__init__()
            for name in ("query", "key", "output"):
                matrix = torch.nn.Linear(WIDTH, WIDTH, bias=False)
                matrix.quant_info = name
                setattr(self, name, matrix)

        def forward(self, states: Any) -> Any:
            return states + self.output(torch.tanh(self.query(states) * self.key(states)).cumsum(1))

    class Decoder(torch.nn.Module):  # type: ignore[misc]
        """A causal network of two such layers."""

        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(20, WIDTH)
            self.layers = torch.nn.ModuleList([Layer(), Layer()])
            self.shapes: list[tuple[int, ...]] = []

        def forward(self, input_ids: Any, use_cache: bool, attention_mask: Any = None) -> Any:
            self.shapes.append(tuple(input_ids.shape))
            states = self.table(input_ids)
            for layer in self.layers:
                states = layer(states)
            return SimpleNamespace(last_hidden_state=states)

    return Decoder()


def network_of(decoder: Any, head: Any) -> Any:
    return SimpleNamespace(base_model=decoder, get_output_embeddings=lambda: head)


def test_each_matrix_is_rounded_on_what_the_original_hands_it() -> None:
    torch.manual_seed(0)
    decoder, rows = decoder_of_two_layers(), [[3, 1, 4, 1, 5], [9, 2, 6, 5], [3, 5, 8]]
    samples: list[tuple[Any, Any]] = []
    rounded: list[Any] = []
    original = copy.deepcopy(decoder)

    def round_module(matrix: Any) -> None:
        rounded.append(matrix)
        matrix.weight.data = torch.round(matrix.weight.data * 4) / 4

    def take(matrix: Any, given: tuple[Any, ...], made: Any) -> None:
        assert matrix not in rounded
        samples.append((matrix, given[0]))

    states = round_in_one_pass(
        network_of(decoder, torch.nn.Linear(WIDTH, 20)),
        rows,
        take_input=take,
        round_module=round_module,
    )
    wanted = [getattr(layer, n) for layer in decoder.layers for n in ("query", "key", "output")]
    assert rounded == wanted
    assert [matrix for matrix, _ in samples] == wanted
    # The sum of inputs is computed once for matrices of one input: they must get the very same one.
    assert samples[0][1] is samples[1][1]
    assert samples[0][1] is not samples[2][1]
    assert all(len(given) == 12 for _, given in samples)
    # A few tokens to see which matrices have one input, and the text.
    assert decoder.shapes == [(1, 2), (3, 5)]
    seen: list[list[Any]] = []
    for layer in original.layers:
        for name in ("query", "key", "output"):
            seen.append([])
            getattr(layer, name).register_forward_pre_hook(
                lambda m, given, own=seen[-1]: own.append(given[0][0])
            )
    with torch.no_grad():
        alone = [
            original(torch.tensor([row]), use_cache=False).last_hidden_state[0] for row in rows
        ]
    for (_, given), expected in zip(samples, seen, strict=True):
        assert torch.allclose(torch.cat(expected), given, atol=1e-5)
    assert torch.allclose(torch.cat(alone), states, atol=1e-5)


def test_short_rows_fill_up_the_batch_of_a_long_one() -> None:
    decoder, counts = decoder_of_two_layers(), []
    states = round_in_one_pass(
        network_of(decoder, torch.nn.Linear(WIDTH, 20)),
        [[1, 2], [3] * 9, [4] * 5, [5, 6]],
        take_input=lambda matrix, given, made: counts.append(len(given[0])),
        round_module=lambda matrix: None,
    )
    assert decoder.shapes == [(1, 2), (2, 9)]
    assert set(counts) == {len(states)} == {18}


def test_a_head_that_the_configuration_rounds_too_comes_last() -> None:
    head, rounded = torch.nn.Linear(WIDTH, 20), []
    head.quant_info = "head"
    decoder = decoder_of_two_layers()
    round_in_one_pass(
        network_of(decoder, head),
        [[1, 2, 3]],
        take_input=lambda *_: None,
        round_module=rounded.append,
    )
    assert rounded[-1] is head
    assert len(rounded) == 7


def test_nothing_of_it_stays_on_the_network_when_it_fails() -> None:
    decoder = decoder_of_two_layers()

    def fail(matrix: Any) -> None:
        raise RuntimeError

    network = network_of(decoder, torch.nn.Linear(WIDTH, 20))
    with pytest.raises(RuntimeError):
        round_in_one_pass(network, [[1, 2]], take_input=lambda *_: None, round_module=fail)
    decoder(torch.tensor([[1, 2]]), use_cache=False)
