"""A whole conversation as the fields would write it: at once as text, and in tokens when a tokenizer was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.inference_model import CONTENT, opening_of, prompt_template_of
from firstlight_core.artifact.tokenizer_files import added_tokens
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.jobs_template import Conversation
from firstlight_core.documents.messages import Message
from firstlight_core.documents.template import PreviewId, TemplatePreview
from firstlight_core.template.control_tokens import marking_tokens
from firstlight_core.template.rendering import private_tokenizer, render

QUESTION: tuple[Message, ...] = ({"role": "user", "content": "What is int4 quantization?"},)
CONVERSATION: tuple[Message, ...] = (
    {"role": "system", "content": "You are a careful assistant."},
    *QUESTION,
    {"role": "assistant", "content": "Weights are stored in four bits."},
    {"role": "user", "content": "And int8?"},
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt: the template's own text (`role` empty) or a message."""

    text: str
    role: str = ""


def question_segments(template: Mapping[str, str]) -> list[Segment]:
    """Return one question through the field `prompt`; empty when the field is missing."""
    return _around(template.get("prompt", ""), QUESTION[0])


def conversation_segments(
    template: Mapping[str, str], messages: Sequence[Message] = CONVERSATION
) -> list[Segment]:
    """Return every turn in its own field, and the opening of the answer; a turn without a field is left out."""
    parts = [
        part for message in messages for part in _around(template.get(message["role"], ""), message)
    ]
    opening = opening_of(template)
    return [*parts, Segment(opening)] if opening else parts


def _around(text: str, message: Message) -> list[Segment]:
    before, placeholder, after = text.partition(CONTENT)
    if not placeholder:
        return [Segment(text)] if text else []
    parts = [Segment(before), Segment(message["content"], message["role"]), Segment(after)]
    return [part for part in parts if part.text]


def segments_text(segments: Sequence[Segment]) -> str:
    """Return the text that the runtime would read."""
    return "".join(segment.text for segment in segments)


async def preview_template(
    artifact: Path | str, inference_model: InferenceModel
) -> TemplatePreview:
    """Return the preview's conversations in tokens, by the artifact's own tokenizer.

    The document: `conversations[]: {id, text, tokens[]: {id, text, special}}`, where `question` and
    `conversation` are written by PromptTemplate, and `chat-template` by the tokenizer's own template for the
    same question (absent when that does not render).

    Raises:
        InputRefused: there is no tokenizer.
        TemplateRefused: the renderer crashed, hung, or asked for too much.
    """
    folder = Path(artifact)
    template = prompt_template_of(inference_model)
    named: dict[PreviewId, str] = {}
    if template is not None:
        named["question"] = segments_text(question_segments(template))
        named["conversation"] = segments_text(conversation_segments(template))
    conversation: Conversation = {"messages": list(QUESTION), "add_generation_prompt": True}
    async with private_tokenizer(folder) as tokenizer:
        answer = await render("genai", tokenizer, [conversation], texts=list(named.values()))
    added = {token: text for text, token in added_tokens(folder).items()}
    special = set(marking_tokens(folder).values())
    pieces = {int(token): str(text) for token, text in answer["pieces"].items()} | added
    encoded = dict(zip(named, answer["encoded"], strict=True))
    drawn = answer["renders"][0]
    if "ids" in drawn:
        named["chat-template"], encoded["chat-template"] = drawn["text"], drawn["ids"]
    return {
        "conversations": [
            {
                "id": key,
                "text": named[key],
                "tokens": [
                    {"id": token, "text": pieces.get(token, ""), "special": token in special}
                    for token in ids
                ],
            }
            for key, ids in encoded.items()
        ]
    }
