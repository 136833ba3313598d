"""Structural faults, planted: each changes what an artifact computes, never how finely its weights are rounded.

Two ways, both cheap. `Source` faults are built from a changed model while the yardstick reads the unchanged one: what a
conversion that gets something wrong produces. `Graph` faults change the numbers or attributes of an honest artifact.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Change = Callable[[Any], bool]
"""Changes a model or a graph in place; False where it does not have what would be changed."""


def _layers(model: Any) -> Any:
    return model.model.layers


def rope_theta(model: Any) -> bool:
    """Another base of the rotary positions."""
    config = model.config
    rope = getattr(config, "rope_parameters", None)
    if not isinstance(rope, dict):
        return False
    parts = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    with_theta = [part for part in parts if "rope_theta" in part]
    for part in with_theta:
        part["rope_theta"] = float(part["rope_theta"]) * 3
    return bool(with_theta)


def rope_type_dropped(model: Any) -> bool:
    """The yardstick stretches positions, the artifact does not; only where `prepare` has stretched them."""
    rope = getattr(model.config, "rope_parameters", None)
    if not isinstance(rope, dict) or rope.get("rope_type") != "linear":
        return False
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": rope["rope_theta"]}
    return True


def window_dropped(model: Any) -> bool:
    """Every layer sees all tokens, though some were trained with a window."""
    if not getattr(model.config, "sliding_window", None):
        return False
    model.config.sliding_window = 448
    return True


def window_halved(model: Any) -> bool:
    """Every window is half as long."""
    if not getattr(model.config, "sliding_window", None):
        return False
    model.config.sliding_window //= 2
    return True


def head_from_table(model: Any) -> bool:
    """The output head is taken from the embedding though it is another matrix."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head.weight is table.weight:
        return False
    head.weight.data.copy_(table.weight.data)
    return True


def table_from_head(model: Any) -> bool:
    """The embedding is taken from the output head."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head.weight is table.weight:
        return False
    table.weight.data.copy_(head.weight.data)
    return True


def bias_lost(model: Any) -> bool:
    """One bias of a projection is zero."""
    for name, parameter in model.named_parameters():
        if name.endswith("proj.bias"):
            parameter.data.zero_()
            return True
    return False


def norm_plus_one(model: Any) -> bool:
    """The offset by 1 of a norm's weight is missing, or is added where there is none."""
    for name, parameter in model.named_parameters():
        if "layernorm" in name and name.endswith("weight"):
            parameter.data += 1
            return True
    return False


def norm_scaled(model: Any) -> bool:
    """One norm is 5 % too large."""
    for name, parameter in model.named_parameters():
        if "layernorm" in name and name.endswith("weight"):
            parameter.data *= 1.05
            return True
    return False


def layer_zeroed(model: Any) -> bool:
    """The last matrices of a layer are zero: it adds nothing."""
    for name, parameter in _layers(model)[-1].named_parameters():
        if parameter.dim() == 2 and any(
            part in name for part in ("o_proj", "down_proj", "dense", "fc2", "w2", "out_proj")
        ):
            parameter.data.zero_()
    return True


def layers_swapped(model: Any) -> bool:
    """Two layers change places."""
    first, other = (
        dict(layer.named_parameters()) for layer in (_layers(model)[0], _layers(model)[1])
    )
    if first.keys() != other.keys():
        return False
    for name, parameter in first.items():
        held = parameter.data.clone()
        parameter.data.copy_(other[name].data)
        other[name].data.copy_(held)
    return True


def queries_permuted(model: Any) -> bool:
    """The rows of a query matrix are ordered as GGUF orders them."""
    heads = model.config.num_attention_heads
    for name, parameter in model.named_parameters():
        if name.endswith(("q_proj.weight", "qkv_proj.weight")):
            rows = parameter.shape[0] if "qkv" not in name else parameter.shape[0] // 2
            part = parameter.data[:rows]
            split = part.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2)
            parameter.data[:rows] = split.reshape(part.shape).clone()
            return True
    return False


def queries_and_keys_swapped(model: Any) -> bool:
    """Keys stand where queries belong, as many as there are."""
    for layer in _layers(model):
        attention = getattr(layer, "self_attn", None)
        if attention is not None and hasattr(attention, "q_proj"):
            keys = attention.k_proj.weight.data
            queries = attention.q_proj.weight.data[: len(keys)].clone()
            attention.q_proj.weight.data[: len(keys)] = keys
            attention.k_proj.weight.data.copy_(queries)
            return True
    return False


