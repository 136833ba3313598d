"""Renders conversations with one renderer, in a process that may be killed for it.

A chat template is a program from outside: it may loop for ever, ask for gigabytes, or crash the native
renderer (FACTS.md). So every renderer runs alone, offline, with limits on processor time, memory and output.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from firstlight_core.artifact.tokenizer_files import read_chat_template, read_special_tokens
from firstlight_core.documents.jobs_template import (
    Conversation,
    Renderer,
    Rendering,
    RenderReply,
    RenderRequest,
)
from firstlight_core.errors import TemplateRefused
from firstlight_core.jobs import transformers_index
from firstlight_core.process.context import JobContext
from firstlight_core.process.limits import limit_self
from firstlight_core.text import one_line

CPU_SECONDS = 4
"""Processor time for all conversations of a request together, after the imports."""
MEMORY_BYTES = 512 * 2**20
"""Address space on top of what the imports took."""
OUTPUT_LIMIT = 256_000
"""Characters of one rendered conversation."""

Render = Callable[[Conversation], str]
Encode = Callable[[str], list[int]]
Decode = Callable[[int], str]


def render(request: RenderRequest, context: JobContext) -> RenderReply:
    """Render `conversations` and encode `texts` with the renderer `op`.

    `file` renders nothing; it encodes as tokenizer.json itself says, whatever a tokenizer class makes of it.
    """
    folder = Path(request["folder"])
    draw, encode, decode, ends = _OPENERS[request["op"]](folder, request["template"], request)
    limit_self(request.get("cpu_seconds", CPU_SECONDS), MEMORY_BYTES)
    renders = [_render_one(draw, encode, conversation) for conversation in request["conversations"]]
    encoded = [encode(text) for text in request["texts"]] if encode else []
    ids = {token for rendered in renders for token in rendered.get("ids", [])}
    ids |= {token for line in encoded for token in line}
    pieces = {str(token): decode(token) for token in sorted(ids)} if decode else {}
    reply: RenderReply = {"renders": renders, "encoded": encoded, "pieces": pieces}
    if ends is not None:
        reply["eos_token_ids"] = ends
    if len(json.dumps(reply)) > 900_000:
        raise TemplateRefused("The rendered conversations are too long to compare.")
    return reply


def _render_one(draw: Render, encode: Encode | None, conversation: Conversation) -> Rendering:
    try:
        text = draw(conversation)
    except MemoryError:
        return {"error": "the template asks for too much memory"}
    except Exception as error:
        return {"error": one_line(str(error) or type(error).__name__, 300)}
    if len(text) > OUTPUT_LIMIT:
        return {"error": f"the template writes more than {OUTPUT_LIMIT} characters"}
    return {"text": text, "ids": encode(text)} if encode else {"text": text}


def _join(pieces: Iterable[str]) -> str:
    """Join a stream of text, and give up as soon as it is too long."""
    parts: list[str] = []
    length = 0
    for piece in pieces:
        parts.append(piece)
        length += len(piece)
        if length > OUTPUT_LIMIT:
            raise TemplateRefused(f"the template writes more than {OUTPUT_LIMIT} characters")
    return "".join(parts)


Opened = tuple[Render, Encode | None, Decode | None, list[int] | None]
"""How one renderer renders, encodes and decodes, and its end tokens; None where it has no tokenizer."""


def _open_jinja(folder: Path, template: str | None, request: RenderRequest) -> Opened:
    """Return the sandbox that transformers uses, without transformers: renders text, encodes nothing."""
    from jinja2.exceptions import TemplateError

    from firstlight_core.template.sandbox import compile_template

    source = template if template is not None else read_chat_template(folder)
    if source is None:
        raise TemplateRefused("There is no chat template.")
    moment = request.get("now")
    now = datetime.fromisoformat(moment) if moment else None
    # Jinja computes constants while it compiles: the limits must hold by then.
    limit_self(request.get("cpu_seconds", CPU_SECONDS), MEMORY_BYTES)
    try:
        compiled = compile_template(source, now=now)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise TemplateRefused(
            f"The chat template is not valid Jinja: {one_line(str(error))}{where}.", line=line
        ) from error
    except (MemoryError, OverflowError, RecursionError, ValueError) as error:
        raise TemplateRefused(
            f"The chat template cannot be compiled: {one_line(str(error)) or type(error).__name__}."
        ) from error
    tokens = read_special_tokens(folder)

    def draw(conversation: Conversation) -> str:
        return _join(
            compiled.generate(
                {
                    **tokens,
                    "documents": None,
                    **conversation.get("variables", {}),
                    "messages": conversation["messages"],
                    "tools": conversation.get("tools"),
                    "add_generation_prompt": conversation["add_generation_prompt"],
                }
            )
        )

    return draw, None, None, None


def _open_transformers(folder: Path, template: str | None, request: RenderRequest) -> Opened:
    # A tokenizer needs no torch, and importing it is nine tenths of this job's time.
    sys.modules["torch"] = None  # type: ignore[assignment]
    transformers_index.install()
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception:
        # A class that this transformers does not know; the fast tokenizer's file says all that is needed.
        if not (folder / "tokenizer.json").is_file():
            raise
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)

    def draw(conversation: Conversation) -> str:
        return str(
            tokenizer.apply_chat_template(
                conversation["messages"],
                chat_template=template,
                tools=conversation.get("tools"),
                tokenize=False,
                add_generation_prompt=conversation["add_generation_prompt"],
                **conversation.get("variables", {}),
            )
        )

    def encode(text: str) -> list[int]:
        encoding = tokenizer(text, add_special_tokens=False, verbose=False)
        return [int(token) for token in encoding["input_ids"]]

    def decode(token: int) -> str:
        return str(tokenizer.decode([token], clean_up_tokenization_spaces=False))

    ends = getattr(tokenizer, "eos_token_id", None)
    return draw, encode, decode, [] if ends is None else [int(ends)]


def _open_file(folder: Path, template: str | None, request: RenderRequest) -> Opened:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def draw(conversation: Conversation) -> str:
        raise TemplateRefused("A tokenizer's file renders nothing.")

    def encode(text: str) -> list[int]:
        return [int(token) for token in tokenizer.encode(text, add_special_tokens=False).ids]

    return draw, encode, None, None


def _open_genai(folder: Path, template: str | None, request: RenderRequest) -> Opened:
    import onnxruntime_genai

    tokenizer = onnxruntime_genai.Tokenizer(str(folder))

    def draw(conversation: Conversation) -> str:
        options = {} if template is None else {"template_str": template}
        if tools := conversation.get("tools"):
            options["tools"] = json.dumps(tools)
        return str(
            tokenizer.apply_chat_template(
                json.dumps(conversation["messages"]),
                add_generation_prompt=conversation["add_generation_prompt"],
                **options,
            )
        )

    def encode(text: str) -> list[int]:
        return [int(token) for token in tokenizer.encode(text)]

    def decode(token: int) -> str:
        return str(tokenizer.decode([token])) if token >= 0 else "<unknown>"

    ends = [int(token) for token in tokenizer.eos_token_ids]
    return draw, encode, decode, ends


_OPENERS: Mapping[Renderer, Callable[[Path, str | None, RenderRequest], Opened]] = {
    "jinja": _open_jinja,
    "transformers": _open_transformers,
    "genai": _open_genai,
    "file": _open_file,
}
