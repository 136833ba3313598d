"""Whether the runtime stops where the template ends a turn."""

from collections.abc import Mapping

from firstlight_core.artifact.inference_model import CONTENT
from firstlight_core.documents.template import StopTokens
from firstlight_core.files import JsonObject


def turn_ends(prompt_template: Mapping[str, str], special: Mapping[str, int]) -> dict[str, int]:
    """Return the token among `special` that ends the assistant's turn in this template, and its id."""
    tail = prompt_template.get("assistant", CONTENT).partition(CONTENT)[2]
    candidates = sorted((tail.index(text), text) for text in special if text and text in tail)
    return {candidates[0][1]: special[candidates[0][1]]} if candidates else {}


def eos_ids(genai_config: JsonObject) -> list[int]:
    """`model.eos_token_id` as a list."""
    model = genai_config.get("model")
    value = model.get("eos_token_id") if isinstance(model, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return [token for token in values if isinstance(token, int) and not isinstance(token, bool)]


def check_stop_tokens(
    genai_config: JsonObject, prompt_template: Mapping[str, str], special: Mapping[str, int]
) -> StopTokens:
    """Return whether the runtime stops at the end of a turn; `ok` when nothing is known to be missing."""
    stops, ends = eos_ids(genai_config), turn_ends(prompt_template, special)
    missing = {text: token for text, token in ends.items() if token not in stops}
    if missing:
        text, token = next(iter(missing.items()))
        sentence = (
            f"The template ends a turn with {text} (id {token}), "
            "which is not in eos_token_id of genai_config.json: the model would not stop."
        )
    elif ends:
        sentence = f"The model stops at {next(iter(ends))}, where the template ends a turn."
    else:
        sentence = "The template ends the assistant's turn with no special token; nothing to check."
    return {
        "ok": not missing,
        "eos_token_ids": stops,
        "turn_ends": ends,
        "missing": list(missing.values()),
        "sentence": sentence,
    }
