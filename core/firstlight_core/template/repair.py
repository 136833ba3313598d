"""Repairs a template in one call: fields, stop tokens, and a chat template that the runtime renders differently."""

import asyncio
from pathlib import Path

from firstlight_core.artifact.inference_model import validate_inference_model
from firstlight_core.artifact.model_config import fit_to_context
from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.template import SettledTemplate, TemplateCheck
from firstlight_core.template.parity import check_template
from firstlight_core.template.settle import settled, with_fitted, write_template


async def repair_template(
    artifact: Path | str, source: Path | str | None = None
) -> SettledTemplate:
    """Repair the artifact's files, as `repair_fields` repairs the fields of an editor.

    Raises:
        TemplateRefused: the model has no usable chat template.
        StateProblem: a file cannot be written; the old ones are still there.
    """
    folder = Path(artifact)
    checked = await check_template(folder, source)
    return await _repair(folder, checked, checked["inference_model"], source)


async def repair_fields(
    artifact: Path | str, inference_model: InferenceModel, source: Path | str | None = None
) -> SettledTemplate:
    """Give the fields the tokenizer's own PromptTemplate, write them, and check again.

    What ends a turn joins eos_token_id; a chat template that onnxruntime-genai renders otherwise is replaced by
    the proven equivalent when there is one, or by the source's, when it is another. What no template can mend (a tokenizer of
    the runtime that reads a text otherwise) stays, and is said. The document is the check's, with `written[]`,
    `search` and `mended[]`, a sentence for each thing that was changed.

    Raises:
        TemplateRefused: the model has no usable chat template, or another field breaks a rule.
        StateProblem: a file cannot be written; the old ones are still there.
    """
    folder = Path(artifact)
    checked = await check_template(folder, source, inference_model)
    return await _repair(folder, checked, inference_model, source)


async def _repair(
    folder: Path,
    checked: TemplateCheck,
    inference_model: InferenceModel,
    source: Path | str | None,
) -> SettledTemplate:
    derived = checked["prompt_template_of_tokenizer"]
    derived_model = validate_inference_model({**inference_model, "PromptTemplate": derived})
    model, fitted = fit_to_context(derived_model, folder)
    chat_template = checked["proposed_template"] or checked["rewritten_template"]
    theirs = any(
        d["between"] == "genai" and d["cause"] == "template" for d in checked["differences"]
    )
    if chat_template is None and theirs:
        chat_template = await asyncio.to_thread(_template_of_source, folder, source)
    missing = checked["stop_tokens"]["missing"]
    mended = []
    if inference_model.get("PromptTemplate") != derived:
        mended.append("PromptTemplate is the tokenizer's own now.")
    if missing:
        mended.append(f"eos_token_id has {', '.join(map(str, missing))} now.")
    if chat_template is not None:
        mended.append("The chat template is one that every renderer reads as the source's.")
    written = await asyncio.to_thread(
        write_template, folder, model, chat_template=chat_template, stop_ids=missing
    )
    again = with_fitted(await check_template(folder, source, model), fitted)
    return {**settled(again, written, again["stop_tokens"]), "mended": mended}


def _template_of_source(folder: Path, source: Path | str | None) -> str | None:
    """Return the source's chat template, when the artifact has another one."""
    theirs = read_chat_template(Path(source)) if source is not None else None
    return theirs if theirs != read_chat_template(folder) else None
