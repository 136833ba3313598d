"""PromptTemplate from the tokenizer: render its own chat template with sentinels, and cut at them."""

import hashlib
import re
from collections.abc import Iterable, Sequence

from firstlight_core.artifact.inference_model import CONTENT
from firstlight_core.documents.jobs_template import Conversation, Rendering
from firstlight_core.documents.messages import Message
from firstlight_core.errors import TemplateRefused

SYSTEM, USER, ANSWER, SECOND, CLOSE = (
    "Q" + hashlib.sha256(f"firstlight {part}".encode()).hexdigest()[:16]
    for part in ("system", "user", "answer", "second", "close")
)
"""Texts that no template contains, so that their place in a rendering is certain."""


def _turn(role: str, text: str) -> Message:
    return {"role": role, "content": text}


_ONE = [_turn("user", USER)]
_MANY = [*_ONE, _turn("assistant", ANSWER), _turn("user", SECOND), _turn("assistant", CLOSE)]
DERIVATION_CONVERSATIONS: tuple[Conversation, ...] = (
    {"messages": _ONE, "add_generation_prompt": True},
    {"messages": _ONE, "add_generation_prompt": False},
    {"messages": _MANY, "add_generation_prompt": False},
    {"messages": [_turn("system", SYSTEM), *_ONE], "add_generation_prompt": True},
)
"""Requests to the renderer; `derive_template` reads the answers in this order."""


def derive_template(renders: Sequence[Rendering], special: Iterable[str] = ()) -> dict[str, str]:
    """Return the PromptTemplate that says what the renderings of DERIVATION_CONVERSATIONS say.

    `special` are the tokenizer's special tokens, which no cut may split.

    `prompt` is exact for one question. A field that the template cannot have (a system prompt that it
    refuses) is left out.

    Raises:
        TemplateRefused: the template does not render one question, or loses or doubles the user's text.
    """
    question, single, many, with_system = (rendering.get("text") for rendering in renders)
    if question is None:
        why = renders[0].get("error", "nothing")
        raise TemplateRefused(f"The chat template cannot render a question: {why}.")
    if question.count(USER) != 1:
        how = "drops" if USER not in question else "repeats"
        raise TemplateRefused(f"The chat template {how} the user's text.")
    prompt = question.replace(USER, CONTENT)
    before, _, after = question.partition(USER)
    pieces = _pieces_pattern(special)
    tail = single.partition(USER)[2] if single and single.count(USER) == 1 else ""
    turns = _cut_turns(many, tail, pieces)
    if turns is None:
        # A template for single questions only: the closing is where question and closed question agree.
        closing = _agreement(after, tail, pieces)
        turns = {
            "user": before + CONTENT + closing,
            "assistant": after.removeprefix(closing) + CONTENT,
        }
    fields = {"system": _cut_system(with_system, turns["user"]), **turns, "prompt": prompt}
    return {name: text for name, text in fields.items() if text and text.count(CONTENT) == 1}


def _cut_turns(text: str | None, tail: str, pieces: re.Pattern[str]) -> dict[str, str] | None:
    """Return the user's and the assistant's turn as they stand in the middle of a conversation.

    `tail` is what follows the only question of a closed conversation; some templates end a conversation
    otherwise than a turn (an end-of-text token), so a turn's end is where both agree.
    """
    if text is None or any(text.count(part) != 1 for part in (USER, ANSWER, SECOND, CLOSE)):
        return None
    _, _, rest = text.partition(USER)
    to_answer, _, rest = rest.partition(ANSWER)
    to_second, _, rest = rest.partition(SECOND)
    _, _, last = rest.partition(CLOSE)
    closing = _agreement(to_answer, tail, pieces)
    ending = _agreement(to_second, last, pieces)
    return {
        "user": to_second.removeprefix(ending) + CONTENT + closing,
        "assistant": to_answer.removeprefix(closing) + CONTENT + ending,
    }


def _cut_system(text: str | None, user: str) -> str | None:
    """Return the text before the first user turn when there is a system prompt."""
    if text is None or text.count(SYSTEM) != 1 or text.count(USER) != 1:
        return None
    head = text.partition(USER)[0]
    if SYSTEM not in head:
        return None
    opening = user.partition(CONTENT)[0]
    if opening and head.endswith(opening):
        head = head[: len(head) - len(opening)]
    return head.replace(SYSTEM, CONTENT)


def _pieces_pattern(special: Iterable[str]) -> re.Pattern[str]:
    known = "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True) if token)
    return re.compile(
        f"{known}|<[^<>\\s]{{1,60}}>|\\w+|." if known else r"<[^<>\s]{1,60}>|\w+|.", re.S
    )


def _agreement(left: str, right: str, pieces: re.Pattern[str]) -> str:
    """Return the common beginning, cut between pieces: a special token is never split."""
    common = ""
    for piece, other in zip(pieces.findall(left), pieces.findall(right), strict=False):
        if piece != other:
            break
        common += piece
    return common
