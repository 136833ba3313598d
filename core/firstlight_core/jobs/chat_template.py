"""Turns a conversation into the prompt text, with the artifact's own chat template and real jinja2.

Runs in the engine's process: genai's template language is a subset that dies of a recursive macro (FACTS,
"Talking"). A template is a program of the folder's author, so it gets the sandbox, a time and a memory limit.
"""

import re
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from firstlight_core.artifact.tokenizer_files import (
    AddedToken,
    no_chat_template,
    read_chat_template,
    read_special_tokens,
)
from firstlight_core.documents.messages import Message
from firstlight_core.errors import TemplateRefused
from firstlight_core.files import JsonValue
from firstlight_core.process.limits import limited
from firstlight_core.template.control_tokens import ControlTokens, find_control_tokens
from firstlight_core.template.variables import check_variables
from firstlight_core.text import one_line

PROMPT_LIMIT = 8_000_000
"""Characters of a rendered prompt."""
RENDER_SECONDS = 5.0
PROBE_SECONDS = 2.0
"""Time limit for all the conversations that show which tokens the template writes."""
RENDER_BYTES = 512 * 2**20
"""Address space that rendering may add to what the process has."""


class ChatTemplate:
    """The chat template of one artifact, compiled once."""

    def __init__(
        self,
        folder: Path,
        *,
        tokens: Path | None = None,
        variables: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Read and compile the template.

        Args:
            tokens: the folder of the special tokens, when it is another one.
            variables: further variables for every conversation, `enable_thinking` for example.

        Raises:
            TemplateRefused: there is none, it is broken, or it does not take one of the variables.
            InputRefused: a file cannot be read.
        """
        import jinja2

        from firstlight_core.template.sandbox import compile_template

        source = read_chat_template(folder)
        if source is None or not source.strip():
            raise no_chat_template(folder)
        self.special = read_special_tokens(tokens or folder)
        self.source = source
        self.variables = dict(variables or {})
        check_variables(source, self.variables)
        try:
            self._template = compile_template(source)
        except (jinja2.TemplateError, RecursionError, ValueError) as error:
            raise _broken(str(error)) from error

    def render(self, messages: Sequence[Message]) -> str:
        """Return the prompt text up to the assistant's answer.

        Raises:
            TemplateRefused: the template refuses this conversation, or does not come to an end.
        """
        values = {"messages": [dict(message) for message in messages]}
        return self._draw(
            {**self.variables, **values, "add_generation_prompt": True}, RENDER_SECONDS
        )

    def control_tokens(
        self, added: Sequence[AddedToken], stop_ids: Collection[int]
    ) -> ControlTokens:
        """Return the control tokens of this template's tokenizer; what the template refuses to render shows none."""
        until = time.monotonic() + PROBE_SECONDS

        def draw(values: Mapping[str, object]) -> str | None:
            left = until - time.monotonic()
            try:
                return self._draw(values, left) if left > 0 else None
            except TemplateRefused:
                return None

        return find_control_tokens(added, stop_ids=stop_ids, template=self.source, draw=draw)

    def _draw(self, values: Mapping[str, object], seconds: float) -> str:
        import jinja2

        try:
            with limited(seconds, RENDER_BYTES, lambda: _late(seconds)):
                text = str(self._template.render({**values, **self.special}))
        except MemoryError as error:
            raise _broken("it asks for too much memory") from error
        except RecursionError as error:
            raise _broken("it calls itself without end") from error
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise _broken(str(error)) from error
        if len(text) > PROMPT_LIMIT:
            raise _broken(f"it makes {len(text)} characters of this conversation")
        return text

    def render_spelled(
        self, messages: Sequence[Message], tokens: Collection[str]
    ) -> list[str] | None:
        """Return the prompt in pieces that, encoded one by one, leave control tokens in a user's text plain text.

        Each of `tokens` that a user wrote is cut after its first character. None when the template does not hand such
        text on as it is.

        Raises:
            TemplateRefused: as `render`.
        """
        plain = self.render(messages)
        cut = next((mark for mark in _CUTS if mark not in plain), None)
        if cut is None:
            return None
        longest_first = sorted(tokens, key=len, reverse=True)
        pattern = re.compile("|".join(re.escape(token) for token in longest_first))
        cuts = 0

        def spell(match: re.Match[str]) -> str:
            nonlocal cuts
            cuts += 1
            return match[0][0] + str(cut) + match[0][1:]

        spelled: list[Message] = [
            {**m, "content": pattern.sub(spell, m["content"])} if m["role"] == "user" else m
            for m in messages
        ]
        pieces = self.render(spelled).split(cut)
        return pieces if len(pieces) == cuts + 1 and "".join(pieces) == plain else None


_CUTS = ("\U0010fffd", "\U0010fffc", "\U000ffffd")
"""Characters for private use, that no text holds."""


def _broken(reason: str) -> TemplateRefused:
    return TemplateRefused(
        f"The chat template cannot render this conversation: {one_line(reason)}.",
        hint="Try it without a system prompt; firstlight template ARTIFACT --check says more.",
    )


def _late(seconds: float) -> TemplateRefused:
    return _broken(f"it did not finish within {seconds:.0f} s")
