"""Asks one renderer at a time, in a process that may die of it, and makes PromptTemplate from what it says."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from firstlight_core.artifact.inference_model import build_inference_model, check_name
from firstlight_core.artifact.model_config import fit_to_context
from firstlight_core.artifact.tokenizer_files import (
    added_tokens,
    copy_tokenizer,
    no_chat_template,
    read_chat_template,
)
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.jobs_template import (
    RENDER,
    Conversation,
    Renderer,
    RenderReply,
    RenderRequest,
)
from firstlight_core.errors import JobDied, JobFailed, OutOfMemory, TemplateRefused
from firstlight_core.process.runner import job_result
from firstlight_core.template.derive import DERIVATION_CONVERSATIONS, derive_template

SECONDS: Mapping[Renderer, float] = {
    "jinja": 30.0,
    "genai": 60.0,
    "transformers": 120.0,
    "file": 60.0,
}
"""How long a renderer may take, start and imports included: a large tokenizer takes 20 s to read on a busy machine.

Its processor time is limited on top, so a template that loops ends long before."""


@asynccontextmanager
async def private_tokenizer(folder: Path) -> AsyncIterator[Path]:
    """A temporary folder with nothing but the tokenizer's files."""
    with tempfile.TemporaryDirectory(prefix="firstlight-", ignore_cleanup_errors=True) as made:
        await asyncio.to_thread(copy_tokenizer, folder, Path(made))
        yield Path(made)


async def render(
    op: Renderer,
    folder: Path,
    conversations: Sequence[Conversation],
    *,
    texts: Sequence[str] = (),
    template: str | None = None,
    now: str | None = None,
    cpu_seconds: int | None = None,
) -> RenderReply:
    """Ask one renderer, in a process of its own.

    Raises:
        TemplateRefused: it crashed, hung, or asked for too much.
    """
    request: RenderRequest = {
        "op": op,
        "folder": str(folder),
        "conversations": list(conversations),
        "texts": list(texts),
        "template": template,
    }
    if now is not None:
        request["now"] = now
    if cpu_seconds is not None:
        request["cpu_seconds"] = cpu_seconds
    name = {"genai": "onnxruntime-genai's renderer"}.get(op, "the template renderer")
    try:
        async with asyncio.timeout(SECONDS[op]):
            return await job_result(RENDER, request)
    except TimeoutError:
        problem = "took too long"
    except (JobDied, OutOfMemory) as error:
        problem = "ran out of its time or memory" if _limited(error) else "crashed"
    except JobFailed as error:
        raise TemplateRefused(
            f"{name.capitalize()} failed: {error}", detail=error.detail
        ) from error
    raise TemplateRefused(
        f"{name[0].upper()}{name[1:]} {problem} on this chat template.",
        hint="Take the template of the base model's family.",
    )


def _limited(error: JobFailed) -> bool:
    """Return whether a renderer met the limit of its processor time or memory."""
    return isinstance(error, OutOfMemory) or error.signal in ("SIGXCPU", "SIGKILL")


async def derive_prompt_template(folder: Path, *, template: str | None = None) -> dict[str, str]:
    """Return the PromptTemplate that the folder's own chat template implies, or `template` in its place.

    Raises:
        TemplateRefused: there is no chat template, or it does not carry a conversation.
    """
    if template is None and not (read_chat_template(folder) or "").strip():
        raise no_chat_template(folder)
    async with private_tokenizer(folder) as tokenizer:
        renders = (await render("jinja", tokenizer, DERIVATION_CONVERSATIONS, template=template))[
            "renders"
        ]
    return derive_template(renders, await asyncio.to_thread(added_tokens, folder))


async def derive_inference_model(artifact: Path, name: str) -> InferenceModel:
    """Return the course's document for this artifact, with its tokenizer's PromptTemplate and a valid length.

    Raises:
        UsageError: the name is not usable.
        TemplateRefused: as `derive_prompt_template`.
    """
    check_name(name)
    document = build_inference_model(name, await derive_prompt_template(artifact))
    return fit_to_context(document, artifact)[0]


def default_inference_model(artifact: Path | str, name: str) -> InferenceModel:
    """`derive_inference_model` for callers that cannot wait asynchronously; blocks for about 0.2 s."""
    # Its own thread, so that it also works where an event loop is running already.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, derive_inference_model(Path(artifact), name)).result()
