"""What the original says, asked in the process that has loaded its libraries anyway: the numbers gate's yardstick."""

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json, write_json
from firstlight_core.jobs.transformers_model import idle_cores, load_original, stop_ids
from firstlight_core.model.fingerprint import fingerprint
from firstlight_core.paths import find_paths

Answers = list[dict[str, Any]]

PROMPTS = (
    "What can you do?",
    "Write one sentence about the sea.",
    "What is two plus two?",
)
NEW_TOKENS = 8
SHARE_OF_MEMORY = 0.5
"""The original in float32 may take this share of the memory that is available; else it is not asked."""
SPARE = 0.25
"""Share of the available memory that asking may always take, even if the conversion itself needs less."""
_KEPT_AS = "firstlight/answers/2"


def kept_answers(
    model_path: str, adapter_path: str | None, ask: Callable[[], Answers | None]
) -> Answers | None:
    """What the original said when it was asked before, with the same files and the same transformers; else `ask`.

    A few hundred bytes a source, in the cache; what cannot be read there is asked again.
    """
    try:
        parts = [fingerprint(Path(path)) for path in (model_path, adapter_path) if path]
    except (FirstlightError, OSError):
        return ask()
    tools = [importlib.metadata.version(name) for name in ("torch", "transformers", "peft")]
    told = repr([_KEPT_AS, PROMPTS, NEW_TOKENS, *parts, *tools])
    digest = hashlib.sha256(told.encode()).hexdigest()
    path = find_paths().cache / "answers" / f"{digest[:32]}.json"
    with contextlib.suppress(FirstlightError, OSError):
        found = read_json(path, limit=2**20)
        if _is_whole(found):
            return found  # type: ignore[no-any-return]
    answers = ask()
    if answers:
        with contextlib.suppress(FirstlightError, OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, answers)
    return answers


def _is_whole(found: Any) -> bool:
    if not isinstance(found, list) or len(found) != len(PROMPTS):
        return False
    return all(
        isinstance(row, dict)
        and row.get("prompt") == prompt
        and all(
            isinstance(row.get(name), list) and row[name] and all(type(i) is int for i in row[name])
            for name in ("ids", "answer")
        )
        for row, prompt in zip(found, PROMPTS, strict=True)
    )


def original_answers(model_path: str, adapter_path: str | None, *, room: int) -> Answers | None:
    """Greedy answers of the original: `[{prompt, ids[], answer[], dtype}]`; None when it does not fit.

    `ids` is the rendered prompt, `answer` what follows it, the end of turn included. It is computed in float32 when
    that stays within `room` bytes (then asking does not raise the conversion's peak), or within a share of what is
    available; else as it is stored.
    """
    from firstlight_core.monitor import available_memory

    stored = sum(path.stat().st_size for path in Path(model_path).glob("*.safetensors"))
    # Against bf16 weights; float32 is twice that.
    if 2 * stored >= SHARE_OF_MEMORY * available_memory():
        return None
    # The mapped bf16 file and the float32 copy stand side by side while it is read.
    exact = 3 * stored < max(room, SPARE * available_memory())
    source, base = Path(adapter_path or model_path), model_path if adapter_path else None
    tokenizer, model = load_original(source, base, exact=exact)
    ends = sorted(stop_ids(model, tokenizer))
    prompts = [_render(tokenizer, prompt) for prompt in PROMPTS]
    spoken = _greedy(model, prompts, ends)
    dtype = str(model.dtype).removeprefix("torch.")
    return [
        {"prompt": prompt, "ids": ids, "answer": answer, "dtype": dtype}
        for prompt, ids, answer in zip(PROMPTS, prompts, spoken, strict=True)
    ]


def _render(tokenizer: Any, prompt: str) -> list[int]:
    """The prompt as a chat turn where the tokenizer has a template that can be rendered, else as plain text."""
    if getattr(tokenizer, "chat_template", None):
        with contextlib.suppress(Exception):
            turn = [{"role": "user", "content": prompt}]
            text = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
            return [int(i) for i in tokenizer.encode(text, add_special_tokens=False)]
    return [int(i) for i in tokenizer.encode(prompt)]


def _greedy(model: Any, prompts: list[list[int]], ends: list[int]) -> list[list[int]]:
    """All prompts in one batch, padded at the left; each answer ends with its end of turn."""
    import torch
    from transformers import GenerationConfig

    before = torch.get_num_threads()
    torch.set_num_threads(idle_cores())
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    # A fresh configuration: the folder's own may penalise repetition, and then greedy is not greedy.
    plain = GenerationConfig(
        do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=ends or None, pad_token_id=0
    )
    try:
        with torch.no_grad():
            rows = model.generate(input_ids=ids, attention_mask=mask, generation_config=plain)
    finally:
        torch.set_num_threads(before)
    return [_until_end(row[longest:].tolist(), ends) for row in rows]


def _until_end(answer: list[int], ends: list[int]) -> list[int]:
    for place, token in enumerate(answer):
        if token in ends:
            return answer[: place + 1]
    return answer
