"""How many tokens the prompt has with the question that is being typed, and how many the context has left."""

from collections.abc import Callable
from dataclasses import dataclass

from firstlight_core.documents.messages import Message
from firstlight_core.errors import FirstlightError
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.conversation import Conversation

BYTES_PER_TOKEN = 4
"""English text, roughly; used where the model cannot count."""


@dataclass(frozen=True, slots=True)
class PromptSize:
    """Tokens of the next prompt: the conversation, the template and the typed question."""

    tokens: int
    left: int | None
    """Tokens of context that remain; None where the context is not known."""
    counted: bool
    """Whether the model's own tokenizer counted; else it is an estimate."""

    @property
    def words(self) -> str:
        """The size as a line under the question."""
        about = "" if self.counted else "≈ "
        count = f"prompt {about}{self.tokens:,} token{'s' * (self.tokens != 1)}"
        if self.left is None:
            return count
        if self.left < 0:
            return f"{count} · ! {-self.left:,} too many for the context"
        return f"{count} · {about}{self.left:,} left"


class QuestionSize:
    """Counts what is typed, one request to the model at a time; the newest text is always counted."""

    def __init__(self, chat: Chat, on_change: Callable[[], object]) -> None:
        self._chat = chat
        self._on_change = on_change
        self._text = ""
        self._counting = False
        self.size: PromptSize | None = None
        """None while nothing is typed."""

    async def measure(self, text: str) -> None:
        """Count the prompt with this question; a call while another counts replaces its text."""
        self._text = text
        if self._counting:
            return
        self._counting = True
        try:
            counted = None
            while counted != self._text:
                counted = self._text
                self.size = await self._size(counted) if counted.strip() else None
                self._on_change()
        finally:
            self._counting = False

    async def _size(self, text: str) -> PromptSize:
        conversation = self._chat.first
        messages = next_messages(conversation, text)
        tokens, counted = estimate(messages), False
        if conversation.status == "ready" and not conversation.served:
            try:
                rendered = await conversation.render(messages)
            except FirstlightError:
                pass
            else:
                tokens, counted = rendered["prompt_tokens"], True
        limit = conversation.limit
        return PromptSize(tokens, limit - tokens if limit else None, counted)


def next_messages(conversation: Conversation, question: str) -> list[Message]:
    """Return the messages that the prompt would have with this question."""
    messages = conversation.messages()
    if messages and messages[-1]["role"] == "user":
        messages.pop()
    return [*messages, {"role": "user", "content": question}]


def estimate(messages: list[Message]) -> int:
    """Tokens of these messages, roughly."""
    size = sum(len(message["content"].encode(errors="replace")) for message in messages)
    return -(-size // BYTES_PER_TOKEN)
