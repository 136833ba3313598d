"""Random Enter, Esc, Ctrl+C, q and Ctrl+Q in the real wizard; `python -m firstlight_dev stray-keys` presses 500."""

import sys

import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal"),
]


def test_twenty_stray_keys_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.stray_keys import main

    code = main(20, 11, ("model", "convert"))
    output = capsys.readouterr().out
    assert code == 0, output
    assert "20 keys" in output
