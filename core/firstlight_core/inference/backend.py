"""The interface of every chat backend: a streamed chat, the whole answer, and a way to stop it."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, TypedDict, Unpack, cast

from firstlight_core.documents.inference import (
    Alternative,
    ChatAnswer,
    Guidance,
    LoadedModel,
    RenderedPrompt,
)
from firstlight_core.documents.messages import Message
from firstlight_core.errors import JobDied, UsageError
from firstlight_core.inference.sampling import (
    JsonSchema,
    Sampling,
    check_max_tokens,
    check_messages,
    guidance,
)
from firstlight_core.process.events import Event, Reply, Token, Tokens
from firstlight_core.process.runner import OpenJob
from firstlight_core.text import visible

DEFAULT_MAX_TOKENS = 512


class ChatSettings(TypedDict, total=False):
    """The settings of one question, as `ChatBackend.chat` takes them."""

    max_tokens: int
    greedy: bool
    temperature: float | None
    top_p: float | None
    top_k: int | None
    repetition_penalty: float | None
    seed: int | None
    json_schema: JsonSchema | None
    regex: str | None


class ChatBackend(ABC):
    """Answers messages through an open job, one question at a time."""

    NAME: ClassVar[str]
    """The word for this backend in error messages."""
    FORMS: ClassVar[bool] = False
    """Whether an answer can be held to a JSON schema or a regex."""

    loaded: LoadedModel
    """The document of opening the backend."""
    _job: OpenJob

    @property
    def pid(self) -> int:
        """Process id of the job: the engine itself, or the client of the server."""
        return self._job.pid

    @property
    def alive(self) -> bool:
        """True if that process still runs."""
        return self._job.alive

    async def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        greedy: bool = False,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
        json_schema: JsonSchema | None = None,
        regex: str | None = None,
    ) -> AsyncIterator[Event]:
        """Stream an answer: `Progress` of the prefill, `Token`s, last a `Reply` with a `ChatAnswer`.

        Raises:
            UsageError: a setting is out of range, a message has no role and content, or this backend takes no form.
            InputRefused: the prompt holds a NUL or does not fit in the context, or a server refuses it.
            TemplateRefused: there is no usable chat template.
            JobDied: the process died, or hung and was ended.
        """
        sampling = Sampling(
            greedy=greedy,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            repetition_penalty=repetition_penalty,
            seed=seed,
        )
        check_max_tokens(max_tokens)
        form = self._form(json_schema, regex)
        answer = self._ask(check_messages(messages), max_tokens, sampling, form)
        async with contextlib.aclosing(answer) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Tokens):
                    # A server sends texts only.
                    ids = event.ids or [-1] * len(event.texts)
                    for number, text in enumerate(event.texts):
                        yield Token(visible(text), ids[number], event.index + number, event.seconds)
                else:
                    yield event

    @abstractmethod
    def _ask(
        self,
        messages: list[Message],
        max_tokens: int,
        sampling: Sampling,
        form: Guidance | None,
    ) -> AsyncIterator[Event]:
        """Put a checked question to the job."""

    async def check_form(
        self, *, json_schema: JsonSchema | None = None, regex: str | None = None
    ) -> None:
        """Try whether answers can be held to this form.

        Raises:
            UsageError: the form is not usable, or this backend takes none.
            InputRefused: onnxruntime-genai cannot make a grammar of it.
        """
        self._form(json_schema, regex)

    def _form(self, json_schema: JsonSchema | None, regex: str | None) -> Guidance | None:
        """Return the guidance of a form; None for no form.

        Raises:
            UsageError: the form is not usable, or this backend takes none.
        """
        form = guidance(json_schema, regex)
        if form is not None and not self.FORMS:
            raise UsageError(
                f"The {self.NAME} cannot be held to a JSON schema or a regex here.",
                hint="Take the form away, or ask an artifact.",
            )
        return form

    async def render(self, messages: Sequence[Message]) -> RenderedPrompt:
        """Return the prompt that a conversation becomes.

        Raises:
            UsageError: this backend does not show its prompts.
            FirstlightError: as `chat`.
        """
        raise UsageError(f"The {self.NAME} does not show the prompt that it makes.")

    async def alternatives(
        self, messages: Sequence[Message], tokens: Sequence[int], *, count: int = 5
    ) -> list[Alternative]:
        """Return the likeliest next tokens after the first `tokens` of an answer to `messages`, likeliest first.

        Raises:
            UsageError: this backend does not tell them.
            FirstlightError: as `chat`.
        """
        raise UsageError(f"The {self.NAME} does not tell the alternatives of a token.")

    async def answer(
        self, messages: Sequence[Message], **settings: Unpack[ChatSettings]
    ) -> ChatAnswer:
        """Return one answer without the stream; settings and errors as for `chat`."""
        async with contextlib.aclosing(self.chat(messages, **settings)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    return cast(ChatAnswer, event.result)
        raise JobDied(f"The {self.NAME} gave no answer.")

    async def cancel(self) -> None:
        """Stop the running answer; its `Reply` comes with finish_reason `cancelled`."""
        await self._job.cancel()
