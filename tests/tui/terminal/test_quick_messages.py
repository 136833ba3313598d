"""Messages reach their handlers as in Textual, in its order."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Button

from firstlight_tui.terminal import quick_messages
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL


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
