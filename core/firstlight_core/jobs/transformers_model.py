"""The original in transformers: read offline, from safetensors only, and without running anything of its folder."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firstlight_core.errors import ModelRefused, ToolchainMissing
from firstlight_core.text import one_line


def import_transformers() -> tuple[Any, Any]:
    """torch and transformers.

    Raises:
        ToolchainMissing: one of them cannot be imported.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ToolchainMissing(
            f"The original cannot be run: {one_line(str(error))}",
            hint='Install the conversion tools: pip install "firstlight[convert]"',
        ) from error
    transformers.utils.logging.set_verbosity_error()
    return torch, transformers


def idle_cores() -> int:
    """The cores that nobody uses: torch's threads wait for each other busily, which on a busy machine costs 4 ×."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores, round(cores + 1 - load)))


def tokenizer_folder(source: Path, base: str | None) -> Path:
    """Where the tokenizer and the template are: an adapter folder may bring its own, or leave them to its base."""
    own = base is None or (source / "tokenizer_config.json").exists()
    return source if own else Path(str(base))


def load_original(source: Path, base: str | None, *, exact: bool = True) -> tuple[Any, Any]:
    """Tokenizer and model; in float32 when `exact`, else as it is stored. `base` is that of a LoRA adapter.

    Raises:
        ToolchainMissing: torch or transformers is not installed.
        ModelRefused: transformers cannot load it, or tensors are missing.
    """
    torch, transformers = import_transformers()
    torch.manual_seed(0)
    settings = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(tokenizer_folder(source, base)), **settings
        )
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            base or str(source),
            dtype=torch.float32 if exact else "auto",
            use_safetensors=True,
            output_loading_info=True,
            **settings,
        )
        if base is not None:
            import peft

            model = peft.PeftModel.from_pretrained(model, str(source)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelRefused(
            f"transformers cannot load the original: {one_line(str(error), 300)}",
            hint="firstlight inspect SOURCE says what is wrong with the folder.",
        ) from error
    if missing := sorted(report["missing_keys"]):
        # transformers fills them with random numbers, so every comparison would be worthless.
        raise ModelRefused(
            f"The original lacks {len(missing)} tensors, {one_line(missing[0], 80)} among them.",
            hint="Copy or download the model again.",
        )
    return tokenizer, model.eval()


def stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer of the original."""
    found: set[int] = set()
    for value in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        values = value if isinstance(value, list) else [value]
        found.update(int(i) for i in values if i is not None)
    return found


class Forward:
    """The forward pass of one text: token chunks in, logits out, the KV cache kept in between."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._torch, _ = import_transformers()
        self._past: Any = None

    def __call__(self, chunk: Sequence[int]) -> Any:
        """Float32 logits (vocabulary,) after the chunk.

        Raises:
            ModelRefused: they are not finite.
        """
        found = self._model(
            input_ids=self._torch.tensor([list(chunk)]),
            past_key_values=self._past,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = found.logits[0, -1].float()
        if not bool(self._torch.isfinite(logits).all()):
            raise ModelRefused(
                "The original computes numbers that are not finite.",
                hint="Its weights are damaged: copy or download the model again.",
            )
        self._past = found.past_key_values
        return logits
