"""Whether the tensors are those that config.json describes, and how many parameters of which kind they are.

Olive fills a missing tensor with random numbers and goes on (FACTS.md), so what is missing is refused here.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.model.config import ModelShape, architecture
from firstlight_core.model.load_rules import refuse_wrapped
from firstlight_core.model.own_head import EMBEDDING, HEAD
from firstlight_core.model.safetensors_headers import Tensor
from firstlight_core.text import one_line

_LAYER = re.compile(r"(?:^|\.)layers\.(\d{1,6})\.(.+)$")
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""The types of plain weights, by their names in safetensors headers."""
_PACKED = (
    "qweight",
    "qzeros",
    "weight_scale",
    "weight_scale_inv",
    "weight_packed",
    "absmax",
    "scales",
)
_NORMS = ("input_layernorm", "post_attention_layernorm")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_ATTENTION = tuple(f"self_attn.{part}_proj" for part in "qkvo")
_QK_NORMS = ("self_attn.q_norm", "self_attn.k_norm")
_FOUR_NORMS = (*_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
_PLAIN = (*_NORMS, *_ATTENTION, *_MLP)
LAYER_PARTS: dict[str, tuple[str, ...]] = {
    "LlamaForCausalLM": _PLAIN,
    "MistralForCausalLM": _PLAIN,
    "Qwen2ForCausalLM": _PLAIN,
    "Qwen3ForCausalLM": (*_PLAIN, *_QK_NORMS),
    "GemmaForCausalLM": _PLAIN,
    "Gemma2ForCausalLM": (*_FOUR_NORMS, *_ATTENTION, *_MLP),
    "Gemma3ForCausalLM": (*_FOUR_NORMS, *_ATTENTION, *_QK_NORMS, *_MLP),
    "GraniteForCausalLM": _PLAIN,
    "SmolLM3ForCausalLM": _PLAIN,
    "OlmoForCausalLM": (*_ATTENTION, *_MLP),
    "Ernie4_5ForCausalLM": _PLAIN,
    "Phi3ForCausalLM": (
        *_NORMS,
        "self_attn.qkv_proj",
        "self_attn.o_proj",
        "mlp.gate_up_proj",
        "mlp.down_proj",
    ),
}
"""The `.weight` tensors each layer must have, by architecture (transformers 5.23, modeling_*.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Parameters by kind, the type most of them are stored in, and whether the output head is the embedding."""

    embedding: int
    body: int
    head: int
    dtype: str
    tied: bool
    matrices: tuple[tuple[int, int], ...] = ()
    """Matrices of the body as (columns, rows): inputs, and the outputs of all matrices with that many inputs."""
    vectors: int = 0
    """Elements of the body that are in no matrix: norms and biases."""
    warnings: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """All parameters; a tied head is counted once."""
        return self.embedding + self.body + self.head


def bias_parts(config: JsonObject) -> tuple[str, ...]:
    """Return the parts of each layer that have a bias, as config.json says (transformers 5.23, modeling_*.py)."""
    attention, mlp = _BIASES.get(architecture(config), ("", ""))
    if attention == "qkv":
        return _ATTENTION[:3]
    wanted = _ATTENTION if attention and config.get(attention) is True else ()
    return (*wanted, *(_MLP if mlp and config.get(mlp) is True else ()))


_BIASES = {
    "LlamaForCausalLM": ("attention_bias", "mlp_bias"),
    "Qwen2ForCausalLM": ("qkv", ""),
    "Qwen3ForCausalLM": ("attention_bias", ""),
    "GemmaForCausalLM": ("attention_bias", ""),
    "Gemma2ForCausalLM": ("attention_bias", ""),
    "Gemma3ForCausalLM": ("attention_bias", ""),
    "GraniteForCausalLM": ("attention_bias", "mlp_bias"),
    "SmolLM3ForCausalLM": ("attention_bias", "mlp_bias"),
    "OlmoForCausalLM": ("attention_bias", ""),
    "Ernie4_5ForCausalLM": ("use_bias", "use_bias"),
}
"""The settings that give attention and MLP their biases, by architecture; `qkv`: always, the output has none."""


def check_structure(
    shape: ModelShape,
    tensors: Mapping[str, Tensor],
    *,
    biases: tuple[str, ...] = (),
    own_head: bool | None = None,
) -> Structure:
    """Compare the tensors with config.json and count them.

    `biases`: the parts of a layer that must have one (`bias_parts`).

    `own_head`: whether the stored output head differs from the embedding (`own_head.heads_differ`).

    Raises:
        ModelRefused: tensors are missing, of another shape than config.json says, or quantised.
    """
    refuse_wrapped(tensors)
    _refuse_empty(tensors)
    _refuse_packed(tensors)
    _refuse_score_head(tensors)
    embedding = _only(tensors, EMBEDDING)
    head = _only(tensors, HEAD)
    if embedding is None:
        raise ModelRefused(
            "The weights hold no token embedding: they are only a part of a model.",
            hint="Choose the folder with the whole model.",
        )
    _refuse_prefix(shape, tensors)
    tied = shape.tied if shape.tied is not None else head is None
    warnings: list[str] = []
    if head is None and not tied:
        raise _missing(["lm_head.weight"], len(tensors) + 1)
    if head is not None and tied and own_head:
        tied = False
        warnings.append(
            "config.json ties the output head to the embedding, but the weights hold another one: "
            "both are used, as transformers does."
        )
    elif head is not None and tied:
        warnings.append(
            "The weights hold the output head that config.json ties away: it equals the embedding, "
            "so one matrix is used."
        )
    _check_shape(shape, "embed_tokens.weight", embedding, (None, shape.hidden))
    if embedding.shape[0] != shape.vocab:
        raise ModelRefused(
            f"config.json says vocab_size {shape.vocab:,}, but the token embedding has {embedding.shape[0]:,} rows: "
            "it was resized, or belongs to another model.",
            hint=f"If the weights are the right ones, set vocab_size to {embedding.shape[0]} in config.json.",
        )
    if head is not None and not tied:
        _check_shape(shape, "lm_head.weight", head, (shape.vocab, shape.hidden))
    _check_layers(shape, tensors, biases)
    sizes: Counter[str] = Counter()
    for tensor in tensors.values():
        if tensor.dtype in FLOATS:
            sizes[tensor.dtype] += tensor.elements
    stored = sizes.most_common(1)[0][0]
    if len(sizes) > 1:
        warnings.append("The weights mix number types; all are converted to the chosen precision.")
    head_count = head.elements if head is not None else 0
    matrices: Counter[int] = Counter()
    vectors = 0
    for name, tensor in tensors.items():
        if tensor is embedding or tensor is head or name.endswith("inv_freq"):
            continue
        if tensor.dtype not in FLOATS:
            continue
        if len(tensor.shape) > 1:
            matrices[tensor.shape[-1]] += tensor.elements // max(1, tensor.shape[-1])
        else:
            vectors += tensor.elements
    return Structure(
        embedding=embedding.elements,
        body=vectors + sum(columns * rows for columns, rows in matrices.items()),
        head=0 if tied else head_count,
        dtype=FLOATS[stored],
        tied=tied,
        matrices=tuple(sorted(matrices.items())),
        vectors=vectors,
        warnings=tuple(warnings),
    )


def packed(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that belongs to quantised weights."""
    for name, tensor in tensors.items():
        small = tensor.dtype not in FLOATS and tensor.dtype != "BOOL" and tensor.elements > 4096
        if small or name.rpartition(".")[2] in _PACKED:
            return name
    return None


def _refuse_packed(tensors: Mapping[str, Tensor]) -> None:
    if (name := packed(tensors)) is not None:
        raise ModelRefused(
            f"These weights are already quantised ({one_line(name, 60)} is {tensors[name].dtype}).",
            hint="Choose the original model in float16, bfloat16 or float32.",
        )
    if not any(tensor.dtype in FLOATS for tensor in tensors.values()):
        raise ModelRefused("The weights hold no floating point tensor.", hint="Choose a model.")


def _refuse_empty(tensors: Mapping[str, Tensor]) -> None:
    if empty := next((name for name, tensor in tensors.items() if not tensor.elements), None):
        raise ModelRefused(
            f"The weights hold empty tensors ({one_line(empty, 60)} has the shape {list(tensors[empty].shape)}): "
            "a sharded training run saved them without gathering.",
            hint="Save the model again with its parameters gathered; DeepSpeed ZeRO-3: run zero_to_fp32.py "
            "in the checkpoint folder.",
        )


def _refuse_prefix(shape: ModelShape, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors under another module, for architectures with known names."""
    name = next(name for name in tensors if EMBEDDING.search(name))
    if shape.architecture in LAYER_PARTS and not re.fullmatch(
        r"(?:model\.)?embed_tokens\..+", name
    ):
        raise ModelRefused(
            f"The weights name their tensors otherwise than {shape.architecture} does: {one_line(name, 80)} "
            "stands where model.embed_tokens.weight is looked for.",
            hint="Save that inner model by itself with `save_pretrained`, or rename the tensors.",
        )


_SCORE_HEAD = re.compile(r"^(?:score|classifier|qa_outputs|v_head|value_head)\.")


def _refuse_score_head(tensors: Mapping[str, Tensor]) -> None:
    score_head = next((name for name in tensors if _SCORE_HEAD.search(name)), None)
    if score_head is not None and _only(tensors, HEAD) is None:
        raise ModelRefused(
            f"The weights hold {one_line(score_head, 60)} and no output head: this is a classifier or reward model, "
            "which gives scores and does not write text.",
            hint="Choose the causal language model; its weights hold lm_head.weight, or tie it to the embedding.",
        )


def _only(tensors: Mapping[str, Tensor], pattern: re.Pattern[str]) -> Tensor | None:
    return next((tensors[name] for name in tensors if pattern.search(name)), None)


def _missing(names: list[str], total: int) -> ModelRefused:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return ModelRefused(
        f"The weights are incomplete: {one_line(names[0], 80)}{more} of {total} tensors missing.",
        hint="Download or save the model again; the converter would fill them with random numbers.",
    )


def _contradiction(name: str, tensor: Tensor, what: str) -> ModelRefused:
    return ModelRefused(
        f"config.json and the weights contradict each other: {name} is "
        f"{'×'.join(map(str, tensor.shape))}, which does not fit {what}.",
        hint="The config.json of another model was copied here, or it was edited: restore it.",
    )


def _check_shape(
    shape: ModelShape, name: str, tensor: Tensor, expected: tuple[int | None, ...]
) -> None:
    fits = len(tensor.shape) == len(expected) and all(
        want is None or have == want for have, want in zip(tensor.shape, expected, strict=True)
    )
    if not fits:
        raise _contradiction(name, tensor, f"hidden_size {shape.hidden}, {shape.heads} heads")


def _check_layers(
    shape: ModelShape, tensors: Mapping[str, Tensor], biases: tuple[str, ...]
) -> None:
    layers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if match := _LAYER.search(name):
            layers.setdefault(int(match[1]), {})[match[2]] = tensor
    if not layers and shape.architecture not in LAYER_PARTS:
        return
    gone = [f"layers.{n}" for n in range(shape.layers) if n not in layers]
    if gone:
        raise _missing(gone, shape.layers)
    extra = [n for n in layers if n >= shape.layers]
    if extra:
        raise ModelRefused(
            f"config.json says {shape.layers} layers, the weights hold {len(layers)}.",
            hint="The config.json of another model was copied here, or it was edited: restore it.",
        )
    parts = LAYER_PARTS.get(shape.architecture)
    if parts is None:
        return
    lost = [
        f"layers.{number}.{part}.weight"
        for number in range(shape.layers)
        for part in parts
        if f"{part}.weight" not in layers[number]
    ]
    lost += [
        f"layers.{number}.{part}.bias"
        for number in range(shape.layers)
        for part in biases
        if f"{part}.bias" not in layers[number]
    ]
    if lost:
        raise _missing(lost, len(tensors) + len(lost))
    if not any(re.search(r"(?:^|\.)norm\.weight$", name) for name in tensors) and (
        shape.architecture != "OlmoForCausalLM"
    ):
        raise _missing(["norm.weight"], len(tensors) + 1)
    expected = _shapes(shape)
    for number, layer in layers.items():
        for part, size in expected.items():
            if part in layer:
                _check_shape(shape, f"layers.{number}.{part}", layer[part], size)


def _shapes(shape: ModelShape) -> dict[str, tuple[int, ...]]:
    """Return the matrices of one layer that config.json implies: rows × columns."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    hidden, wide = shape.hidden, shape.intermediate
    return {
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "self_attn.qkv_proj.weight": (queries + 2 * keys, hidden),
        "mlp.gate_proj.weight": (wide, hidden),
        "mlp.up_proj.weight": (wide, hidden),
        "mlp.down_proj.weight": (hidden, wide),
        "mlp.gate_up_proj.weight": (2 * wide, hidden),
        "input_layernorm.weight": (hidden,),
    }
