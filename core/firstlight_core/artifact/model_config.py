"""ModelConfig of an inference_model.json: within the model's context, and the same in genai_config.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from firstlight_core.documents.artifact import InferenceModel, ModelConfig, SearchValues
from firstlight_core.files import JsonObject, read_json_object

GENAI_CONFIG = "genai_config.json"
SEARCH_KEYS = ("max_length", "temperature", "top_p", "repetition_penalty")


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


def fit_to_context(document: InferenceModel, folder: Path) -> tuple[InferenceModel, str | None]:
    """Return the document with a `max_length` that the model has, and a sentence when it was larger."""
    fitted, config = document.copy(), document.get("ModelConfig")
    context = context_length(folder)
    max_length = config.get("max_length") if isinstance(config, dict) else None
    if (
        config is None
        or context is None
        or not isinstance(max_length, int | float)
        or max_length <= context
    ):
        return fitted, None
    fitted["ModelConfig"] = {**config, "max_length": context}
    return fitted, (
        f"`ModelConfig.max_length` {int(max_length):,} is more than the model's context; "
        f"{context:,} tokens are written."
    )


def config_numbers(document: InferenceModel) -> dict[str, float]:
    """Return the numbers of ModelConfig by their keys."""
    values = document.get("ModelConfig", {}).items()
    return {key: value for key, value in values if isinstance(value, int | float)}


def search_values(model_config: ModelConfig) -> SearchValues:
    """Return what ModelConfig means for `search` in genai_config.json, which the runtimes read; temperature 0 means greedy."""
    search: SearchValues = {}
    if "max_length" in model_config:
        search["max_length"] = int(model_config["max_length"])
    if "temperature" in model_config:
        search["temperature"] = model_config["temperature"]
    if "top_p" in model_config:
        search["top_p"] = model_config["top_p"]
    if "repetition_penalty" in model_config:
        search["repetition_penalty"] = model_config["repetition_penalty"]
    if "temperature" in model_config:
        search["do_sample"] = model_config["temperature"] > 0
    return search


def with_search(config: JsonObject, document: InferenceModel) -> tuple[JsonObject, SearchValues]:
    """Return a genai_config.json whose `search` says what the document's ModelConfig says, and those values."""
    model_config = document.get("ModelConfig")
    values = search_values(model_config if isinstance(model_config, dict) else {})
    search = config.get("search")
    merged: JsonObject = {**search} if isinstance(search, dict) else {}
    merged.update(cast(JsonObject, values))
    return {**config, "search": merged}, values
