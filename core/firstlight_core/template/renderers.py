"""Asks both renderers about the same conversations, and tokenizer.json itself where they read a text otherwise."""

import asyncio
import contextlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.documents.jobs_template import Renderer, Rendering
from firstlight_core.files import read_json_object
from firstlight_core.template.rendering import private_tokenizer, render
from firstlight_core.template.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two that are compared, and with which chat templates."""

    truth: Path
    """Whose template and tokenizer transformers is given."""
    artifact: Path
    written: str | None
    """A chat template that is not in the artifact yet; it is then both sides'."""
    theirs: str
    """The chat template of the truth."""
    own: str
    """The chat template of the artifact; empty when it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The same conversations by both sides."""

    op: Renderer
    """The reference's renderer."""
    reference: list[Rendering]
    """Renderings of the reference, those of the extra shapes last."""
    native: list[Rendering]
    """Renderings of onnxruntime-genai."""
    wanted: list[list[int]]
    """The reference's texts in the tokens of onnxruntime-genai."""
    encoded: list[list[int]]
    """The requested texts in the tokens of onnxruntime-genai."""
    pieces: dict[int, str]
    """Token id → text; where both know one, the reference's."""


async def render_both(
    sides: Sides,
    shapes: Sequence[Shape],
    texts: Sequence[str],
    *,
    template: str | None = None,
    extra: Sequence[Shape] = (),
) -> Rendered:
    """Return the renderings of both sides, of `extra` by the reference alone.

    Without transformers the sandbox is the reference.
    """
    conversations = [shape.to_json() for shape in shapes]
    more = [shape.to_json() for shape in extra]
    template = template if template is not None else sides.written
    op: Renderer = "transformers" if importlib.util.find_spec("transformers") else "jinja"
    async with contextlib.AsyncExitStack() as stack:
        of_truth = await stack.enter_async_context(private_tokenizer(sides.truth))
        of_artifact = await stack.enter_async_context(private_tokenizer(sides.artifact))
        tasks = (
            asyncio.create_task(render(op, of_truth, [*conversations, *more], template=template)),
            asyncio.create_task(
                render("genai", of_artifact, conversations, texts=texts, template=template)
            ),
        )
        try:
            reference, native = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        drawn = [rendering.get("text") for rendering in reference["renders"][: len(shapes)]]
        pieces = dict(native["pieces"])
        known = {row["text"]: row["ids"] for row in native["renders"] if "text" in row}
        missing = sorted({text for text in drawn if text is not None and text not in known})
        if missing:
            answer = await render("genai", of_artifact, [], texts=missing)
            known |= dict(zip(missing, answer["encoded"], strict=True))
            pieces |= answer["pieces"]
        wanted = [known.get(text, []) if text is not None else [] for text in drawn]
        if op == "jinja":
            # No tokenizer of its own: the artifact's encodes what the sandbox rendered.
            for row, ids in zip(reference["renders"], wanted, strict=False):
                if "text" in row:
                    row["ids"] = ids
    return Rendered(
        op=op,
        reference=reference["renders"],
        native=native["renders"],
        wanted=wanted,
        encoded=native["encoded"],
        pieces={int(token): text for token, text in (pieces | reference["pieces"]).items()},
    )


async def by_file(
    sides: Sides,
    shapes: Sequence[Shape],
    rendered: Rendered,
) -> dict[str, list[int]]:
    """Texts in the tokens of tokenizer.json itself, when even an ordinary one has other tokens in the runtime.

    A source that transformers 5 or later saved was trained with what transformers 5 makes of the file; nothing is asked.
    """
    drawn = zip(shapes, rendered.reference, rendered.wanted, strict=False)
    differing = [
        (shape, row["text"]) for shape, row, ids in drawn if "text" in row and row["ids"] != ids
    ]
    usual = any(not shape.unusual for shape, _ in differing)
    if not usual or not (sides.truth / "tokenizer.json").is_file() or _saved_by_5(sides.truth):
        return {}
    texts = sorted({text for _, text in differing})
    async with private_tokenizer(sides.truth) as tokenizer:
        answer = await render("file", tokenizer, [], texts=texts)
    return dict(zip(texts, answer["encoded"], strict=True))


def _saved_by_5(folder: Path) -> bool:
    path = folder / "config.json"
    if not path.is_file():
        return False
    version = str(read_json_object(path, strict=False).get("transformers_version", ""))
    major = version.partition(".")[0]
    return major.isdigit() and int(major) >= 5
