"""Whether the transcript keeps up with a fast model: from the moment a token is due to the drawing that shows it.

The wizard runs in a pseudo-terminal on an engine that speaks by the clock: its words are their own numbers, in batches of
30 ms as the real engine sends them. 20,000 tokens at 1,000 a second show whether a token costs more the longer the answer is.
"""

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.measuring import Figure
from bench.terminal import Terminal, words_of
from firstlight_core.process.events import Event, Reply, Token

RUNS = ((200, 2_000), (1_000, 20_000))
"""Tokens a second, tokens."""
BATCH_SECONDS = 0.03
TARGET = "p99 <= 0.15 s, and no more at the end than at the beginning"
_NUMBER = re.compile(rb"(?<!\d)\d{6}(?!\d)")


class ClockEngine:
    """Says 000000, 000001 … at a fixed rate, whatever the screen does."""

    pid = None
    alive = True
    loaded = {"load_s": 0.0, "max_length": 10**6, "context_length": 10**6}

    def __init__(self, rate: int, tokens: int, begun: Path) -> None:
        self._rate, self._tokens, self._begun = rate, tokens, begun

    async def chat(self, messages: object, **options: object) -> AsyncIterator[Event]:
        """Every token at its time, or as soon afterwards as the loop lets it."""
        start = time.monotonic()
        self._begun.write_text(str(start))
        sent = 0
        while sent < self._tokens:
            await asyncio.sleep(BATCH_SECONDS)
            due = min(self._tokens, int((time.monotonic() - start) * self._rate))
            for number in range(sent, due):
                yield Token(f"{number:06d} ", number, number)
            sent = due
        yield Reply({"text": "", "finish_reason": "length", "stats": {"new_tokens": sent}})

    async def cancel(self) -> None:
        """It cannot be stopped."""

    async def render(self, messages: object) -> dict[str, Any]:
        """Nothing to show."""
        return {"text": "", "ids": [], "pieces": [], "prompt_tokens": 1}


def measure() -> list[Figure]:
    """The lag of every drawing that shows a new token, at both rates."""
    figures = []
    for rate, tokens in RUNS:
        lags = stream(rate, tokens)
        quarter = len(lags) // 4
        name = f"token to redraw at {rate} tokens/s, {tokens} tokens"
        figures.append(Figure(name=name, unit="s", samples=tuple(lags), target=TARGET))
        figures.append(
            Figure(
                name=f"{name}, the last quarter",
                unit="s",
                samples=tuple(lags[-quarter:]),
                against="the first quarter",
                against_samples=tuple(lags[:quarter]),
            )
        )
    return figures


def stream(rate: int, tokens: int) -> list[float]:
    """Seconds between the time at which the newest token on the screen was due and its drawing, drawing by drawing.

    Raises:
        RuntimeError: the last token is not drawn within ten seconds after its time.
    """
    with tempfile.TemporaryDirectory() as home:
        begun = Path(home) / "begun"
        line = [sys.executable, "-m", "bench.streaming"]
        terminal = Terminal(home, (str(rate), str(tokens), begun), command=line)
        try:
            terminal.wait_for(b"Ask the model", b"0 of")
            terminal.rest(1.0)
            terminal.press(b"count\r")
            lags: list[float] = []
            newest, tail = -1, b""
            until = time.monotonic() + tokens / rate + 10.0
            while newest < tokens - 1:
                if time.monotonic() > until:
                    raise RuntimeError(f"token {newest} of {tokens} is the last that was drawn")
                tail = tail[-256:] + terminal.read(0.5)
                seen = time.monotonic()
                number = max(
                    (int(number_text) for number_text in _NUMBER.findall(words_of(tail))),
                    default=-1,
                )
                if newest < number < tokens:
                    newest = number
                    lags.append(seen - float(begun.read_text()) - number / rate)
            return lags
        finally:
            terminal.close()


def wizard(rate: int, tokens: int, begun: Path) -> None:
    """The wizard on its chat, with an engine that speaks by the clock."""
    from firstlight_core.session import Session
    from firstlight_core.workflow.services import Services
    from firstlight_tui.app import WizardApp
    from firstlight_tui.start import run_wizard
    from firstlight_tui.steps.chat.screen import ChatStep
    from firstlight_tui.terminal.idle import IdleTasks

    @asynccontextmanager
    async def open_target(*_: object, **options: object) -> AsyncIterator[ClockEngine]:
        yield ClockEngine(rate, tokens, begun)

    services = Services(open_target=open_target)
    session = Session(artifact="/models/clock")
    app = WizardApp(session=session, first=ChatStep, services=services, idle=IdleTasks())
    run_wizard(app)


if __name__ == "__main__":
    wizard(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
