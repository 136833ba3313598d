"""Writes the tiny models of the matrix: random, but of a scale at which a fault shows in the logits."""

import json
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

TEXT = (
    "A kettle, two cups and a window that looks out on the yard.",
    "Seven birds sat on the wire; three of them flew away before noon.",
    "Write a note to the neighbour about the gate that does not close.",
)
TEMPLATE = (
    "{%- for m in messages -%}<|user|>\n{{ m['content'] }}<|end|>\n{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|answer|>\n{%- endif -%}"
)
SPECIALS = ("<pad>", "<s>", "<|end|>", "<|user|>", "<|answer|>")


@lru_cache(maxsize=2)
def tokenizer(size: int = 384) -> Any:
    """A byte-level BPE of `size` tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIALS),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(TEXT, trainer)
    return made


def write_tokenizer(folder: Path, *, more: tuple[str, ...] = ()) -> None:
    """The tokenizer files of a folder; `more`: tokens added to it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    if more:
        from tokenizers import Tokenizer

        made = Tokenizer.from_str(made.to_str())
        made.add_tokens(list(more))
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|end|>",
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "model_max_length": 512,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def settings_of(model_type: str, values: dict[str, Any]) -> Any:
    """transformers' configuration of one tiny model."""
    from transformers import AutoConfig

    made = AutoConfig.for_model(model_type, **values)
    for key in ("tie_word_embeddings",):
        if key in values:
            setattr(made, key, values[key])
    return made


def scale(model: Any, *, seed: int) -> None:
    """Fill a model with random weights: sharp attention, lively norms and biases, logits of a few units."""
    import torch

    draw = torch.Generator().manual_seed(seed)

    def noise(shape: Any) -> Any:
        return torch.randn(shape, generator=draw)

    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    with torch.no_grad():
        for name, values in model.named_parameters():
            fan = values.shape[-1] if values.dim() > 1 else 1
            if "norm" in name and values.dim() == 1 and name.endswith("weight"):
                # Around 1 or, where the model adds the 1, around 0: the mean that it was made with stays.
                values.copy_(values.mean() + 0.3 * noise(values.shape))
            elif values.dim() == 1:
                values.copy_(0.4 * noise(values.shape))
            elif "embed_tokens" in name or name.endswith("wte.weight"):
                values.copy_(noise(values.shape) * (3 / fan**0.5 if tied else 1.0))
            elif "lm_head" in name:
                values.copy_(3 / fan**0.5 * noise(values.shape))
            else:
                sharp = 1.8 if "q_proj" in name or "k_proj" in name else 1.0
                values.copy_(sharp / fan**0.5 * noise(values.shape))


def write_model(
    folder: Path,
    model_type: str,
    values: dict[str, Any],
    *,
    dtype: str = "float32",
    own_head: bool = False,
    edits: dict[str, Any] | None = None,
    seed: int = 11,
) -> Path:
    """A complete Hugging Face folder; `own_head`: config.json says tied, the weights hold another head."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.rmtree(folder, ignore_errors=True)
    config = settings_of(model_type, values | ({"tie_word_embeddings": False} if own_head else {}))
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    scale(model, seed=seed)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    model.generation_config.bos_token_id = 1
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    write_tokenizer(folder)
    changed = dict(edits or {}) | ({"tie_word_embeddings": True} if own_head else {})
    if changed:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}, indent=1))
    return folder
