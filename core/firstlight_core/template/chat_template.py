"""The chat template itself: where its syntax breaks, what a reader should doubt, and how it is written."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.inference_model import (
    build_inference_model,
    default_name,
    read_inference_model,
)
from firstlight_core.artifact.tokenizer_files import (
    TEMPLATE_LIMIT,
    added_tokens,
    read_chat_template,
)
from firstlight_core.documents.jobs_template import Rendering
from firstlight_core.documents.template import (
    SettledTemplate,
    WrittenChatTemplate,
    WrittenTemplate,
)
from firstlight_core.errors import CheckFailed, TemplateRefused
from firstlight_core.template.derive import (
    ANSWER,
    CLOSE,
    DERIVATION_CONVERSATIONS,
    SECOND,
    SYSTEM,
    USER,
    derive_template,
)
from firstlight_core.template.parity import check_template
from firstlight_core.template.rendering import private_tokenizer, render
from firstlight_core.template.settle import not_written, read_stop_tokens, settled, write_template
from firstlight_core.text import one_line


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Where a template stops being Jinja; `line` counts from 1, 0 when it is not known."""

    line: int
    sentence: str


def syntax_problem(text: str) -> SyntaxProblem | None:
    """Return the fault in the template's syntax; it is only parsed here, never compiled or rendered."""
    # jinja2 takes 50 ms to import, and the first paint needs none of it.
    from jinja2 import TemplateSyntaxError

    from firstlight_core.template.sandbox import make_environment

    if not text.strip():
        return SyntaxProblem(0, "The chat template is empty.")
    if len(text) > TEMPLATE_LIMIT:
        return SyntaxProblem(0, f"The chat template is longer than {TEMPLATE_LIMIT} characters.")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        return SyntaxProblem(line, f"Line {line}: a NUL character, where a prompt would end.")
    try:
        make_environment().parse(text)
    except TemplateSyntaxError as error:
        reason = one_line(error.message or "not valid Jinja")
        return SyntaxProblem(error.lineno, f"Line {error.lineno}: {reason}")
    except RecursionError:
        return SyntaxProblem(0, "The chat template is nested too deeply.")
    return None


_DOUBTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"https?://[^\s'\"}]{1,80}"), "names an address"),
    (
        re.compile(r"(content|text)[^%{}\n]{0,20}(==|\bin\b)|\bin\s+\w*\.?\[?'?content"),
        "decides by what a message says",
    ),
    (re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"), "hides"),
)


def template_doubts(text: str) -> list[str]:
    """Return doubts to check before a template from outside is trusted, one sentence each, with its line."""
    doubts = []
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, what in _DOUBTS:
            if match := pattern.search(line):
                evidence = "characters that cannot be seen" if what == "hides" else f"`{match[0]}`"
                doubts.append(f"Line {number} {what}: {one_line(evidence, 100)}")
    return doubts[:20]


def template_truth(artifact: Path | str, source: Path | str | None) -> Path | None:
    """Return the source, when it has a chat template to compare with; else None, and the artifact is its own truth."""
    if source is None or read_chat_template(Path(source)) is None:
        return None
    return Path(source)


async def settle_template_file(
    artifact: Path | str, text: str, *, force: bool = False
) -> SettledTemplate:
    """Check a chat template from outside, write it, and return the check's document; PromptTemplate follows it.

    The document has, besides `check_template`'s keys, `written[]`, `search` and `doubts[]`. What ends its turns joins
    eos_token_id.

    Raises:
        TemplateRefused: it is not Jinja, does not render, or loses the user's text; nothing was written.
        CheckFailed: the renderers disagree, or a turn is lost, and not `force`; nothing was written.
    """
    folder = Path(artifact)
    if (problem := await asyncio.to_thread(syntax_problem, text)) is not None:
        raise TemplateRefused(
            problem.sentence,
            hint="Nothing was written: correct that line.",
            line=problem.line or None,
        )
    checked = await check_template(folder, chat_template=text)
    if not checked["locked"] and not force:
        raise not_written(checked)
    written = await settle_chat_template(
        folder, text, force=force, stop_ids=checked["stop_tokens"]["missing"]
    )
    files: WrittenTemplate = {"written": written["written"], "search": written["search"]}
    document = settled(checked, files, await asyncio.to_thread(read_stop_tokens, folder, checked))
    document["inference_model"] = written["inference_model"]
    document["doubts"] = written["doubts"]
    return document


