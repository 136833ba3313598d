"""The template check and what settles a template."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.artifact import InferenceModel, SearchValues

Between = Literal["genai", "prompt-template"]
Cause = Literal["template", "renderer", "tokenizer", "file"]
"""Why tokens differ: another template, the same template rendered otherwise, the same text in other tokens; `file`: the
runtime follows tokenizer.json to the letter, and transformers does not."""
Sameness = Literal["same", "differs", "cannot"]
TemplateVerdict = Literal["match", "match-with-exceptions", "mismatch"]


class TokenDocument(TypedDict):
    """One token and its text."""

    id: int
    text: str


class Difference(TypedDict):
    """One stretch of tokens in which two renderings of a conversation differ."""

    shape: str
    """Id of the conversation."""
    between: Between
    cause: Cause
    index: int
    """Position of the first differing token in the expected rendering."""
    expected: list[TokenDocument]
    found: list[TokenDocument]
    sentence: str


class TokenCounts(TypedDict):
    """Length of one conversation in tokens, by renderer."""

    reference: int
    genai: int
    prompt_template: NotRequired[int]


class ShapeRow(TypedDict):
    """One conversation of the template check."""

    id: str
    label: str
    tokens: NotRequired[TokenCounts]
    text: NotRequired[str]
    """The reference's rendering, at most 4,000 characters."""
    genai: NotRequired[Sameness]
    prompt_template: NotRequired[Sameness]
    causes: NotRequired[list[str]]
    refused: NotRequired[bool]
    """Whether every renderer refuses the conversation."""
    note: NotRequired[str]


class StopTokens(TypedDict):
    """Whether the runtime stops where the template ends a turn."""

    ok: bool
    eos_token_ids: list[int]
    turn_ends: dict[str, int]
    """Text and id of the token that ends the assistant's turn."""
    missing: list[int]
    sentence: str


class Renderers(TypedDict):
    """Which renderers were compared."""

    reference: str
    artifact: str


class TemplateReport(TypedDict):
    """The result of the template check of an artifact."""

    ok: bool
    locked: bool
    """Whether nothing differs that a template could repair, or that ordinary conversations meet."""
    verdict: TemplateVerdict
    sentence: str
    exceptions: list[str]
    differences: list[Difference]
    shapes: list[ShapeRow]
    notes: list[str]
    rewritten_template: str | None
    """An equivalent chat template that onnxruntime-genai renders right."""
    proposed_template: str | None
    """The chat template that was checked in place of the artifact's own."""
    inference_model: InferenceModel
    prompt_template_of_tokenizer: dict[str, str]
    stop_tokens: StopTokens
    renderers: Renderers
    fitted: NotRequired[str]
    """A sentence about a `max_length` that was shortened to the model's context."""


class TemplateCheck(TemplateReport):
    """The document of `firstlight template --check`."""

    kind: Literal["check"]


class WrittenTemplate(TypedDict):
    """The files that were written, and the values of `search` in genai_config.json."""

    written: list[str]
    search: SearchValues


class SettledTemplate(TemplateReport, WrittenTemplate):
    """The document of `firstlight template --set`, `--preset`, `--template` and `--mend`."""

    kind: Literal["settled"]
    mended: NotRequired[list[str]]
    """A sentence for each thing that was changed."""
    doubts: NotRequired[list[str]]
    """Doubts about a chat template from outside that a person should check, one sentence each."""


class WrittenChatTemplate(WrittenTemplate):
    """A chat template that was written."""

    inference_model: InferenceModel
    doubts: list[str]
    differences: list[str]
    """Sentences."""


class UndoneTemplate(TypedDict):
    """The result of an undo."""

    written: list[str]
    undone: bool


class RestoredTemplate(TemplateReport, UndoneTemplate):
    """The document of `firstlight template --undo`."""

    kind: Literal["restored"]


class BareRestoredTemplate(UndoneTemplate):
    """The document of `firstlight template --undo` when the model has no chat template again."""

    kind: Literal["restored-without-template"]
    ok: bool
    locked: bool


class SavedTemplate(SettledTemplate):
    """A template that the wizard wrote into an artifact."""

    artifact: str
    """Folder of the artifact."""


class CheckedTemplate(TemplateCheck):
    """A template that the wizard checked and did not write."""

    artifact: str
    refused: bool
    """Whether it was to be written, and the renderers differ."""
    undone: bool
    """Whether the files that were replaced last were put back before."""


TemplateProof = SavedTemplate | CheckedTemplate
"""The result of a template check in the wizard; the session keeps the written one."""

TemplateDocument = TemplateCheck | SettledTemplate | RestoredTemplate | BareRestoredTemplate
"""The documents of `firstlight template`."""


class PreviewToken(TokenDocument):
    """One token of a preview."""

    special: bool


PreviewId = Literal["question", "conversation", "chat-template"]
"""One question and a conversation by PromptTemplate, and the question by the chat template."""


class PreviewConversation(TypedDict):
    """One conversation of the preview in tokens."""

    id: PreviewId
    text: str
    tokens: list[PreviewToken]


class TemplatePreview(TypedDict):
    """The preview's conversations in tokens, by the artifact's own tokenizer."""

    conversations: list[PreviewConversation]
