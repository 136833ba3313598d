"""Announce changes of the state to the screens, without knowing Textual."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

News = TypeVar("News")


class Subscriber(Protocol):
    """A node of the screen, or a double of one."""

    @property
    def is_running(self) -> bool:
        """Whether it takes calls."""
        ...

    @property
    def is_attached(self) -> bool:
        """Whether it is part of a running application."""
        ...

    def call_next(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call `callback` once the current message has been handled."""
        ...


class Signal(Generic[News]):
    """One kind of news; a subscriber that has gone is forgotten."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[News], object]] = []
        self._subscriptions: WeakKeyDictionary[Subscriber, list[Callable[[News], object]]] = (
            WeakKeyDictionary()
        )

    def subscribe(self, subscriber: Subscriber, callback: Callable[[News], object]) -> None:
        """Call `callback` with everything that is published while `subscriber` runs.

        A callback holds its subscriber, a step with all its parts; news may never come, so those that have gone are
        let go here, too.
        """
        self._forget_gone()
        self._subscriptions.setdefault(subscriber, []).append(callback)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Drop all callbacks of a subscriber."""
        self._subscriptions.pop(subscriber, None)

    def listen(self, callback: Callable[[News], object]) -> Callable[[], None]:
        """Call `callback` with everything that is published, at once; returns the function that ends this."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def publish(self, news: News) -> None:
        """Tell every listener, then every subscriber in its own turn."""
        for listener in list(self._listeners):
            listener(news)
        self._forget_gone()
        for subscriber, callbacks in list(self._subscriptions.items()):
            for callback in callbacks:
                subscriber.call_next(callback, news)

    def _forget_gone(self) -> None:
        for subscriber in list(self._subscriptions):
            # `_pruning` is Textual's mark of a node whose parts are being removed.
            if (
                not subscriber.is_running
                or not subscriber.is_attached
                or getattr(subscriber, "_pruning", False)
            ):
                self.unsubscribe(subscriber)
