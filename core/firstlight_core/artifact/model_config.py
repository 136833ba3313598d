"""ModelConfig of an inference_model.json: within the model's context, and the same in genai_config.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight_core.files import read_json_object

GENAI_CONFIG = "genai_config.json"
SEARCH_KEYS = ("max_length", "temperature", "top_p", "repetition_penalty")
Document = dict[str, Any]


def context_length(folder: Path) -> int | None:
    """Tokens of context that the artifact was made for; None where its genai_config.json does not say.

    Raises:
        InputRefused: genai_config.json is there and is not JSON.
    """
    path = folder / GENAI_CONFIG
    if not path.is_file():
        return None
    model = read_json_object(path, strict=False).get("model")
    length = model.get("context_length") if isinstance(model, Mapping) else None
    return (
        length if isinstance(length, int) and not isinstance(length, bool) and length > 0 else None
    )


def fit_to_context(document: Mapping[str, Any], folder: Path) -> tuple[Document, str | None]:
    """The document with a `max_length` that the model has, and a sentence where it asked for more."""
    fitted, config = dict(document), document.get("ModelConfig")
    context = context_length(folder)
    max_length = config.get("max_length") if isinstance(config, Mapping) else None
    if context is None or not isinstance(max_length, int | float) or max_length <= context:
        return fitted, None
    fitted["ModelConfig"] = {**(config or {}), "max_length": context}
    return fitted, (
        f"`ModelConfig.max_length` {int(max_length):,} is more than the model's context; "
        f"{context:,} tokens are written."
    )


def search_values(model_config: Mapping[str, Any]) -> Document:
    """What ModelConfig means for `search` in genai_config.json, which the runtimes read; temperature 0 means greedy."""
    search: Document = {key: model_config[key] for key in SEARCH_KEYS if key in model_config}
    if "max_length" in search:
        search["max_length"] = int(search["max_length"])
    if "temperature" in search:
        search["do_sample"] = search["temperature"] > 0
    return search


def with_search(
    config: Mapping[str, Any], document: Mapping[str, Any]
) -> tuple[Document, Document]:
    """A genai_config.json whose `search` says what the document's ModelConfig says, and those values."""
    model_config = document.get("ModelConfig")
    values = search_values(model_config if isinstance(model_config, Mapping) else {})
    search = config.get("search")
    return {
        **config,
        "search": {**(search if isinstance(search, Mapping) else {}), **values},
    }, values
