"""Adapters of every kind for a tiny base, with weights that matter."""

import shutil
from pathlib import Path
from typing import Any

from bench.matrix.tiny import write_tokenizer

NEW_TOKENS = ("<|one|>", "<|two|>", "<|three|>", "<|four|>")


def write_adapter(
    folder: Path, base: Path, kind: str, targets: tuple[str, ...], *, seed: int = 5
) -> Path:
    """A PEFT adapter folder over `base`; `kind` is one of rows.py."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    settings: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 12,
        "target_modules": list(targets),
        "task_type": "CAUSAL_LM",
    }
    if kind == "rsLoRA":
        settings["use_rslora"] = True
    elif kind == "DoRA":
        settings["use_dora"] = True
    elif kind == "modules_to_save":
        settings["modules_to_save"] = ["embed_tokens", "lm_head"]
    elif kind.startswith("embedding"):
        settings["target_modules"] = [*targets, "embed_tokens"]
    elif kind.startswith("head"):
        settings["target_modules"] = [*targets, "lm_head"]
    elif kind == "new token rows":
        settings["modules_to_save"] = ["embed_tokens", "lm_head"]
        model.resize_token_embeddings(
            model.config.vocab_size + len(NEW_TOKENS), mean_resizing=False
        )
    adapted = get_peft_model(model, LoraConfig(**settings))
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in adapted.named_parameters():
            if "lora_" in name and "magnitude" not in name:
                values.copy_(0.14 * torch.randn(values.shape, generator=draw))
            elif "magnitude" in name or "modules_to_save" in name:
                values.mul_(1 + 0.2 * torch.randn(values.shape, generator=draw))
    adapted.save_pretrained(folder)
    if kind == "new token rows":
        write_tokenizer(folder, more=NEW_TOKENS)
    elif kind == "own tokenizer":
        write_tokenizer(folder)
    return folder
