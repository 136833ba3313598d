"""A long answer costs the screen as much for its last token as for its first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from firstlight_core.artifact.target import Target
from firstlight_core.inference.transcript import Turn
from firstlight_core.process.events import Event, Reply, Token
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.transcript import LIVE_CHARACTERS, Message
from tests.support.wizard_services import Called, FakeEngine, fake_services
from tests.tui.chat.test_chat import OWN, idle

TOKENS = 20_000


class Pieces(list[str]):
    """Counts how many of its entries are read."""

    read = 0

    def __getitem__(self, index: Any) -> Any:
        piece = super().__getitem__(index)
        self.read += len(piece) if isinstance(index, slice) else 1
        return piece


def test_the_end_of_an_answer_is_found_without_reading_it_all() -> None:
    turn = Turn("assistant", "", pieces=Pieces(f"word{n} " for n in range(TOKENS)))
    whole = "".join(turn.pieces)
    assert isinstance(turn.pieces, Pieces)
    turn.pieces.read = 0
    end = turn.end_of_text(LIVE_CHARACTERS)
    assert whole.endswith(end) and len(end) >= LIVE_CHARACTERS
    assert turn.pieces.read < LIVE_CHARACTERS


@pytest.mark.slow
async def test_a_long_answer_is_painted_in_bounded_parts_and_shown_whole_at_the_end(
    wizard: Callable[..., WizardApp], called: Called
) -> None:
    painted: list[int] = []

    class Endless(FakeEngine):
        async def chat(self, messages: Any, **options: Any) -> AsyncIterator[Event]:
            words = [f"word{n} " for n in range(TOKENS)]
            for index, word in enumerate(words):
                yield Token(word, index, index)
                if index % 500 == 0:
                    # What the screen shows at this moment, after it had its turn.
                    await asyncio.sleep(0)
                    step.paint()
                    newest = list(step.query(Message))[-1].query("#said")
                    painted.extend(len(str(part.render())) for part in newest)
            yield Reply({"text": "".join(words), "finish_reason": "length", "stats": {"a": 1}})

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        yield Endless()

    app = wizard(
        session=OWN, first=ChatStep, services=fake_services(called, open_target=open_target)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await idle(pilot)
        assert isinstance(app.screen, ChatStep)
        step = app.screen
        step.query_one(Ask).text = "go"
        await pilot.press("enter")
        await idle(pilot)
        assert len(painted) > 20 and max(painted) <= LIVE_CHARACTERS + len("… ▌")
        answer = app.workspace.chat.first.answers[-1]
        assert len(answer.pieces) == TOKENS
        assert len(answer.text) > 10 * LIVE_CHARACTERS
        newest = list(step.query(Message))[-1]
        assert len(str(newest.query_one("#said").render())) > 10 * LIVE_CHARACTERS
        assert not newest.has_class("-rich"), "Markdown of this length would hold the screen"
