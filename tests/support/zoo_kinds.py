"""More animals for the zoo: folders as training, merging and editing leave them behind, from public reports."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import faultkit
from tests.support.zoo import _adapter, add, animal, edit_config, rewrite

BOM = b"\xef\xbb\xbf"
KINDS: list[str] = []
"""The names of the animals here that are refused."""


def refused(name: str, keep: Callable[[Path], Path | None], verdict: str) -> None:
    add(name, keep, verdict)
    KINDS.append(name)


# ------------------------------------------------------------------ marks of editors
def _marked(name: str, mark: bytes = BOM) -> Callable[[Path], None]:
    def keep(folder: Path) -> None:
        path = folder / name
        path.write_bytes(mark + (path.read_bytes() if path.exists() else b"{}"))

    return keep


for _name in (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
):
    refused(f"mark_{_name}", _marked(_name), f"{_name} begins with a byte order mark")
refused(
    "mark_utf16", _marked("tokenizer_config.json", b"\xff\xfe"), "begins with the mark of UTF-16"
)


def _marked_adapter(folder: Path) -> Path:
    adapter = _adapter(folder)
    _marked("adapter_config.json")(adapter)
    return adapter


refused("mark_adapter", _marked_adapter, "adapter_config.json begins with a byte order mark")


# ------------------------------------------------------------------ special tokens without a row
for _field, _value, _words in (
    ("pad_token_id", 64, "pad_token_id 64 is outside of the vocabulary of 64"),
    ("pad_token_id", 99_999, "pad_token_id 99999 is outside"),
    ("pad_token_id", -65, "pad_token_id -65 is outside"),
    ("bos_token_id", 64, "bos_token_id 64 is outside"),
    ("bos_token_id", -1, "bos_token_id -1 is outside"),
):
    refused(
        f"{_field}_{_value}",
        lambda f, field=_field, value=_value: edit_config(f, **{field: value}),  # type: ignore[misc]
        _words,
    )
add("pad_of_the_last_row", lambda f: edit_config(f, pad_token_id=-1), "", healthy=True)


def _generation(**settings: Any) -> Callable[[Path], None]:
    def keep(folder: Path) -> None:
        (folder / "generation_config.json").write_text(json.dumps(settings))

    return keep


def _ends(*ids: int, tokenizer: bool = True) -> Callable[[Path], None]:
    def keep(folder: Path) -> None:
        _generation(eos_token_id=list(ids))(folder)
        if not tokenizer:
            (folder / "tokenizer_config.json").write_text("{}")

    return keep


refused("ends_outside", _ends(64, 70, tokenizer=False), "no answer would ever end")
add("one_end_outside", _ends(2, 70), "token 70 is outside", healthy=True)

# ------------------------------------------------------------------ generation_config.json
GENERATION: list[tuple[dict[str, Any], str]] = [
    ({"num_return_sequences": 3, "do_sample": False, "num_beams": 1}, "num_return_sequences is 3"),
    ({"num_return_sequences": 2}, "without beams or sampling"),
    ({"num_return_sequences": 5, "num_beams": 4}, "more than num_beams (4)"),
    ({"early_stopping": "sometimes"}, "early_stopping is 'sometimes'"),
    ({"max_new_tokens": 0}, "max_new_tokens is 0"),
    ({"max_new_tokens": "256"}, "max_new_tokens is '256'"),
    ({"pad_token_id": "0"}, "pad_token_id is '0'"),
    ({"cache_implementation": "turbo"}, "cache_implementation is 'turbo'"),
    ({"compile_config": {"fullgraph": True}}, "compile_config"),
    ({"stopping_criteria": []}, "is an argument of generate()"),
    ({"streamer": None}, "is an argument of generate()"),
    ({"eos_token_id": []}, "eos_token_id is []"),
    ({"eos_token_id": "2"}, "eos_token_id is '2'"),
    ({"suppress_tokens": [2, 5], "forced_eos_token_id": 2}, "suppress_tokens forbids"),
]
"""Settings that transformers refuses to read; `test_folder_kinds` asks transformers itself."""
KEPT: list[dict[str, Any]] = [
    {"do_sample": False, "temperature": 0.6, "top_p": 0.9},
    {"do_sample": True, "num_return_sequences": 3},
    {"num_beams": 4, "num_return_sequences": 4, "early_stopping": True},
    {"early_stopping": "never", "length_penalty": 2.0},
    {"cache_implementation": "hybrid"},
    {"pad_token_id": -1, "max_length": 4096},
    {"suppress_tokens": [5], "forced_eos_token_id": 2},
    {"num_return_sequences": None, "num_beams": None},
    {"something_new": {"of": "the next version"}},
]
for _number, (_settings, _words) in enumerate(GENERATION):
    refused(
        f"generation_refused_{_number}", _generation(**{"eos_token_id": 2, **_settings}), _words
    )
for _number, _settings in enumerate(KEPT):
    add(
        f"generation_kept_{_number}",
        _generation(**{"eos_token_id": 2, **_settings}),
        "",
        healthy=True,
    )


# ------------------------------------------------------------------ names of tensors
def _prefixed(prefix: str) -> Callable[[Path], None]:
    return lambda f: rewrite(f, lambda header: {prefix + name: header[name] for name in header})


for _prefix, _words in (
    ("_orig_mod.", "a wrapper of torch.compile"),
    ("module.", "a wrapper of a parallel training"),
    ("_fsdp_wrapped_module.", "a wrapper of FSDP"),
    ("model._orig_mod.", "a wrapper of torch.compile"),
    ("base_model.model.", "a wrapper of PEFT"),
    ("pretrained_model.", "a wrapper of TRL's value head"),
    ("student.", "otherwise than LlamaForCausalLM does"),
):
    refused(f"prefix_{_prefix}", _prefixed(_prefix), _words)


def _renamed(old: str, new: str) -> Callable[[Path], None]:
    return lambda f: rewrite(f, lambda h: {n.replace(old, new): h[n] for n in h})


refused("unmerged_layers", _renamed("q_proj.", "q_proj.base_layer."), "a wrapper of PEFT")
refused(
    "compiled_layers", _renamed("layers.0.", "layers.0._orig_mod."), "a wrapper of torch.compile"
)


def _with(folder: Path, change: Callable[[dict[str, Any]], Any], **config: Any) -> None:
    """The honest folder with other tensors and another config.json."""
    edit_config(folder, **config)
    shapes = {
        "model.embed_tokens.weight": [64, 64],
        "model.norm.weight": [64],
        "lm_head.weight": [64, 64],
    } | {f"model.layers.0.{part}.weight": shape for part, shape in _LAYER.items()}
    change(shapes)
    tensors = {name: ("F32", tuple(shape)) for name, shape in shapes.items()}
    faultkit.safetensors(str(folder / "model.safetensors"), tensors)


_LAYER = {
    "input_layernorm": [64],
    "post_attention_layernorm": [64],
    "self_attn.q_proj": [64, 64],
    "self_attn.k_proj": [32, 64],
    "self_attn.v_proj": [32, 64],
    "self_attn.o_proj": [64, 64],
    "mlp.gate_proj": [128, 64],
    "mlp.up_proj": [128, 64],
    "mlp.down_proj": [64, 128],
}
_QKV_BIASES = {f"model.layers.0.self_attn.{part}_proj.bias": [size] for part, size in
               (("q", 64), ("k", 32), ("v", 32))}  # fmt: skip


def _empty(shapes: dict[str, Any]) -> None:
    shapes |= {name: [0] for name, shape in shapes.items() if len(shape) > 1}


refused("sharded_without_gathering", lambda f: _with(f, _empty), "hold empty tensors")
refused(
    "a_bias_is_gone",
    lambda f: _with(f, lambda s: None, attention_bias=True),
    "layers.0.self_attn.q_proj.bias",
)
refused(
    "qwen2_without_biases",
    lambda f: _with(
        f, lambda s: None, architectures=["Qwen2ForCausalLM"], model_type="qwen2", attention_bias=False
    ),
    "layers.0.self_attn.q_proj.bias and 2 more",
)  # fmt: skip
add(
    "qwen2_with_biases",
    lambda f: _with(
        f, lambda s: s.update(_QKV_BIASES), architectures=["Qwen2ForCausalLM"], model_type="qwen2"
    ),
    "",
    healthy=True,
)
refused(
    "mlp_biases_are_gone", lambda f: _with(f, lambda s: None, mlp_bias=True), "mlp.gate_proj.bias"
)
refused(
    "qwen3_without_its_norms",
    lambda f: _with(f, lambda s: None, architectures=["Qwen3ForCausalLM"], model_type="qwen3"),
    "q_norm",
)


def _scored(shapes: dict[str, Any]) -> None:
    del shapes["lm_head.weight"]
    shapes["score.weight"] = [1, 64]


refused("named_causal", lambda f: _with(f, _scored), "classifier or reward model")
refused(
    "named_causal_and_tied",
    lambda f: _with(f, _scored, tie_word_embeddings=True),
    "classifier or reward model",
)

# ------------------------------------------------------------------ config.json of scripts
for _field, _value, _words in (
    ("architectures", ["PeftModelForCausalLM"], "name of a wrapper"),
    ("architectures", ["OptimizedModule"], "name of a wrapper"),
    ("architectures", None, "names no architecture"),
    ("architectures", ["Qwen2ForSequenceClassification"], "gives scores"),
    ("quantization_config", {"quant_method": "bitsandbytes"}, "left quantization_config behind"),
):
    refused(
        f"script_{_field}_{str(_value)[2:20]}",
        lambda f, field=_field, value=_value: edit_config(f, **{field: value}),  # type: ignore[misc]
        _words,
    )


# ------------------------------------------------------------------ adapters
def _with_adapter_tensors(folder: Path, **tensors: tuple[int, ...]) -> Path:
    adapter = _adapter(folder)
    named = {
        f"base_model.model.{name.replace('__', '.')}": ("F32", shape)
        for name, shape in tensors.items()
    }
    faultkit.safetensors(str(adapter / "adapter_model.safetensors"), named)
    return adapter


_Q = "model__layers__0__self_attn__q_proj"


@animal("config.json of its base lies beside it|", healthy=True)
def _adapter_beside_config(folder: Path) -> Path:
    adapter = _adapter(folder)
    shutil.copy(folder / "config.json", adapter)
    shutil.copy(folder / "tokenizer.json", adapter)
    return adapter


def _adapter_beside_weights(folder: Path) -> Path:
    adapter = _adapter(folder)
    shutil.copytree(folder, adapter, dirs_exist_ok=True)
    return adapter


refused("adapter_beside_weights", _adapter_beside_weights, "a whole model and a LoRA adapter")


def _run_of_adapters(folder: Path) -> Path:
    adapter = _adapter(folder)
    for step in (90, 200):
        shutil.copytree(adapter, folder.parent / "run" / f"checkpoint-{step}")
    (folder.parent / "run" / "README.md").write_text("peft")
    return folder.parent / "run"


refused("run_of_adapters", _run_of_adapters, "the folder checkpoint-200 in it holds a LoRA adapter")


def _quantised_base(folder: Path) -> Path:
    copy = folder.with_name("model-bnb-4bit")
    shutil.copytree(folder, copy)
    edit_config(copy, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    return _adapter(folder, base_model_name_or_path="../model-bnb-4bit")


def _far_base(name: str) -> Callable[[Path], Path]:
    return lambda f: _adapter(f, base_model_name_or_path=name)


add("adapter_of_a_base_elsewhere", _far_base("/models/base"), "not on this machine")
add(
    "adapter_of_a_quantised_copy_elsewhere", _far_base("some/Model-bnb-4bit"), "not on this machine"
)
add(
    "mark_in_the_template",
    lambda f: (f / "chat_template.jinja").write_bytes(BOM + b"{{ messages }}") and None,
    "transformers begins every prompt with it",
    healthy=True,
)
refused("adapter_of_a_quantised_base", _quantised_base, "model-bnb-4bit, is quantised")
for _settings, _words in (
    ({"task_type": "SEQ_CLS"}, "was trained for SEQ_CLS"),
    ({"alora_invocation_tokens": [5, 6]}, "acts only from its invocation tokens"),
    ({"layer_replication": [[0, 1], [0, 1]]}, "layer_replication"),
    ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "target_parameters"),
):
    refused(
        f"adapter_{next(iter(_settings))}",
        lambda f, settings=_settings: _adapter(f, **settings),  # type: ignore[misc]
        _words,
    )
refused(
    "adapter_of_a_compiled_model",
    lambda f: _with_adapter_tensors(f, **{f"_orig_mod__{_Q}__lora_A__weight": (4, 64)}),
    "named after a wrapper of the training (_orig_mod)",
)
refused(
    "adapter_with_its_name_in_the_tensors",
    lambda f: _with_adapter_tensors(f, **{f"{_Q}__lora_A__default__weight": (4, 64)}),
    "is no name that PEFT gives",
)
refused(
    "adapter_with_a_new_bias",
    lambda f: _with_adapter_tensors(
        f, **{f"{_Q}__lora_A__weight": (4, 64), f"{_Q}__lora_B__bias": (64,)}
    ),
    "adds a bias to model.layers.0.self_attn.q_proj",
)
refused(
    "adapter_of_two_vocabularies",
    lambda f: _with_adapter_tensors(
        f, **{f"{_Q}__lora_A__weight": (4, 64), "lm_head__weight": (66, 64),
              "model__embed_tokens__weight": (65, 64)}
    ),
    "contradicts itself about the size of the vocabulary",
)  # fmt: skip
refused(
    "adapter_saved_in_shards",
    lambda f: _with_adapter_tensors(
        f, **{f"{_Q}__lora_A__weight": (4, 64), f"{_Q}__lora_B__weight": (0,)}
    ),
    "holds empty tensors",
)
add(
    "adapter_of_a_larger_vocabulary",
    lambda f: _with_adapter_tensors(
        f, **{f"{_Q}__lora_A__weight": (4, 64), "lm_head__weight": (66, 64),
              "model__embed_tokens__weight": (66, 64)}
    ),
    "trained with 66 tokens, its base has 64",
    healthy=True,
)  # fmt: skip


def _ends_of_a_tied_base(folder: Path) -> Path:
    _with(folder, lambda shapes: shapes.pop("lm_head.weight"), tie_word_embeddings=True)
    return _with_adapter_tensors(
        folder, lm_head__lora_A__weight=(4, 64), lm_head__lora_B__weight=(64, 4)
    )


add(
    "adapter_on_one_end_of_a_tied_base",
    _ends_of_a_tied_base,
    "the merged model has a matrix for each",
    healthy=True,
)
