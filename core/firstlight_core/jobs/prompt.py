"""Encode a conversation; control tokens that a user typed stay plain text where the tokenizer supports it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firstlight_core.documents.inference import TypedControl
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.template.control_tokens import ControlTokens
from firstlight_core.text import visible

Encode = Callable[[str], list[int]]
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A rendered conversation and its tokens."""

    text: str
    ids: list[int]
    control: list[str]
    """Control tokens of the model that the user wrote as text."""
    spelled: bool
    """Whether they were encoded as text; else the model reads them as what they stand for."""

    def typed_control(self) -> TypedControl:
        """Return what a reply says of them; empty when there are none."""
        if not self.control:
            return {}
        return {"special_in_content": self.control, "special_as_text": self.spelled}


def make_prompt(
    conversation: ChatTemplate,
    control: ControlTokens,
    messages: Sequence[Message],
    encode: Encode,
    decode: Decode,
) -> EncodedPrompt:
    """Return the prompt of these messages in the tokens that `encode` makes.

    Raises:
        TemplateRefused: the template refuses this conversation, or does not come to an end.
        InputRefused: the tokenizer has no tokens for it.
    """
    text = conversation.render(messages)
    typed = [message["content"] for message in messages if message["role"] == "user"]
    known = control.tokens.values()
    spelled_tokens = sorted(
        token for token in known if any(token in typed_text for typed_text in typed)
    )
    pieces = conversation.render_spelled(messages, spelled_tokens) if spelled_tokens else None
    spelled = encode_pieces(pieces, encode, decode) if pieces else None
    ids = spelled if spelled is not None else encode(text)
    return EncodedPrompt(
        text, ids, [visible(token) for token in spelled_tokens], spelled is not None
    )


def encode_pieces(pieces: Sequence[str], encode: Encode, decode: Decode) -> list[int] | None:
    """Token ids of a text that is encoded piece by piece; None when the tokenizer puts something before each."""
    try:
        if encode(""):
            return None
        for start in {piece[0] for piece in pieces[1:] if piece}:
            if decode(encode(start) * 2) != start * 2:
                return None
        return [token for piece in pieces if piece for token in encode(piece)]
    except InputRefused:
        # It has no tokens to spell a control token with.
        return None
