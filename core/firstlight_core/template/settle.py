"""Writes a settled template where the runtimes read it: whole, re-read, and to be undone."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, cast

from firstlight_core.artifact.inference_model import INFERENCE_MODEL, validate_inference_model
from firstlight_core.artifact.model_config import GENAI_CONFIG, fit_to_context, with_search
from firstlight_core.artifact.settled_files import (
    TOKENIZER_CONFIG,
    _remember,
    _text,
    _undo_file,
    _write_all,
    replace_settled,
)
from firstlight_core.artifact.tokenizer_files import CHAT_TEMPLATE
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.template import (
    SettledTemplate,
    StopTokens,
    TemplateReport,
    UndoneTemplate,
    WrittenTemplate,
)
from firstlight_core.errors import CheckFailed, InputRefused
from firstlight_core.files import read_json_object
from firstlight_core.template.control_tokens import marking_tokens
from firstlight_core.template.parity import check_template
from firstlight_core.template.stop_tokens import check_stop_tokens, eos_ids
from firstlight_core.text import shown_path

ReportT = TypeVar("ReportT", bound=TemplateReport)


async def settle_template(
    artifact: Path | str,
    inference_model: InferenceModel,
    source: Path | str | None = None,
    *,
    force: bool = False,
) -> SettledTemplate:
    """Check a template, write it with its ModelConfig into the artifact, and return the check's document.

    The document has, besides `check_template`'s keys, `written[]` and `search`, and `fitted`, a sentence, where
    `max_length` was more than the model's context and has been shortened to it. Unless `force`, a template
    that the check does not confirm is not written. A model that came without a chat template is given the one that
    the fields imply, and what ends its turns joins eos_token_id.

    Raises:
        TemplateRefused: a field breaks a rule; nothing was written.
        CheckFailed: the check found a difference; nothing was written.
        StateProblem: a file cannot be written; the old ones are still there.
    """
    folder = Path(artifact)
    document, fitted = fit_to_context(validate_inference_model(inference_model), folder)
    checked = await check_template(folder, source, document)
    if not checked["locked"] and not force:
        raise not_written(checked)
    proposed = checked["proposed_template"]
    stops = checked["stop_tokens"]["missing"] if proposed is not None else ()
    written = await asyncio.to_thread(
        write_template, folder, document, chat_template=proposed, stop_ids=stops
    )
    return settled(
        with_fitted(checked, fitted),
        written,
        await asyncio.to_thread(read_stop_tokens, folder, checked),
    )


def settled(
    report: TemplateReport, written: WrittenTemplate, stop_tokens: StopTokens
) -> SettledTemplate:
    """Return the document of a template that was checked and written, with eos_token_id as it is now."""
    document = cast(SettledTemplate, {**report, **written})
    document["kind"] = "settled"
    document["stop_tokens"] = stop_tokens
    document["ok"] = report["locked"] and stop_tokens["ok"]
    return document


def with_fitted(report: ReportT, fitted: str | None) -> ReportT:
    """Return the check's document with the sentence about a `max_length` that was shortened."""
    if fitted is None:
        return report
    noted = report.copy()
    noted["notes"] = [fitted, *report["notes"]]
    noted["fitted"] = fitted
    return noted


def not_written(checked: TemplateReport) -> CheckFailed:
    """Return the error of a template that the check did not confirm."""
    open_ones = [d for d in checked["differences"] if d["shape"] not in checked["exceptions"]]
    ours = checked["proposed_template"] is None
    return CheckFailed(
        f"The template was not written: {open_ones[0]['sentence']}.",
        hint="Take the tokenizer's with --mend, or write it all the same with --force."
        if ours
        else "Correct it, or write it all the same with --force.",
        detail="\n".join(d["sentence"] for d in open_ones),
    )


def read_stop_tokens(folder: Path, checked: TemplateReport) -> StopTokens:
    """Return the check's `stop_tokens` with eos_token_id as it is now."""
    config = read_json_object(folder / GENAI_CONFIG, strict=False)
    fields = checked["prompt_template_of_tokenizer"]
    return check_stop_tokens(config, fields, marking_tokens(folder))


def write_template(
    folder: Path,
    document: InferenceModel,
    *,
    chat_template: str | None = None,
    stop_ids: Sequence[int] = (),
) -> WrittenTemplate:
    """Write inference_model.json, `search` and the manifest's hashes, each whole; `{written, search}`.

    `chat_template` replaces the one of the tokenizer, wherever a runtime looks for it; `stop_ids` are added to
    eos_token_id.

    Raises:
        StateProblem: the disk refuses, or what was read back is not what was written.
    """
    document, _ = fit_to_context(document, folder)
    config, values = with_search(read_json_object(folder / GENAI_CONFIG), document)
    model = config.get("model")
    if stop_ids and isinstance(model, dict):
        model["eos_token_id"] = list(dict.fromkeys([*eos_ids(config), *stop_ids]))
    texts = {INFERENCE_MODEL: _text(document), GENAI_CONFIG: _text(config)}
    if chat_template is not None:
        texts[CHAT_TEMPLATE] = chat_template
        tokenizer = read_json_object(folder / TOKENIZER_CONFIG, strict=False)
        texts[TOKENIZER_CONFIG] = _text({**tokenizer, "chat_template": chat_template})
    replace_settled(folder, texts)
    return {"written": [*texts], "search": values}


def undo_template(artifact: Path | str) -> UndoneTemplate:
    """Put back what `settle_template` replaced last.

    Raises:
        InputRefused: nothing was kept for this artifact.
    """
    folder = Path(artifact)
    undo_file = _undo_file(folder)
    if not undo_file.is_file():
        raise InputRefused(f"There is no earlier template of {shown_path(folder)} to put back.")
    files = read_json_object(undo_file).get("files")
    files = files if isinstance(files, dict) else {}
    texts = {str(name): text for name, text in files.items() if isinstance(text, str)}
    _remember(folder, texts)
    for name in (INFERENCE_MODEL, CHAT_TEMPLATE):
        if files.get(name) is None:
            (folder / name).unlink(missing_ok=True)
    _write_all(folder, texts)
    return {"written": [*texts], "undone": True}