def gate_and_up_swapped(model: Any) -> bool:
    """The two halves of a gated layer change places."""
    for layer in _layers(model):
        block = getattr(layer, "mlp", None)
        if block is not None and hasattr(block, "gate_proj"):
            held = block.gate_proj.weight.data.clone()
            block.gate_proj.weight.data.copy_(block.up_proj.weight.data)
            block.up_proj.weight.data.copy_(held)
            return True
    return False


def rows_zeroed(model: Any) -> bool:
    """Eight rows of one matrix are zero."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and any(
            part in name for part in ("up_proj", "fc1", "w1", "in_proj")
        ):
            parameter.data[8:16] = 0
            return True
    return False


def matrix_scaled(model: Any) -> bool:
    """One matrix is 5 % too large."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and any(part in name for part in ("down_proj", "fc2", "w2")):
            parameter.data *= 1.05
            return True
    return False


def token_rows_shifted(model: Any) -> bool:
    """The token table is off by one row: the wrong token map."""
    table = model.get_input_embeddings().weight.data
    table.copy_(table.roll(1, 0).clone())
    return True


def two_tokens_swapped(model: Any) -> bool:
    """Two rows of the token table change places, of tokens that no prompt holds."""
    table = model.get_input_embeddings().weight.data
    held = table[-1].clone()
    table[-1] = table[-2]
    table[-2] = held
    return True


def half_rows_zeroed(model: Any) -> bool:
    """Half of eight rows of one matrix is zero."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and any(part in name for part in ("up_proj", "fc1", "w1")):
            parameter.data[8:16, parameter.shape[1] // 2 :] = 0
            return True
    return False


def rows_scaled(model: Any) -> bool:
    """Eight rows of one matrix are half as large again."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and any(part in name for part in ("up_proj", "fc1", "w1")):
            parameter.data[8:16] *= 1.5
            return True
    return False


def head_rows_swapped(model: Any) -> bool:
    """Two rows of an output head of its own change places."""
    head = model.get_output_embeddings().weight
    if head is model.get_input_embeddings().weight:
        return False
    held = head.data[-1].clone()
    head.data[-1] = head.data[-2]
    head.data[-2] = held
    return True


def wrong_eps(model: Any) -> bool:
    """The norms' epsilon is a thousand times larger."""
    for name in ("rms_norm_eps", "norm_eps", "layer_norm_eps", "layer_norm_epsilon"):
        if isinstance(value := getattr(model.config, name, None), float):
            setattr(model.config, name, max(value, 1e-6) * 1000)
            return True
    return False


SOURCE: tuple[Change, ...] = (
    rope_theta, rope_type_dropped, window_dropped, window_halved, head_from_table, table_from_head, bias_lost, norm_plus_one, norm_scaled,
    layer_zeroed, layers_swapped, queries_permuted, queries_and_keys_swapped, gate_and_up_swapped, rows_zeroed,
    matrix_scaled, token_rows_shifted, two_tokens_swapped, wrong_eps,
    half_rows_zeroed, rows_scaled, head_rows_swapped,
)  # fmt: skip


def attention_scale(graph: Any) -> bool:
    """Attention is scaled 10 % too strongly."""
    changed = False
    for node in graph.graph.node:
        for attribute in node.attribute:
            if node.op_type == "GroupQueryAttention" and attribute.name == "scale":
                attribute.f *= 1.1
                changed = True
    return changed


def softcap_dropped(graph: Any) -> bool:
    """Attention logits are not capped."""
    changed = False
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "softcap" and attribute.f:
                attribute.f = 0.0
                changed = True
    return changed


def no_rotation(graph: Any) -> bool:
    """Queries and keys are not turned by their position."""
    changed = False
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "do_rotary" and attribute.i:
                attribute.i = 0
                changed = True
    if changed:
        for node in graph.graph.node:
            if node.op_type == "GroupQueryAttention":
                for index in (7, 8):
                    if len(node.input) > index:
                        node.input[index] = ""
    return changed


def epsilon_in_graph(graph: Any) -> bool:
    """The norms' epsilon is 0.01."""
    changed = False
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "epsilon":
                attribute.f = 0.01
                changed = True
    return changed


GRAPH: tuple[Change, ...] = (
    attention_scale, softcap_dropped, no_rotation, epsilon_in_graph
)  # fmt: skip


def damaged_copies(artifact: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of each graph fault with a copy of the artifact that has it."""
    import onnx

    for change in GRAPH:
        graph = onnx.load(str(artifact / "model.onnx"), load_external_data=False)
        if not change(graph):
            continue
        copy = folder / change.__name__ / "artifact"
        shutil.copytree(artifact, copy)
        (copy / "model.onnx").write_bytes(graph.SerializeToString())
        yield change.__name__, copy
        shutil.rmtree(copy.parent)
