"""The merged folder of an adapter computes what PEFT computes with the adapter beside its base, in float32."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import ModelRefused
from firstlight_core.model.inspection import inspect_model
from tests.core.jobs import test_yardstick as yardstick
from tests.core.jobs.test_yardstick import logits, save_tokenizer, tiny

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]
LAYERS = ["q_proj", "v_proj"]


def adapted(folder: Path, base: Any, **lora: Any) -> Any:
    """An adapter that names the folder of its base."""
    made = yardstick.adapted(folder, base, **lora)
    file = folder / "adapter" / "adapter_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "base_model_name_or_path": "../base"}))
    return made


def merged(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The logits of the merged folder, as transformers reads it, and its config.json."""
    from transformers import AutoModelForCausalLM

    from firstlight_core.jobs.adapter_merge import merge_adapter

    target = merge_adapter(folder / "adapter", folder / "base", folder / "merged")
    return logits(AutoModelForCausalLM.from_pretrained(target)), json.loads(
        (target / "config.json").read_text()
    )


@pytest.mark.parametrize(
    ("lora", "parts"),
    [
        ({"target_modules": [*LAYERS, "embed_tokens"]}, True),
        ({"target_modules": [*LAYERS, "lm_head"]}, True),
        ({"target_modules": ["embed_tokens"], "use_dora": True}, True),
        ({"target_modules": LAYERS, "modules_to_save": ["embed_tokens"]}, True),
        ({"target_modules": LAYERS, "modules_to_save": ["embed_tokens", "lm_head"]}, True),
        (
            {
                "target_modules": LAYERS,
                "modules_to_save": ["embed_tokens"],
                "ensure_weight_tying": True,
            },
            False,
        ),
        ({"target_modules": LAYERS, "trainable_token_indices": [3, 4]}, False),
        ({"target_modules": LAYERS, "use_dora": True, "use_rslora": True}, False),
        ({"target_modules": LAYERS, "rank_pattern": {"q_proj": 1}, "init_lora_weights": "pissa"}, False),
        ({"target_modules": "all-linear", "bias": "all"}, False),
    ],
)  # fmt: skip
def test_a_merge_into_a_tied_base_computes_what_the_adapter_does(
    lora: dict[str, Any], parts: bool, tmp_path: Path
) -> None:
    """`parts`: whether the two ends are two matrices after the merge."""
    made = adapted(tmp_path, tiny(tie_word_embeddings=True), **lora)
    wanted = logits(made)
    merged_weight, config = merged(tmp_path)
    assert (merged_weight - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert config["tie_word_embeddings"] is not parts
    inspection = inspect_model(tmp_path / "adapter", base=tmp_path / "base")
    assert inspection.structure.tied is not parts
    whole = inspect_model(tmp_path / "merged")
    assert whole.parameters == inspection.parameters


@pytest.mark.parametrize(("tied", "rows"), [(False, 67), (True, 60)])
def test_a_base_takes_the_size_of_the_adapters_vocabulary(
    tied: bool, rows: int, tmp_path: Path
) -> None:
    base = tiny(tie_word_embeddings=tied)
    base.save_pretrained(tmp_path / "kept")
    base.resize_token_embeddings(rows)
    made = adapted(
        tmp_path, base, target_modules=LAYERS, modules_to_save=["embed_tokens", "lm_head"]
    )
    wanted = logits(made)
    shutil.rmtree(tmp_path / "base")
    (tmp_path / "kept").rename(tmp_path / "base")
    save_tokenizer(tmp_path / "base")
    merged_weight, config = merged(tmp_path)
    assert merged_weight.shape == wanted.shape and config["vocab_size"] == rows
    assert (merged_weight - wanted).abs().max() < 1e-5 * wanted.abs().max()
    inspection = inspect_model(tmp_path / "adapter", base=tmp_path / "base")
    assert inspection.shape.vocab == rows
    assert any(f"{rows}" in text and "64" in text for text in inspection.warnings)


def test_a_16_bit_base_loses_nothing_of_the_adapter(tmp_path: Path) -> None:
    """Merged in bfloat16 the same adapter is off by 1e-2."""
    import torch
    from transformers import AutoModelForCausalLM

    from firstlight_core.jobs.transformers_model import load_original

    adapted(tmp_path, tiny().to(torch.bfloat16), target_modules=LAYERS)
    _, beside = load_original(tmp_path / "adapter", str(tmp_path / "base"))
    wanted = logits(beside)
    merged_weight, config = merged(tmp_path)
    assert config["dtype"] == "float32"
    assert (merged_weight - wanted).abs().max() < 1e-5 * wanted.abs().max()
    from firstlight_core.jobs.adapter_merge import merge_adapter

    small = merge_adapter(tmp_path / "adapter", tmp_path / "base", tmp_path / "small", exact=False)
    rounded = logits(AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32))
    assert (rounded - wanted).abs().max() > 1e-3 * wanted.abs().max()


def test_the_adapters_own_files_reach_the_merged_folder(tmp_path: Path) -> None:
    adapted(tmp_path, tiny(), target_modules=LAYERS)
    (tmp_path / "base" / "generation_config.json").write_text(
        '{"eos_token_id": 2, "temperature": 0.5, "do_sample": false}'
    )
    save_tokenizer(tmp_path / "adapter", template="own {{ messages }}", eos_token="<end>")
    merged(tmp_path)
    target = tmp_path / "merged"
    assert (target / "chat_template.jinja").read_text() == "own {{ messages }}"
    assert json.loads((target / "tokenizer_config.json").read_text())["eos_token"] == "<end>"
    assert json.loads((target / "generation_config.json").read_text())["temperature"] == 0.5
    own = inspect_model(tmp_path / "adapter", base=tmp_path / "base").tokenizer
    assert own.eos_token_ids == (3, 2) and own.template == "chat_template.jinja"


def test_a_template_alone_is_laid_over_the_bases_tokenizer(tmp_path: Path) -> None:
    adapted(tmp_path, tiny(), target_modules=LAYERS)
    (tmp_path / "adapter" / "tokenizer_config.json").write_text('{"chat_template": "mine"}')
    merged(tmp_path)
    target = tmp_path / "merged"
    assert (target / "chat_template.jinja").read_text() == "mine"
    assert json.loads((target / "tokenizer_config.json").read_text())["eos_token"] == "</s>"
    own = inspect_model(tmp_path / "adapter", base=tmp_path / "base").tokenizer
    assert own.template == "tokenizer_config.json" and own.eos_token_ids == (2,)


def test_an_adapter_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    """PEFT leaves such a layer as it was, with nothing but a warning."""
    from safetensors.torch import load_file, save_file

    adapted(tmp_path, tiny(), target_modules=LAYERS)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({n: t for n, t in load_file(file).items() if ".layers.1.self_attn.v" not in n}, file)
    with pytest.raises(ModelRefused, match=r"lack .*layers\.1\.self_attn\.v_proj"):
        merged(tmp_path)
    assert not (tmp_path / "merged").exists()
