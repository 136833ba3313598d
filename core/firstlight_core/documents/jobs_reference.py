"""The reference job: the original's logits of prompts or of a text."""

from typing import NotRequired, TypedDict

from firstlight_core.documents.messages import Message
from firstlight_core.process.operations import Job


class Passage(TypedDict):
    """One text and the place of the logits that predict its tokens after the first `prompt_tokens`."""

    ids: list[int]
    prompt_tokens: int
    text: str
    """The original's answer to a prompt, or the stretch of the user's text."""
    first_row: int


class ReferenceSubject(TypedDict, total=False):
    """Predictions of the original: for continuations of `conversations`, or for the tokens of `text`."""

    conversations: list[list[Message]]
    new_tokens: int
    template_folder: str
    """The folder whose chat template renders the prompts of a source that has none."""
    text: str
    width: int
    """Tokens of one stretch of the text, at most."""
    count: int
    """Stretches, at most."""


class ReferenceRequest(ReferenceSubject):
    """Write the logits into `rows` and describe them in `described`; both are new files."""

    source: str
    base: str | None
    """The base of a LoRA adapter."""
    rows: str
    described: str


class ReferenceReply(TypedDict):
    """How much was written."""

    prompts: int
    forward_s: float
    peak_rss_bytes: int


class ReferenceDescription(TypedDict):
    """The file beside the logits."""

    vocab: int
    prompts: list[Passage]
    forward_s: float
    peak_rss_bytes: int
    text_tokens: NotRequired[int]
    """Tokens of the whole text; absent for conversations."""


REFERENCE: Job[ReferenceRequest, ReferenceReply] = Job("reference")
