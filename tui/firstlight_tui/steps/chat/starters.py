"""Questions to begin with, shown while nothing has been asked."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Button

from firstlight_tui.widgets.words import Words

QUESTIONS = (
    "What is int4 quantization?",
    "Name three colours as a JSON list.",
    "Which is smaller on disk, int4 or int8, and why?",
)
"""A fact, a form and a reason: what people try first."""
STARTER_KEYS = {str(number): question for number, question in enumerate(QUESTIONS, 1)}


class Starters(Vertical):
    """One line for each question; its digit, a click, or for the first one Enter asks it."""

    DEFAULT_CSS = """
    Starters { height: auto; padding: 0 1; }
    Starters Words { color: $foreground-muted; }
    Starters Button { width: auto; text-align: left; }
    """

    @dataclass
    class Chosen(Message):
        """A question was clicked."""

        question: str

    def compose(self) -> ComposeResult:
        yield Words("Type a question, or press 1, 2 or 3 for one of these.")
        for number, question in STARTER_KEYS.items():
            yield Button(f"{number}  {question}", id=f"starter-{number}", compact=True)

    def on_mount(self) -> None:
        """Leave the focus to the question field: the digits ask."""
        for button in self.query(Button):
            button.can_focus = False

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Ask the question of the button."""
        event.stop()
        self.post_message(self.Chosen(STARTER_KEYS[str(event.button.id)[-1]]))
