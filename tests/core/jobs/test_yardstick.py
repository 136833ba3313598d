"""The yardstick: the source as transformers and PEFT run it, never as a conversion merges it; no tensor is made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import ModelRefused

pytestmark = pytest.mark.real
WORDS = [
    "the",
    "harbour",
    "is",
    "quiet",
    "in",
    "the",
    "morning",
    "and",
    "the",
    "boats",
    "come",
    "back",
    "with",
    "the",
    "tide",
]


def save_tokenizer(
    folder: Path, template: str | None = "{{ messages[0]['content'] }}", **more: Any
) -> None:
    """A whitespace tokenizer of 64 words; small, and enough for prompts."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {
        word: number
        for number, word in enumerate(["<pad>", "<s>", "</s>", "<end>", *dict.fromkeys(WORDS)])
    }
    vocabulary |= {f"w{number}": number for number in range(len(vocabulary), 64)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        **more,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if template:
        (folder / "chat_template.jinja").write_text(template)


def tiny(kind: str = "qwen2", *, seed: int = 0, **values: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {
        "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 128, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False, **values,
    }  # fmt: skip
    config = AutoConfig.for_model(kind, **settings)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2 + (parameter.dim() == 1))
    return model.eval()


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor([[5, 6, 7, 8]])).logits


def adapted(folder: Path, base: Any, **lora: Any) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    base.save_pretrained(folder / "base")
    save_tokenizer(folder / "base")
    made = get_peft_model(base, LoraConfig(r=2, lora_alpha=4, task_type="CAUSAL_LM", **lora))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_" in name or "modules_to_save" in name or "trainable_tokens_delta" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    made.save_pretrained(str(folder / "adapter"))
    return made.eval()


@pytest.mark.parametrize(
    ("tied", "lora"),
    [
        (True, {"target_modules": ["q_proj", "embed_tokens"]}),
        (True, {"target_modules": ["q_proj", "lm_head"]}),
        (False, {"target_modules": ["q_proj"], "use_dora": True, "use_rslora": True}),
        (True, {"target_modules": ["q_proj"], "trainable_token_indices": [3, 4]}),
        (False, {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "embed_tokens"]}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_adapter_is_run_beside_its_base(
    tied: bool, lora: dict[str, Any], tmp_path: Path
) -> None:
    """Merging an adapter on the table of a tied model in place moves the other end too."""
    from firstlight_core.jobs.transformers_model import load_original

    made = adapted(tmp_path, tiny(tie_word_embeddings=tied), **lora)
    wanted = logits(made)
    _, model = load_original(tmp_path / "adapter", str(tmp_path / "base"))
    assert (logits(model) - wanted).abs().max() == 0


@pytest.mark.filterwarnings("ignore")
def test_an_adapters_own_files_win_and_its_rows_are_added(tmp_path: Path) -> None:
    import torch

    from firstlight_core.jobs.transformers_model import load_original, stop_ids

    base = tiny()
    base.save_pretrained(tmp_path / "plain")
    base.resize_token_embeddings(67)
    made = adapted(
        tmp_path, base, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]
    )
    wanted = logits(made)
    assert wanted.shape[-1] == 67
    save_tokenizer(tmp_path / "plain", template=None)
    save_tokenizer(tmp_path / "adapter", template="{{ 1 }}", eos_token="<end>")
    tokenizer, model = load_original(tmp_path / "adapter", str(tmp_path / "plain"))
    assert torch.equal(logits(model), wanted)
    assert tokenizer.chat_template == "{{ 1 }}"
    assert stop_ids(model, tokenizer) == {2, 3}


def test_both_matrices_of_a_head_that_is_not_tied_are_kept(tmp_path: Path) -> None:
    from firstlight_core.jobs.transformers_model import load_original

    model = tiny()
    wanted = logits(model)
    model.save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tie_word_embeddings": True}))
    _, loaded = load_original(tmp_path, None)
    assert (logits(loaded) - wanted).abs().max() == 0


@pytest.mark.parametrize("verbosity", ["", "error", "critical"])
@pytest.mark.parametrize(
    ("pattern", "name"),
    [("q_proj.bias", "layers.0.self_attn.q_proj.bias"), ("model.norm.weight", "norm.weight")],
)
def test_missing_tensors_are_found_by_name_whatever_is_logged(
    pattern: str, name: str, verbosity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    from firstlight_core.jobs.transformers_model import load_original

    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", verbosity)
    tiny().save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    path = tmp_path / "model.safetensors"
    remaining = {key: value for key, value in load_file(path).items() if not key.endswith(pattern)}
    save_file(remaining, path, metadata={"format": "pt"})
    with pytest.raises(ModelRefused, match=f"The weights lack .*{name}"):
        load_original(tmp_path, None)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "kind", ["llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "granite", "olmo"]
)
def test_no_tensor_of_a_whole_model_is_called_missing(
    kind: str, tied: bool, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    from firstlight_core.jobs.tensor_check import lacking_tensors

    tiny(kind, tie_word_embeddings=tied, head_dim=8).save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert lacking_tensors(tmp_path, model) == []
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 64}))
    larger = AutoModelForCausalLM.from_config(type(model.config).from_pretrained(tmp_path))
    assert any("mlp" in name for name in lacking_tensors(tmp_path, larger))
