"""What the original says, asked in the process that has loaded its libraries anyway: the numbers gate's yardstick."""

import contextlib
from pathlib import Path
from typing import Any

PROMPTS = (
    "What can you do?",
    "Write one sentence about the sea.",
    "What is two plus two?",
)
NEW_TOKENS = 8
SHARE_OF_MEMORY = 0.5
"""The original in float32 may take this share of the memory that is available; else it is not asked."""


def original_answers(model_path: str, adapter_path: str | None) -> list[dict[str, Any]] | None:
    """Greedy answers of the original in float32: `[{prompt, ids[], answer[]}]`; None when it does not fit.

    `ids` is the rendered prompt, `answer` what follows it, the end of turn included.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not _fits(Path(model_path)):
        return None
    tokenizer = AutoTokenizer.from_pretrained(model_path, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        model_path, dtype=torch.float32, trust_remote_code=False
    )
    if adapter_path:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter_path).merge_and_unload()
    model.eval()
    ends = _end_ids(model)
    answers = []
    with torch.no_grad():
        for prompt in PROMPTS:
            ids = _render(tokenizer, prompt)
            answers.append({"prompt": prompt, "ids": ids, "answer": _greedy(model, ids, ends)})
    return answers


def _fits(folder: Path) -> bool:
    from firstlight_core.monitor import available_memory

    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    # Against bf16 weights; float32 is twice that.
    return 2 * size < SHARE_OF_MEMORY * available_memory()


def _end_ids(model: Any) -> set[int]:
    found: set[int] = set()
    for config in (model.config, model.generation_config):
        value = getattr(config, "eos_token_id", None)
        found |= {value} if isinstance(value, int) else set(value or [])
    return found


def _render(tokenizer: Any, prompt: str) -> list[int]:
    """The prompt as a chat turn where the tokenizer has a template that can be rendered, else as plain text."""
    if getattr(tokenizer, "chat_template", None):
        with contextlib.suppress(Exception):
            turn = [{"role": "user", "content": prompt}]
            text = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
            return [int(i) for i in tokenizer.encode(text, add_special_tokens=False)]
    return [int(i) for i in tokenizer.encode(prompt)]


def _greedy(model: Any, ids: list[int], ends: set[int]) -> list[int]:
    import torch

    step = model(input_ids=torch.tensor([ids]), use_cache=True, logits_to_keep=1)
    answer = [int(step.logits[0, -1].argmax())]
    while len(answer) < NEW_TOKENS and answer[-1] not in ends:
        step = model(
            input_ids=torch.tensor([answer[-1:]]),
            past_key_values=step.past_key_values,
            use_cache=True,
        )
        answer.append(int(step.logits[0, -1].argmax()))
    return answer
