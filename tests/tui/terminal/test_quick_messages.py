"""Messages reach the handlers that Textual would find, in its order."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from textual import events, messages, on
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, DataTable, Input

from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.terminal import quick_messages
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

KINDS: tuple[Callable[[Widget], Message], ...] = (
    lambda part: events.Compose(),
    lambda part: events.Mount(),
    lambda part: events.Idle(),
    lambda part: events.Key("enter", None),
    lambda part: messages.Prune(),
    lambda part: Button.Pressed(Button(id="primary")),
    lambda part: Input.Submitted(Input(id="path"), "x"),
    lambda part: DataTable.RowHighlighted(DataTable(), 0, None),  # type: ignore[arg-type]
)


@pytest.mark.slow
@pytest.mark.parametrize("step", list_screens(), ids=lambda step: step.STEP_ID)
async def test_the_handlers_are_those_of_textual(wizard: Build, step: type[StepScreen]) -> None:
    app = wizard(session=FULL, first=step)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        several = 0
        for part in app.screen.walk_children(Widget, with_self=True):
            for kind in KINDS:
                message = kind(part).set_sender(part)
                name = "on_idle" if isinstance(message, events.Idle) else message.handler_name
                handlers = list(quick_messages._bound(part, name, message))
                assert handlers == list(quick_messages._search(part, name, message))
                several += len(handlers) > 1
        assert several


async def test_a_handler_that_prevents_the_default_is_the_last(wizard: Build) -> None:
    heard: list[str] = []

    class Base(Widget):
        def on_key(self, event: events.Key) -> None:
            heard.append(f"base {event.key}")

    class Part(Base):
        can_focus = True

        def compose(self) -> ComposeResult:
            yield Button("One", id="one")

        def on_key(self, event: events.Key) -> None:
            heard.append(f"part {event.key}")
            if event.key == "x":
                event.prevent_default()

        @on(Button.Pressed, "#one")
        def _one(self) -> None:
            heard.append("one")

        @on(Button.Pressed, "#two")
        def _two(self) -> None:
            heard.append("two")

    app = wizard(session=FULL)
    async with app.run_test() as pilot:
        await settle(pilot)
        await app.screen.mount(part := Part())
        for key in ("x", "z"):
            part.post_message(events.Key(key, key))
        part.query_one(Button).press()
        await settle(pilot)
    assert heard == ["part x", "part z", "base z", "one"]


def test_parameters_are_counted_as_their_signature_says() -> None:
    class Thing:
        def method(self, event: object, other: int = 0) -> None: ...

        @classmethod
        def of_the_class(cls, *more: int) -> None: ...

    def keyed(one: int, *, two: int, **rest: int) -> None: ...

    @wraps(keyed)
    def wrapped(*given: Any) -> None: ...

    everything: list[Callable[..., Any]] = [
        Thing().method,
        Thing.of_the_class,
        keyed,
        wrapped,
        lambda: None,
        lambda a, *b: None,
        partial(keyed, 1),
        print,
    ]
    for function in everything:
        assert quick_messages._count(function) == quick_messages._count_by_signature(function)
