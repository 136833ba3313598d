"""Keys that come while a step is still being put together."""

from typing import cast

from textual import events

from firstlight_tui.terminal.app import TerminalApp
from firstlight_tui.terminal.key_queue import Typed
from firstlight_tui.widgets.screens import BaseScreen


class KeyBufferScreen(BaseScreen[None]):
    """Loses no key: what is typed before anything has the focus waits until something has it."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[events.Key] | None = []
        """None as soon as keys find their own way."""

    @property
    def terminal(self) -> TerminalApp:
        """The application as the receiver of keys."""
        return cast(TerminalApp, self.app)

    def first_focus(self) -> None:
        """Put the focus where the first key should go; override me."""

    def settle_focus(self) -> None:
        """Focus what has none now if it can be, else after the next layout; then let the early keys go."""
        if self.focused is None:
            self.first_focus()
        self.call_after_refresh(self._settle_late)

    def _settle_late(self) -> None:
        if self.gone:
            return
        if self.focused is None:
            self.first_focus()
        # A widget takes the focus in the application's queue, and keys wait in the screen's: first the one, then the
        # other. Where no widget takes it, the keys are the screen's own.
        self.app.call_later(self.call_later, self._let_go)

    def on_key(self, event: events.Key) -> None:
        """Hold a key that has nowhere to go yet."""
        if self._early is not None:
            event.stop()
            event.prevent_default()
            self._early.append(event)
            self.terminal.hold_keys()

    def leave(self) -> None:
        """Close before any widget had the focus: buffered keys go to the next screen."""
        self._let_go()
        super().leave()

    def on_descendant_focus(self) -> None:
        """Something has the focus."""
        self._let_go()

    def _let_go(self) -> None:
        if self._early is not None:
            self.terminal.keys_again(self._early_keys)

    def _early_keys(self) -> list[Typed]:
        early, self._early = self._early, None
        # As the terminal sends them: a key from the screen would rise no higher than to the screen.
        return [events.Key(e.key, e.character).set_sender(self.app) for e in early or ()]
