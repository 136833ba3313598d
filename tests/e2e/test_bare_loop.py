"""The bare loop that `firstlight bench` is compared with: the same answer in one piece and in an engine's pieces."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.bare_loop import BareLoop
from bench.peers.speed import engine_piece
from firstlight_core.inference.session_options import session_options

pytestmark = [pytest.mark.real, pytest.mark.slow]
IDS = tuple(range(300, 350))


def test_a_prompt_in_pieces_is_the_same_prompt(artifact: Callable[[], Path]) -> None:
    loop = BareLoop(artifact(), session_options({}))
    try:
        whole, pieces = (loop.answer(IDS, 8, 64, piece) for piece in (None, 16))
    finally:
        loop.close()
    assert pieces["text"] == whole["text"] != ""
    assert pieces["prefill_tps"] > 0 and pieces["decode_tps"] > 0


def test_the_pieces_are_those_of_an_engine(artifact: Callable[[], Path]) -> None:
    assert engine_piece(artifact()) == 128
