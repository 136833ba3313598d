"""Models that would convert to something else, or fail after minutes: faults that no correction repairs.

Each limit has rows in docs/support.md. It is told in `inspect`, before any long step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.model.config import ModelShape
from firstlight_core.text import one_line

Config = JsonObject
HEAD_STEP = 8
"""Attention kernels take heads of a multiple of this (GroupQueryAttention on CPU, onnxruntime 1.31)."""
_WINDOWED = frozenset(
    name + "ForCausalLM"
    for name in (
        "Gemma2",
        "Gemma3",
        "GptOss",
        "Mistral",
        "Phi3",
        "Qwen2",
        "Qwen3",
        "SmolLM3",
    )
)
"""Architectures whose attention has a window in transformers (`create_sliding_window_causal_mask`)."""
ACTIVATIONS = frozenset(
    ("silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "relu2")
)
"""Activations that the builder has a subgraph for (`make_activation`, genai 0.18)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: when it holds, why, and the one way on; both texts may name keys of config.json in braces."""

    name: str
    holds: Callable[[Config, ModelShape], bool]
    reason: str
    remedy: str


def _stray_window(config: Config, shape: ModelShape) -> bool:
    window = config.get("sliding_window")
    if shape.architecture in _WINDOWED or not isinstance(window, int) or isinstance(window, bool):
        return False
    return 0 < window < (shape.context or window + 1)


def _odd_head(config: Config, shape: ModelShape) -> bool:
    return shape.head_size % HEAD_STEP != 0


def _odd_activation(config: Config, shape: ModelShape) -> bool:
    return _activation(config) not in ACTIVATIONS


def _activation(config: Config) -> str:
    name = config.get("hidden_activation") or config.get("hidden_act")
    return one_line(name, 40) if isinstance(name, str) else "silu"


def _of(architecture: str, key: str) -> Callable[[Config, ModelShape], bool]:
    """Holds for models of an architecture whose config.json sets `key`."""

    def holds(config: Config, shape: ModelShape) -> bool:
        return shape.architecture == architecture and bool(config.get(key))

    return holds


def _hybrid_granite(config: Config, shape: ModelShape) -> bool:
    if shape.architecture != "GraniteMoeHybridForCausalLM":
        return False
    layers = config.get("layer_types") or config.get("layers_block_type") or ["mamba"]
    dense = isinstance(layers, list) and set(layers) <= {"attention", "full_attention"}
    experts = config.get("num_local_experts")
    return not dense or bool(8 if experts is None else experts)


def _granite_without_rope(config: Config, shape: ModelShape) -> bool:
    hybrid = shape.architecture == "GraniteMoeHybridForCausalLM"
    return hybrid and config.get("position_embedding_type") != "rope"


def _layered_longrope(config: Config, shape: ModelShape) -> bool:
    rope = config.get("rope_parameters")
    layers = rope.values() if isinstance(rope, Mapping) else ()
    return any(
        isinstance(layer, Mapping) and layer.get("rope_type") == "longrope" for layer in layers
    )


_TRANSFORMERS = "The transformers library runs it; to deploy, choose a model without that."
LIMITS: tuple[Limit, ...] = (
    Limit(
        "stray window",
        _stray_window,
        "config.json names a sliding_window of {sliding_window}, which {architecture} does not have: "
        "transformers itself answers otherwise with and without its cache",
        "Remove the line sliding_window from config.json; it was left over from another model.",
    ),
    Limit(
        "head size",
        _odd_head,
        "Its attention heads are {head_size} wide; the kernels on CPU take multiples of 8 only, in every precision",
        "Choose a model whose head size (hidden_size / num_attention_heads, or head_dim) is a multiple of 8.",
    ),
    Limit(
        "activation",
        _odd_activation,
        "The installed builder has no {activation} activation",
        f"It has {', '.join(sorted(ACTIVATIONS))}: choose a model with one of these.",
    ),
    Limit(
        "clip_qkv",
        _of("OlmoForCausalLM", "clip_qkv"),
        "This OLMo clips its queries, keys and values (clip_qkv), which the installed builder leaves out",
        _TRANSFORMERS,
    ),
    Limit(
        "qk_layernorm",
        _of("PhiForCausalLM", "qk_layernorm"),
        "This Phi normalises its queries and keys (qk_layernorm), which the installed builder leaves out",
        _TRANSFORMERS,
    ),
    Limit(
        "MLP biases of Nemotron",
        _of("NemotronForCausalLM", "mlp_bias"),
        "This Nemotron has biases in its MLP (mlp_bias), which the installed builder leaves out",
        _TRANSFORMERS,
    ),
    Limit(
        "biases of LFM2's convolutions",
        _of("Lfm2ForCausalLM", "conv_bias"),
        "This LFM2 has biases in its convolution blocks (conv_bias), which the installed builder leaves out",
        _TRANSFORMERS,
    ),
    Limit(
        "experts and Mamba layers of Granite",
        _hybrid_granite,
        "This Granite has Mamba layers or experts; the installed builder makes its attention layers only",
        "Choose a dense Granite, such as the ones called micro without an h.",
    ),
    Limit(
        "Granite without rope",
        _granite_without_rope,
        "This Granite knows no positions (position_embedding_type is not rope), but the installed builder rotates",
        "Choose a Granite whose config.json says position_embedding_type rope.",
    ),
    Limit(
        "bidirectional attention",
        _of("Gemma3ForCausalLM", "use_bidirectional_attention"),
        "This Gemma looks both ways (use_bidirectional_attention): it makes embeddings and writes no text",
        "Choose a causal language model.",
    ),
    Limit(
        "longrope by kind of layer",
        _layered_longrope,
        "Its full attention has longrope beside a window with a rope of its own, which the installed builder cannot make",
        _TRANSFORMERS,
    ),
)


def refuse_known_wrong(config: Config, shape: ModelShape) -> None:
    """Refuse a model that is known to convert to something else or not at all.

    Raises:
        ModelRefused: says why, and one way on.
    """
    for limit in LIMITS:
        if limit.holds(config, shape):
            values = {
                **config,
                "architecture": shape.architecture,
                "head_size": shape.head_size,
                "activation": _activation(config),
            }
            raise ModelRefused(limit.reason.format_map(values) + ".", hint=limit.remedy)


def notes(config: Config, shape: ModelShape) -> list[str]:
    """Notes on a model that is converted anyway."""
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    if not isinstance(rope, Mapping) or "alpha" in rope or not shape.context:
        return []
    if (rope.get("rope_type") or rope.get("type")) != "dynamic":
        return []
    return [
        f"Its dynamic rope scaling acts beyond {shape.context} tokens only: the artifact's context ends there."
    ]
