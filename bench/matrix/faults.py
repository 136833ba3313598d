"""Faults planted into the conversion, one an axis: the rows of the matrix must see each of them.

`python -m bench.matrix.faults` converts the row of each fault twice, sound and with the fault, and prints both figures
as JSON lines (docs/support.md shows them). A row that cannot see its fault proves nothing.
"""

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.matrix.comparing import Converter, load_original, measure, texts
from bench.matrix.rows import Row, rows
from bench.matrix.worker import write_source

Patch = Callable[[], Any]


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _base() -> Any:
    from firstlight_core.jobs.builder_classes import builder_module

    return builder_module().Model


def _plain_rope() -> Any:
    from firstlight_core.jobs import rope_tables

    def frequencies(rotary: Any, layers: str, *, long: bool = False) -> Any:
        import torch

        size = rotary._config.head_dim
        return 1.0 / 10000 ** (torch.arange(0, size, 2).float() / size), 1.0

    return replaced(rope_tables._Rotary, "frequencies", frequencies)


def _no_factor() -> Any:
    from firstlight_core.jobs import rope_tables

    inner = rope_tables._Rotary.frequencies

    def frequencies(rotary: Any, layers: str, *, long: bool = False) -> Any:
        factors = inner(rotary, layers, long=long)
        return factors and (factors[0], 1.0)

    return replaced(rope_tables._Rotary, "frequencies", frequencies)


def _no_window() -> Any:
    from firstlight_core.jobs import attention_window

    return replaced(attention_window, "masks_all_layers", lambda folder: False)


def _longer_window() -> Any:
    base = _base()
    inner = base.make_context_length_init

    def make_context_length_init(model: Any, config: Any) -> None:
        inner(model, config)
        model.window_size += 1

    return replaced(base, "make_context_length_init", make_context_length_init)


def _no_bias() -> Any:
    base = _base()
    inner = base.make_add_bias

    def make_add_bias(model: Any, add: Any, *rest: Any, **named: Any) -> Any:
        return inner(model, add * 0, *rest, **named)

    return replaced(base, "make_add_bias", make_add_bias)


def _guessed_epsilon() -> Any:
    base = _base()
    inner = base.make_layernorm

    def make_layernorm(model: Any, *rest: Any, **named: Any) -> Any:
        model.layernorm_attrs["epsilon"] = 1e-6
        return inner(model, *rest, **named)

    return replaced(base, "make_layernorm", make_layernorm)


def _rounded_norms() -> Any:
    from firstlight_core.jobs import exact_numbers

    return replaced(exact_numbers, "_widen", lambda norm: None)


def _rounded_scale() -> Any:
    base = _base()
    inner = base.make_embedding

    def make_embedding(model: Any, embedding: Any) -> Any:
        model.embed_attrs["scale"] = round(model.embed_attrs["scale"], 2)
        return inner(model, embedding)

    return replaced(base, "make_embedding", make_embedding)


def _tied_all_the_same() -> Any:
    from firstlight_core.jobs import own_head

    return replaced(own_head, "has_own_head", lambda folder: False)


def _no_soft_cap() -> Any:
    base = _base()
    inner = base.get_attention_op_attributes

    def attributes(model: Any, **named: Any) -> Any:
        return {**inner(model, **named), "softcap": 0.0}

    return replaced(base, "get_attention_op_attributes", attributes)


def _no_adapter() -> Any:
    from firstlight_core.conversion import olive_config

    inner = olive_config.run_config

    def run_config(source: Path, precision: Any, *, base: Path | None = None) -> Any:
        return inner(base or source, precision)

    return replaced(olive_config, "run_config", run_config)


FAULTS: tuple[tuple[str, str, Patch], ...] = (
    ("rope scaling dropped", "LlamaForCausalLM: rope: linear", _plain_rope),
    ("attention factor of yarn lost", "LlamaForCausalLM: rope: yarn", _no_factor),
    ("window ignored", "MistralForCausalLM: window: sliding_window 40", _no_window),
    ("window one token too long", "MistralForCausalLM: window: sliding_window 40", _longer_window),
    ("biases lost", "LlamaForCausalLM: bias: attention_bias true", _no_bias),
    ("epsilon guessed", "PhiForCausalLM: setting: layer_norm_eps 1e-3", _guessed_epsilon),
    ("norm weights rounded to bfloat16", "Gemma3ForCausalLM: type: bfloat16", _rounded_norms),
    ("embedding scale rounded", "GemmaForCausalLM: setting: hidden_size 96", _rounded_scale),
    ("head tied", "LlamaForCausalLM: head: config tied, own head", _tied_all_the_same),
    ("soft cap left out", "Gemma2ForCausalLM: setting: other soft caps", _no_soft_cap),
    ("adapter left out", "LlamaForCausalLM: LoRA: plain", _no_adapter),
)


def convert_once(row: Row, converter: Converter, work: Path) -> float:
    """Mean KL of the row in FP32."""
    source, base = write_source(row, work)
    original = load_original(source, base)
    artifact = converter.convert(source, base, "fp32")
    return measure(original, artifact, texts(row.config["vocab_size"], 512)).kl


def main() -> None:
    """Every fault, sound and planted."""
    known = {row.key: row for row in rows()}
    with tempfile.TemporaryDirectory() as scratch:
        converter = Converter(Path(scratch) / "olive")
        for number, (name, key, patch) in enumerate(FAULTS):
            with contextlib.redirect_stdout(io.StringIO()):
                sound = convert_once(known[key], converter, Path(scratch) / f"sound{number}")
                with patch():
                    planted = convert_once(
                        known[key], converter, Path(scratch) / f"planted{number}"
                    )
            line = {"fault": name, "row": key, "sound": sound, "planted": planted}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
