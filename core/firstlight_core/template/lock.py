"""The template lock: three renderers, a dozen conversations, compared token by token."""

import asyncio
import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.errors import InputRefused, TemplateRefused
from firstlight_core.files import read_json_object
from firstlight_core.talk.artifacts import no_folder
from firstlight_core.template.compare import differences
from firstlight_core.template.control_tokens import marking_tokens
from firstlight_core.template.files import added_tokens, has_chat_tokenizer, read_chat_template
from firstlight_core.template.inference_model import (
    build_inference_model,
    expand,
    prompt_template_of,
    read_inference_model,
)
from firstlight_core.template.model_config import fit_to_context
from firstlight_core.template.rendering import (
    default_inference_model,
    default_name,
    derive_inference_model,
    derive_prompt_template,
    private_tokenizer,
    render,
)
from firstlight_core.template.rewrite import known_differences, rewrite_for_genai, suspicious_parts
from firstlight_core.template.shapes import Shape, lock_shapes
from firstlight_core.template.stop_tokens import check_stop_tokens
from firstlight_core.text import one_line, shown_path

__all__ = [
    "check_template",
    "default_inference_model",
    "default_name",
    "derive_inference_model",
    "derive_prompt_template",
    "private_tokenizer",
    "render",
]

Document = dict[str, Any]
_SUBJECT = {"genai": "onnxruntime-genai", "prompt-template": "PromptTemplate"}


async def check_template(
    artifact: Path | str,
    source: Path | str | None = None,
    inference_model: Mapping[str, Any] | None = None,
) -> Document:
    """Compare what three renderers make of the same conversations, token by token.

    Without `source` the artifact's own tokenizer is the truth; without `inference_model` the one that lies in
    the artifact is checked, or, when none does, the one that its tokenizer implies.
    The document: `ok`, `locked`, `differences[]: {shape, between, index, expected, found, sentence}`,
    `shapes[]`, `notes[]`, `inference_model`, `stop_tokens`, `renderers`.

    Raises:
        InputRefused: the artifact or the source has no tokenizer or no chat template.
    """
    folder = Path(artifact)
    if not folder.is_dir():
        raise no_folder(folder)
    if not (folder / "genai_config.json").is_file():
        raise InputRefused(
            f"{shown_path(folder)} is not an artifact: it has no genai_config.json.",
            hint="Convert the model first: firstlight convert SOURCE -o DIR",
        )
    if source is not None and not Path(source).is_dir():
        raise InputRefused(
            f"There is no source folder {shown_path(source)}.",
            hint="Leave --source out to compare with the artifact's own tokenizer.",
        )
    truth = folder
    notes: list[str] = []
    if source is not None and has_chat_tokenizer(Path(source)):
        truth = Path(source)
    elif source is not None:
        # A LoRA adapter's folder, for example, or a base model without a template.
        notes.append(
            "The source has no tokenizer with a chat template; the artifact's own was the measure."
        )
    marks = marking_tokens(folder)
    shapes = lock_shapes(tuple(marks))
    derived = await derive_prompt_template(truth)
    document = (
        dict(inference_model) if inference_model is not None else read_inference_model(folder)
    )
    if document is None:
        document, _ = fit_to_context(build_inference_model(default_name(folder), derived), folder)
    template = prompt_template_of(document)
    if template is None:
        notes.append("The inference_model.json has no usable PromptTemplate; it was not compared.")
    notes += suspicious_parts(read_chat_template(folder) or "")
    expansions = [_expansions(template, shape) for shape in shapes]
    implied = [_expansions(derived, shape) for shape in shapes]
    texts = sorted({t for found in (*expansions, *implied) for way in found for t in way})
    reference, native = await _render_both(truth, folder, shapes, texts)
    encoded = {t: ids for t, ids in zip(texts, native.get("encoded", []), strict=False)}
    # A runtime's decoder shows special tokens as nothing; their own names come last and win.
    named = {token: text for text, token in added_tokens(folder).items()}
    pieces = _pieces(native) | _pieces(reference) | named
    rows: list[Document] = []
    found: list[Document] = []
    for index, shape in enumerate(shapes):
        row, new = _compare(
            shape,
            reference["renders"][index],
            native["renders"][index],
            [[encoded[t] for t in way] for way in expansions[index]],
            [[encoded[t] for t in way] for way in implied[index]],
            pieces=pieces,
            templated=template is not None,
        )
        rows.append(row)
        found.extend(new)
    stop_tokens = check_stop_tokens(
        read_json_object(folder / "genai_config.json", strict=False), derived, marks
    )
    explained, rewritten = await _explain(truth, folder, shapes, reference, found)
    locked = not found
    return {
        "ok": locked and bool(stop_tokens["ok"]),
        "locked": locked,
        "differences": found,
        "shapes": rows,
        "notes": [*notes, *explained],
        "rewritten_template": rewritten,
        "inference_model": document,
        "prompt_template_of_tokenizer": derived,
        "stop_tokens": stop_tokens,
        "renderers": {"reference": reference["op"], "artifact": "genai"},
    }


async def _explain(
    truth: Path,
    artifact: Path,
    shapes: Sequence[Shape],
    reference: Mapping[str, Any],
    found: Sequence[Document],
) -> tuple[list[str], str | None]:
    """Why onnxruntime-genai renders otherwise, and a template that it renders right, proven on every shape."""
    template = read_chat_template(artifact)
    if template is None or not any(d["between"] == "genai" for d in found):
        return [], None
    sentences = known_differences(template)
    rewritten = rewrite_for_genai(template)
    if rewritten is None:
        return sentences, None
    try:
        again, native = await _render_both(truth, artifact, shapes, [], template=rewritten)
    except TemplateRefused:
        return sentences, None
    wanted = [row.get("ids") for row in reference["renders"]]
    for result in (again, native):
        if [row.get("ids") for row in result["renders"]] != wanted:
            return sentences, None
    sentences.append(
        "An equivalent chat template that onnxruntime-genai renders right was found, and proven on "
        f"{len(shapes)} conversations; --mend writes it."
    )
    return sentences, rewritten


