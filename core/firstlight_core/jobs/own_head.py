"""A tied config.json over weights with an output head of their own.

Training with PEFT, DeepSpeed or resized embeddings leaves such folders behind. transformers 5 compares the two
matrices and uses both where they differ; genai 0.18's builder believes config.json and would drop one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from firstlight_core.jobs.builder_classes import builder_module
from firstlight_core.model.own_head import find_ends


def install() -> None:
    """Adjust the builder in this process: it sees an untied model where the two matrices differ."""
    builder = builder_module()
    if hasattr(builder, "get_hf_details"):
        builder.get_hf_details = _seeing_both(builder.get_hf_details)


def _seeing_both(inner: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def get_hf_details(*rest: Any, **named: Any) -> dict[str, Any]:
        details = inner(*rest, **named)
        config = details["hf_config"]
        if getattr(config, "tie_word_embeddings", False) and has_own_head(Path(details["hf_name"])):
            untie(config)
        return details

    return get_hf_details


def untie(config: Any) -> None:
    """Treat embedding and output head as two matrices, regardless of config.json."""
    config.tie_word_embeddings = False
    text = getattr(config, "text_config", None)
    if text is not None:
        text.tie_word_embeddings = False


def has_own_head(folder: Path) -> bool:
    """Return whether the weights of a folder hold an output head that differs from the embedding, compared in full."""
    from safetensors import safe_open

    ends = find_ends(folder)
    if ends is None:
        return False
    tensors = []
    for name, file in (ends.embedding, ends.head):
        with safe_open(file, framework="pt") as opened:
            tensors.append(opened.get_tensor(name))
    embedding, head = tensors
    return bool(embedding.shape != head.shape or not embedding.to(head.dtype).equal(head))
