"""One 8-bit table for both ends of a tied model: genai 0.18's builder shares only a 4-bit one.

Asked for with `shared_embeddings: true` at precision int8. The embedding then reads the quantised output head
(GatherBlockQuantized with 8 bits, which onnxruntime has), where the builder would keep a second table in float32:
more bytes than the whole rest of a small model.
"""

from collections.abc import Callable
from typing import Any

WEIGHT, SCALES = "lm_head.MatMul.weight_Q8", "lm_head.MatMul.weight_scales"
"""Names that the default quantiser gives the head's 8-bit weights and their scales; symmetric, without zero points."""


def install() -> None:
    """Adjust the builder in this process; skips a builder that works differently."""
    import onnxruntime_genai.models  # noqa: F401  (puts its own folder on sys.path)
    from onnxruntime_genai.models import builder

    names = ("make_tied_embeddings_init", "make_tied_quantized_embedding_input_names")
    model = next((c for c in builder.LlamaModel.__mro__ if set(names) <= vars(c).keys()), None)
    if model is None:
        return
    model.make_tied_embeddings_init = _sharing(model.make_tied_embeddings_init)
    model.make_tied_quantized_embedding_input_names = _naming(
        model.make_tied_quantized_embedding_input_names
    )


def wanted(model: Any) -> bool:
    """Return whether this build is one plain symmetric int8 pass whose embedding is to be shared."""
    settings = model.quant_attrs
    return bool(
        model.extra_options.get("shared_embeddings")
        and settings["bits"] == 8
        and settings["is_symmetric"]
        and model.quantization_algo == "default"
        and model.is_lm_head_quantized()
        and not (model.exclude_embeds or model.exclude_lm_head or model.matmul_mixed_precision)
    )


def _sharing(inner: Callable[..., Any]) -> Callable[..., Any]:
    def make_tied_embeddings_init(model: Any, config: Any) -> Any:
        made = inner(model, config)
        if wanted(model):
            model.tied_quantized_embeddings, model.tied_unquantized_embeddings = True, False
        return made

    return make_tied_embeddings_init


def _naming(inner: Callable[..., Any]) -> Callable[..., Any]:
    def make_tied_quantized_embedding_input_names(model: Any) -> Any:
        return (8, WEIGHT, SCALES, "") if wanted(model) else inner(model)

    return make_tied_quantized_embedding_input_names
