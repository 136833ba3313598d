"""The template check: three renderers, over a dozen conversations, compared token by token."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firstlight_core.artifact.artifact import no_folder
from firstlight_core.artifact.inference_model import (
    build_inference_model,
    default_name,
    expand,
    prompt_template_of,
    read_inference_model,
)
from firstlight_core.artifact.model_config import fit_to_context
from firstlight_core.artifact.tokenizer_files import (
    added_tokens,
    has_chat_tokenizer,
    no_chat_template,
    read_chat_template,
)
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.jobs_template import Rendering
from firstlight_core.documents.template import Difference, ShapeRow, TemplateCheck
from firstlight_core.errors import InputRefused, TemplateRefused
from firstlight_core.files import is_file, is_folder, read_json_object
from firstlight_core.template.control_tokens import marking_tokens
from firstlight_core.template.dates import date_formats, date_notes, with_today
from firstlight_core.template.family import chat_template_of, unknown_markers
from firstlight_core.template.renderers import Rendered, Sides, by_file, render_both
from firstlight_core.template.rendering import (
    default_inference_model,
    derive_inference_model,
    derive_prompt_template,
    private_tokenizer,
    render,
)
from firstlight_core.template.rewrite import known_differences, rewrite_for_genai, suspicious_parts
from firstlight_core.template.shapes import Shape, check_shapes, variable_shapes
from firstlight_core.template.stop_tokens import check_stop_tokens
from firstlight_core.template.variables import TRIED, template_variables, variable_notes
from firstlight_core.template.verdict import FILE_NOTE, Comparison, Renderings, give_verdict
from firstlight_core.text import shown_path

__all__ = [
    "check_template",
    "default_inference_model",
    "default_name",
    "derive_inference_model",
    "derive_prompt_template",
    "private_tokenizer",
    "render",
]


async def check_template(
    artifact: Path | str,
    source: Path | str | None = None,
    inference_model: InferenceModel | None = None,
    *,
    chat_template: str | None = None,
) -> TemplateCheck:
    """Compare what three renderers make of the same conversations, token by token.

    Without `source` the artifact's own tokenizer is the truth; without `inference_model` the one that lies in
    the artifact is checked, or, when none does, the one that its tokenizer implies. `chat_template` is checked in place
    of the artifact's own. An artifact without one is checked with the template that the PromptTemplate of
    `inference_model` implies (`proposed_template`).

    Raises:
        InputRefused: the artifact or the source has no tokenizer or no chat template.
    """
    folder = Path(artifact)
    notes: list[str] = []
    sides = _sides(folder, source, inference_model, chat_template, notes)
    marks = marking_tokens(folder)
    variables = template_variables(sides.theirs)
    shapes = check_shapes(tuple(marks), variables)
    derived = await derive_prompt_template(sides.truth, template=sides.written)
    if inference_model is not None:
        document = inference_model.copy()
    else:
        stored = read_inference_model(folder)
        fresh = build_inference_model(default_name(folder), derived)
        document = stored or fit_to_context(fresh, folder)[0]
        if chat_template is not None:
            document["PromptTemplate"] = derived
    template = prompt_template_of(document)
    if template is None:
        notes.append("The inference_model.json has no usable PromptTemplate; it was not compared.")
    else:
        notes += unknown_markers(template, marks)
    formats = date_formats(sides.theirs)
    notes += date_notes(template or {}, formats)
    notes += variable_notes(variables)
    notes += suspicious_parts(sides.written or sides.own)
    # A date that was written into PromptTemplate on another day is old, and no difference.
    current = with_today(template, formats) if template is not None else None
    expansions = [_expansions(current, shape) for shape in shapes]
    implied = [_expansions(derived, shape) for shape in shapes]
    texts = sorted(
        {t for difference_rows in (*expansions, *implied) for way in difference_rows for t in way}
    )
    extra = variable_shapes(variables, TRIED)
    rendered = await render_both(sides, shapes, texts, extra=extra)
    encoded = dict(zip(texts, rendered.encoded, strict=False))
    # A runtime's decoder shows special tokens as nothing; their own names come last and win.
    named = {token: text for text, token in added_tokens(folder).items()}
    filed = await by_file(sides, shapes, rendered)
    comparison = Comparison(
        pieces=rendered.pieces | named,
        templated=template is not None,
        same_template=sides.theirs == (sides.written or sides.own),
    )
    rows: list[ShapeRow] = []
    difference_rows: list[Difference] = []
    for index, shape in enumerate(shapes):
        reference = rendered.reference[index]
        row, new = comparison.compare(
            shape,
            Renderings(
                reference=reference,
                native=rendered.native[index],
                wanted=rendered.wanted[index],
                file=filed.get(reference.get("text", "")),
                expanded=[[encoded[t] for t in way] for way in expansions[index]],
                implied=[[encoded[t] for t in way] for way in implied[index]],
            ),
        )
        rows.append(row)
        difference_rows.extend(new)
    rows += _variable_rows(extra, rendered.reference[len(shapes) :], rendered.reference[0])
    stop_tokens = check_stop_tokens(
        read_json_object(folder / "genai_config.json", strict=False), derived, marks
    )
    explained, rewritten, repaired = await _explain(sides, shapes, rendered, difference_rows)
    by_its_file = any(difference["cause"] == "file" for difference in difference_rows)
    verdict = give_verdict(difference_rows, shapes, repairable=repaired)
    return {
        "kind": "check",
        "ok": verdict.locked and bool(stop_tokens["ok"]),
        "locked": verdict.locked,
        "verdict": verdict.word,
        "sentence": verdict.sentence,
        "exceptions": list(verdict.exceptions),
        "differences": difference_rows,
        "shapes": rows,
        "notes": [*notes, *explained, *([FILE_NOTE] if by_its_file else [])],
        "rewritten_template": rewritten,
        "proposed_template": sides.written,
        "inference_model": document,
        "prompt_template_of_tokenizer": derived,
        "stop_tokens": stop_tokens,
        "renderers": {"reference": rendered.op, "artifact": "genai"},
    }


def _sides(
    folder: Path,
    source: Path | str | None,
    inference_model: InferenceModel | None,
    chat_template: str | None,
    notes: list[str],
) -> Sides:
    if not is_folder(folder):
        raise no_folder(folder)
    if not is_file(folder / "genai_config.json"):
        raise InputRefused(
            f"{shown_path(folder)} is not an artifact: it has no genai_config.json.",
            hint="Convert the model first: firstlight convert SOURCE -o DIR",
        )
    if source is not None and not is_folder(Path(source)):
        raise InputRefused(
            f"There is no source folder {shown_path(source)}.",
            hint="Leave --source out to compare with the artifact's own tokenizer.",
        )
    own = read_chat_template(folder) or ""
    truth = folder
    if source is not None and has_chat_tokenizer(Path(source)):
        truth = Path(source)
    elif source is not None:
        # For example a LoRA adapter's folder, or a base model without a template.
        notes.append(
            "The source has no tokenizer with a chat template; the artifact's own was the measure."
        )
    written = chat_template
    if written is None and truth == folder and not own.strip():
        fields = prompt_template_of(inference_model)
        if fields is None:
            raise no_chat_template(folder)
        written = chat_template_of(fields)
        notes.append(
            "The model came without a chat template; one is made from these fields, for every runtime."
        )
    theirs = written if written is not None else (read_chat_template(truth) or "")
    if written is None and own and own != theirs:
        notes.append("The artifact's chat template is not the source's.")
    return Sides(truth=truth, artifact=folder, written=written, theirs=theirs, own=own)


def _variable_rows(
    shapes: Sequence[Shape], renders: Sequence[Rendering], plain: Rendering
) -> list[ShapeRow]:
    """Return the effects of template variables that onnxruntime-genai cannot be given."""
    rows: list[ShapeRow] = []
    for shape, rendering in zip(shapes, renders, strict=True):
        text, without = rendering.get("text"), plain.get("text")
        if text is None or without is None or text == without:
            continue
        rows.append(
            {
                "id": shape.key,
                "label": shape.label,
                "genai": "cannot",
                "text": text[:4000],
                "note": "transformers then writes another prompt; onnxruntime-genai cannot be asked for it.",
            }
        )
    return rows


async def _explain(
    sides: Sides,
    shapes: Sequence[Shape],
    rendered: Rendered,
    difference_rows: Sequence[Difference],
) -> tuple[list[str], str | None, frozenset[str]]:
    """Return why onnxruntime-genai renders differently, a template that it renders right, and the repaired shapes.

    Texts are compared, not tokens: what the runtime's tokenizer does otherwise no template can mend.
    """
    template = sides.written or sides.own
    if all(d["between"] != "genai" or d["cause"] == "tokenizer" for d in difference_rows):
        return [], None, frozenset()
    sentences = known_differences(template)
    candidates = [(rewrite_for_genai(template), "An equivalent chat template")]
    if sides.theirs != template:
        candidates += [
            (sides.theirs, "The source's chat template"),
            (rewrite_for_genai(sides.theirs), "An equivalent of the source's chat template"),
        ]
    for candidate, what in candidates:
        if not candidate:
            continue
        if repaired := await _repairs(sides, candidate, shapes, rendered):
            sentences.append(
                f"{what} renders right in onnxruntime-genai too, proven on {len(shapes)} "
                "conversations; --mend writes it."
            )
            return sentences, candidate, repaired
    return sentences, None, frozenset()


async def _repairs(
    sides: Sides,
    candidate: str,
    shapes: Sequence[Shape],
    rendered: Rendered,
) -> frozenset[str]:
    """Return the conversations that only `candidate` renders right in onnxruntime-genai; none when one gets worse."""
    try:
        after = await render_both(sides, shapes, [], template=candidate)
    except TemplateRefused:
        return frozenset()
    drawn = zip(
        shapes,
        rendered.reference,
        rendered.native,
        after.reference,
        after.native,
        strict=False,
    )
    repaired: set[str] = set()
    for shape, *rows in drawn:
        wanted, before, rewritten, other = (row.get("text") for row in rows)
        # Where the runtime strips or quotes differently with any template, nothing may get worse.
        if rewritten != wanted or (other != wanted and not (shape.unusual and other == before)):
            return frozenset()
        if before != wanted and other == wanted:
            repaired.add(shape.key)
    return frozenset(repaired)


def _expansions(template: Mapping[str, str] | None, shape: Shape) -> list[list[str]]:
    """Render a conversation by PromptTemplate: for each way of reading it, with each way of joining turns."""
    if template is None or shape.tools:
        return [[], []]
    several = len(shape.messages) > 1
    ways: list[list[str]] = []
    for opening in (False, True):
        used = several and shape.generate if opening else True
        joiners = ("", "\n") if several else ("",)
        expanded = [
            expand(template, shape.messages, joiner=joiner, opening=opening)
            for joiner in (joiners if used else ())
        ]
        # Without an answer to follow, the separator between turns also ends the last one.
        ending = "" if shape.generate else "\n"
        texts = [text for text in expanded if text is not None]
        ways.append([*texts, *(text + ending for text in texts[1:] if ending)])
    return ways