def _expansions(template: Mapping[str, str] | None, shape: Shape) -> list[list[str]]:
    """What PromptTemplate makes of a conversation: for each way of reading it, with each way of joining turns."""
    if template is None:
        return [[], []]
    several = len(shape.messages) > 1
    ways: list[list[str]] = []
    for opening in (False, True):
        used = several and shape.generate if opening else True
        joiners = ("", "\n") if several else ("",)
        found = [
            expand(template, shape.messages, joiner=joiner, opening=opening)
            for joiner in (joiners if used else ())
        ]
        # Where no answer follows, what stands between turns also stands after the last.
        ending = "" if shape.generate else "\n"
        kept = [text for text in found if text is not None]
        ways.append([*kept, *(text + ending for text in kept[1:] if ending)])
    return ways


def _pieces(result: Mapping[str, Any]) -> dict[int, str]:
    return {int(token): str(text) for token, text in result.get("pieces", {}).items()}


async def _render_both(
    truth: Path,
    artifact: Path,
    shapes: Sequence[Shape],
    texts: Sequence[str],
    *,
    template: str | None = None,
) -> tuple[Document, Document]:
    """The reference and the artifact's renderings; without transformers the sandbox renders the reference."""
    conversations = [shape.to_json() for shape in shapes]
    op = "transformers" if importlib.util.find_spec("transformers") else "jinja"
    async with contextlib.AsyncExitStack() as stack:
        of_truth = await stack.enter_async_context(private_tokenizer(truth))
        of_artifact = await stack.enter_async_context(private_tokenizer(artifact))
        tasks = (
            asyncio.create_task(render(op, of_truth, conversations, template=template)),
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
        if op == "jinja":
            # No tokenizer of its own: the artifact's encodes what the sandbox rendered.
            drawn = [found.get("text") for found in reference["renders"]]
            known = [text for text in drawn if text is not None]
            more = await render("genai", of_artifact, [], texts=known)
            ids = iter(more["encoded"])
            for row in reference["renders"]:
                if "text" in row:
                    row["ids"] = next(ids)
            reference["pieces"] = more["pieces"]
    return reference | {"op": op}, native


def _compare(
    shape: Shape,
    reference: Mapping[str, Any],
    native: Mapping[str, Any],
    expanded: Sequence[list[list[int]]],
    implied: Sequence[list[list[int]]],
    *,
    pieces: Mapping[int, str],
    templated: bool,
) -> tuple[Document, list[Document]]:
    row: Document = {"id": shape.key, "label": shape.label}
    if "error" in reference or "error" in native:
        return _compare_refusals(row, reference, native)
    truth: list[int] = reference["ids"]
    row["tokens"] = {"reference": len(truth), "genai": len(native["ids"])}
    row["text"] = reference["text"][:4000]

    def against(between: str, ids: Sequence[int]) -> list[Document]:
        return differences(
            shape=shape.key,
            between=between,
            subject=_SUBJECT[between],
            expected=truth,
            found=ids,
            pieces=pieces,
        )

    found = against("genai", native["ids"])
    row["genai"] = "differs" if found else "same"
    if templated:
        # The way of reading a PromptTemplate that fits the tokenizer's own judges this one.
        way = next((w for w, known in zip(expanded, implied, strict=True) if truth in known), None)
        if way is None:
            row["prompt_template"] = "same" if any(truth in w for w in expanded) else "cannot"
        elif truth in way:
            row["prompt_template"] = "same"
            row["tokens"]["prompt_template"] = len(truth)
        else:
            row["prompt_template"] = "differs"
            tried = [against("prompt-template", ids) for ids in way]
            found += sorted(tried, key=_size)[0] if tried else [_lacking(shape)]
        if row["prompt_template"] == "cannot":
            row["note"] = (
                "PromptTemplate cannot express this conversation; the runtime's own chat template does."
            )
    return row, found


def _cause(error: str) -> str:
    """What a renderer said, without the excerpt of the template that genai adds."""
    return one_line(error.partition(" at row ")[0], 160)


def _lacking(shape: Shape) -> Document:
    roles = ", ".join(sorted({message["role"] for message in shape.messages}))
    return {
        "shape": shape.key,
        "between": "prompt-template",
        "index": 0,
        "expected": [],
        "found": [],
        "sentence": f"PromptTemplate lacks a field that this conversation needs ({roles})",
    }


def _size(found: list[Document]) -> int:
    return sum(max(len(d["expected"]), len(d["found"])) for d in found)


def _compare_refusals(
    row: Document, reference: Mapping[str, Any], native: Mapping[str, Any]
) -> tuple[Document, list[Document]]:
    """A template may refuse a conversation (no system role): then every renderer has to refuse it."""
    if "error" in reference and "error" in native:
        row |= {"genai": "same", "refused": True}
        row["note"] = f"The chat template refuses it: {one_line(reference['error'], 120)}"
        return row, []
    refuser, error = (
        ("The tokenizer's template", reference["error"])
        if "error" in reference
        else ("onnxruntime-genai", native["error"])
    )
    row["genai"] = "differs"
    if "text" in reference:
        row["text"] = reference["text"][:4000]
    sentence = f"{refuser} refuses this conversation, the other renderer does not: {_cause(error)}"
    difference = {
        "shape": row["id"],
        "between": "genai",
        "index": 0,
        "expected": [],
        "found": [],
        "sentence": sentence,
    }
    return row, [difference]
