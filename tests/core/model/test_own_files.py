"""Whose tokenizer, template and settings count: an adapter's own win over its base's, kind by kind."""

import json
from pathlib import Path

import pytest

from firstlight_core.model.own_files import own_files, token_rows
from firstlight_core.model.safetensors_headers import Tensor


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (tmp_path / "base" / name).write_text("{}")
    return tmp_path / "adapter", tmp_path / "base"


def test_a_whole_model_speaks_for_itself(tmp_path: Path) -> None:
    files = own_files(tmp_path, None)
    assert {files.tokenizer, files.template, files.generation} == {tmp_path}


def test_an_adapter_without_files_takes_its_bases(pair: tuple[Path, Path]) -> None:
    adapter, base = pair
    # A vocabulary is what makes a tokenizer; this file alone says nothing.
    (adapter / "tokenizer_config.json").write_text("{}")
    files = own_files(adapter, base)
    assert {files.tokenizer, files.template, files.generation} == {base}


@pytest.mark.parametrize(
    "names", [["tokenizer.json"], ["tokenizer.model"], ["vocab.json", "merges.txt"]]
)
def test_an_adapters_vocabulary_wins(names: list[str], pair: tuple[Path, Path]) -> None:
    adapter, base = pair
    for name in names:
        (adapter / name).write_text("")
    files = own_files(adapter, base)
    assert (files.tokenizer, files.template, files.generation) == (adapter, base, base)


@pytest.mark.parametrize(
    ("name", "content", "wins"),
    [
        ("chat_template.jinja", "{{ x }}", True),
        ("tokenizer_config.json", json.dumps({"chat_template": "{{ x }}"}), True),
        ("tokenizer_config.json", json.dumps({"chat_template": ""}), False),
        ("tokenizer_config.json", "[", False),
    ],
)
def test_an_adapters_template_wins(
    name: str, content: str, wins: bool, pair: tuple[Path, Path]
) -> None:
    adapter, base = pair
    (adapter / name).write_text(content)
    assert own_files(adapter, base).template == (adapter if wins else base)


def test_an_adapters_generation_settings_win(pair: tuple[Path, Path]) -> None:
    adapter, base = pair
    (adapter / "generation_config.json").write_text("{}")
    assert own_files(adapter, base).generation == adapter


@pytest.mark.parametrize(
    ("name", "shape", "rows"),
    [
        ("base_model.model.model.embed_tokens.weight", (402, 64), 402),
        ("base_model.model.lm_head.weight", (402, 64), 402),
        ("base_model.model.model.embed_tokens.lora_embedding_A", (4, 402), 402),
        ("base_model.model.model.embed_tokens.lora_embedding_B", (64, 4), 0),
        ("base_model.model.lm_head.lora_B.weight", (402, 4), 402),
        ("base_model.model.lm_head.lora_A.weight", (4, 64), 0),
        ("base_model.model.model.embed_tokens.trainable_tokens_delta", (3, 64), 0),
        ("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", (3, 64), 0),
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", (64, 4), 0),
    ],
)
def test_token_rows_of_adapter_tensors(name: str, shape: tuple[int, ...], rows: int) -> None:
    assert token_rows(name, Tensor("F32", shape, shape[0] * shape[1])) == rows