async def settle_chat_template(
    artifact: Path | str, text: str, *, force: bool = False, stop_ids: Sequence[int] = ()
) -> WrittenChatTemplate:
    """Prove a chat template in both renderers and write it wherever a runtime looks for it.

    PromptTemplate follows it, and `stop_ids` join eos_token_id. The document: `written[]`, `doubts[]`, `differences[]` (sentences), and
    `inference_model` as it was written. `undo_template` takes it back.

    Raises:
        TemplateRefused: it is not Jinja, does not render, or loses the user's text; nothing was written.
        CheckFailed: the renderers disagree, or a turn is lost, and not `force`; nothing was written.
    """
    folder = Path(artifact)
    if (problem := await asyncio.to_thread(syntax_problem, text)) is not None:
        raise TemplateRefused(
            problem.sentence,
            hint="Nothing was written: correct that line.",
            line=problem.line or None,
        )
    async with private_tokenizer(folder) as tokenizer:
        drawn = (await render("jinja", tokenizer, DERIVATION_CONVERSATIONS, template=text))[
            "renders"
        ]
        derived = derive_template(drawn, await asyncio.to_thread(added_tokens, folder))
        try:
            native = (await render("genai", tokenizer, DERIVATION_CONVERSATIONS, template=text))[
                "renders"
            ]
            differences = _differences(drawn, native)
        except TemplateRefused as error:
            differences = [str(error)]
    differences = [*_losses(drawn), *differences]
    if differences and not force:
        raise CheckFailed(
            f"The chat template was not written: {differences[0]}",
            hint="Correct it, or write it all the same.",
            detail="\n".join(differences),
        )
    stored = await asyncio.to_thread(read_inference_model, folder)
    model = stored or build_inference_model(default_name(folder), derived)
    model["PromptTemplate"] = derived
    written = await asyncio.to_thread(
        write_template, folder, model, chat_template=text, stop_ids=stop_ids
    )
    return {
        **written,
        "inference_model": model,
        "doubts": template_doubts(text),
        "differences": differences,
    }


_NAMES = (
    "one question",
    "a question without a generation prompt",
    "several turns",
    "a system prompt",
)


def _differences(drawn: Sequence[Rendering], native: Sequence[Rendering]) -> list[str]:
    return [
        f"onnxruntime-genai renders {name} otherwise than transformers' Jinja."
        for name, rendering, other in zip(_NAMES, drawn, native, strict=True)
        if rendering.get("text") != other.get("text")
    ]


def _losses(drawn: Sequence[Rendering]) -> list[str]:
    """Turns that the template drops or doubles, and a missing generation prompt."""
    losses = []
    roles = {
        USER: "first user",
        ANSWER: "assistant",
        SECOND: "second user",
        CLOSE: "last assistant",
    }
    several, with_system = drawn[2].get("text"), drawn[3].get("text")
    for mark, role in roles.items():
        if several is not None and (count := several.count(mark)) != 1:
            losses.append(f"The {role} turn is {'lost' if count == 0 else 'doubled'}.")
    if with_system is not None and with_system.count(SYSTEM) != 1:
        how = "lost" if SYSTEM not in with_system else "doubled"
        losses.append(f"The system prompt is {how}.")
    if drawn[0].get("text") == drawn[1].get("text"):
        losses.append("It ends without a generation prompt: nothing opens the assistant's turn.")
    return losses
