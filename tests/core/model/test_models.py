"""Inspection of good folders: the figures, the fingerprint, the sources, and what it costs."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import scan_cache_dir

from firstlight_core.errors import ModelRefused, UsageError
from firstlight_core.ledger import Run
from firstlight_core.model.builder_support import native_models, supported_architectures
from firstlight_core.model.inspection import (
    AlreadyArtifact,
    UnsupportedArchitecture,
    fingerprint,
    inspect_model,
    inspect_source,
)
from firstlight_core.model.sources import (
    check_hub_id,
    complete_folder,
    find_models,
    find_source,
    hub_cache,
    remember_folder,
)
from firstlight_core.paths import find_paths
from tests.support.zoo import edit_config, honest_folder


def test_sample_is_known_in_full(sample: Path) -> None:
    facts = inspect_model(sample).to_json()
    assert facts["architecture"] == "Qwen2ForCausalLM"
    assert facts["supported"] is True
    assert facts["parameters"] == 2_297_088
    assert facts["parameters_by_kind"] == {"embedding": 524_288, "body": 1_772_800, "head": 0}
    assert facts["tied_embeddings"] is True
    assert facts["dtype"] == "bfloat16"
    assert facts["context_length"] == 1024
    assert facts["weight_bytes"] == (sample / "model.safetensors").stat().st_size
    assert facts["template"] == "chat_template.jinja"
    assert facts["eos_token_ids"] == [2, 0]
    assert facts["fingerprint"].startswith("sha256:")
    assert facts["warnings"] == []


def test_adapter_is_inspected_with_its_base(sample: Path) -> None:
    inspection = inspect_model(sample.parent / "adapter")
    assert inspection.folder == sample
    assert inspection.adapter is not None and inspection.adapter.rank == 8
    assert inspection.adapter.targets[0] == "down_proj"
    assert inspection.fingerprint != inspect_model(sample).fingerprint


def test_base_of_an_adapter_can_be_given(sample: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(sample.parent / "adapter", tmp_path / "adapter"))
    with pytest.raises(ModelRefused, match="not on this machine"):
        inspect_model(adapter)
    assert inspect_model(adapter, base=sample).folder == sample


def test_untied_head_is_counted_apart(tmp_path: Path) -> None:
    inspection = inspect_model(honest_folder(tmp_path / "m"))
    assert not inspection.structure.tied
    assert (inspection.structure.embedding, inspection.structure.head) == (64 * 64, 64 * 64)
    columns = dict(inspection.structure.matrices)
    # q, k, v, o, gate and up read 64 values, down reads 128.
    assert columns == {64: 64 + 32 + 32 + 64 + 128 + 128, 128: 64}
    assert inspection.structure.vectors == 3 * 64


def test_artifact_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "genai_config.json").write_text("{}")
    with pytest.raises(AlreadyArtifact, match="adopt it"):
        inspect_model(tmp_path)


def test_builder_is_asked_without_importing_it(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from firstlight_core.model.builder_support import native_models as n, supported_architectures as s\n"
        "assert 'Qwen2ForCausalLM' in s() and 'PhiMoEForCausalLM' not in s()\n"
        "assert 'Qwen2ForCausalLM' in n()['qwen2'] and 'internlm2' not in n()\n"
        "assert not {'onnxruntime_genai', 'torch', 'transformers'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)


def test_builder_that_dispatches_in_another_way_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "builder.py").write_text("MODELS = {'LlamaForCausalLM': Llama}\n")
    assert supported_architectures(tmp_path / "builder.py") is None
    assert supported_architectures(tmp_path / "nowhere.py") is None
    assert native_models(tmp_path / "builder.py") is None


def test_unsupported_architecture_says_what_is(tmp_path: Path) -> None:
    folder = honest_folder(tmp_path / "m", architectures=["RwkvForCausalLM"])
    with pytest.raises(UnsupportedArchitecture) as refused:
        inspect_model(folder)
    assert "Llama" in refused.value.hint


def test_more_than_ten_billion_parameters_is_not_small(tmp_path: Path) -> None:
    inspection = inspect_model(sparse_llama(tmp_path / "m", layers=48, hidden=5120, shards=4))
    assert inspection.parameters > 10e9
    assert "not a small model" in inspection.warnings[0]


# ------------------------------------------------------------------ fingerprint
def test_fingerprint_changes_with_one_byte(sample: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sample, tmp_path / "copy"))
    before = fingerprint(copy)
    assert before == fingerprint(sample), "the same content has the same fingerprint anywhere"
    with (copy / "model.safetensors").open("r+b") as stream:
        stream.seek(100_000)
        byte = stream.read(1)
        stream.seek(100_000)
        stream.write(bytes([byte[0] ^ 1]))
    assert fingerprint(copy) != before


def test_fingerprint_notices_a_change_that_hides_its_time(sample: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sample, tmp_path / "copy"))
    path = copy / "model.safetensors"
    old = 1_600_000_000_000_000_000
    os.utime(path, ns=(old, old))
    before = fingerprint(copy)
    with path.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x55")
    os.utime(path, ns=(old, old))
    assert fingerprint(copy) != before


def test_fingerprint_ignores_what_is_not_the_model(sample: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sample, tmp_path / "copy"))
    before = fingerprint(copy)
    (copy / "README.md").write_text("words")
    assert fingerprint(copy) == before
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert fingerprint(copy) != before


def test_digest_cache_is_used_and_may_be_broken(sample: Path) -> None:
    first = fingerprint(sample)
    cache = find_paths().cache / "fingerprints.json"
    assert json.loads(cache.read_text())
    cache.write_text("{ torn")
    assert fingerprint(sample) == first
    entries = json.loads(cache.read_text())
    cache.write_text(json.dumps(dict.fromkeys(entries, "0" * 64)))
    assert fingerprint(sample) != first, "the cache is not read"


# ------------------------------------------------------------------ where models come from
def test_models_are_listed_sample_first(sample: Path, tmp_path: Path) -> None:
    entry = hub_cache() / "models--me--tiny"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text("abcdef12")
    honest_folder(entry / "snapshots" / "abcdef12")
    honest_folder(entry / "snapshots" / "00000000")
    (hub_cache() / "models--broken--x" / "snapshots").mkdir(parents=True)
    used = honest_folder(tmp_path / "used")
    remember_folder(used)
    remember_folder(tmp_path / "gone")
    models = find_models()
    assert [(m.name, m.origin) for m in models] == [
        ("sample", "sample"),
        ("used", "recent"),
        ("me/tiny", "cache"),
    ]
    assert models[2].path.name == "abcdef12"
    assert models[1].architecture == "LlamaForCausalLM"
    assert models[0].weight_bytes == 4_598_232
    assert inspect_source("me/tiny").folder == models[2].path


@pytest.mark.parametrize(
    ("base", "hint"),
    [
        ("/models/base", "Name the base's folder on this machine: --base FOLDER"),
        ("some/Model", "(`hf download some/Model`), or name its folder: --base FOLDER"),
        ("some/Model-unsloth-bnb-4bit", "(probably `hf download some/Model`)"),
    ],
)
def test_a_missing_base_has_a_way_to_it(base: str, hint: str, sample: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(sample.parent / "adapter", tmp_path / "adapter"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": base})
    )
    with pytest.raises(ModelRefused, match="not on this machine") as caught:
        inspect_model(adapter)
    assert hint in caught.value.hint


def test_adapters_are_found_where_models_are(sample: Path, tmp_path: Path) -> None:
    snapshot = hub_cache() / "models--me--lora" / "snapshots" / "abcdef12"
    shutil.copytree(sample.parent / "adapter", snapshot)
    used = Path(shutil.copytree(sample.parent / "adapter", tmp_path / "used"))
    remember_folder(used)
    rows = {m.name: m for m in find_models()}
    assert rows["me/lora"].path == snapshot and rows["used"].path == used
    assert rows["used"].architecture == "LoRA adapter" and rows["used"].weight_bytes > 0
    assert inspect_source("me/lora", base=sample).adapter is not None
    (tmp_path / "usefulness").mkdir()
    assert complete_folder(f"{tmp_path}/us") == [f"{tmp_path}/used/", f"{tmp_path}/usefulness/"]


def test_a_download_that_was_cut_short_is_listed_and_named() -> None:
    snapshot = honest_folder(hub_cache() / "models--me--cut" / "snapshots" / "abcdef12")
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to("../../blobs/missing")
    assert scan_cache_dir(hub_cache()).repos == frozenset(), "the hub's scanner lists it: use that"
    assert [m.name for m in find_models() if m.origin == "cache"] == ["me/cut"]
    with pytest.raises(ModelRefused, match=r"model\.safetensors"):
        inspect_source("me/cut")


def test_sources(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_source("sample") == sample
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample").mkdir()
    assert find_source("sample") == Path("sample")
    with pytest.raises(ModelRefused, match="Hugging Face cache"):
        find_source("Qwen/Qwen2.5-0.5B")


@pytest.mark.parametrize(
    "text",
    ["../../x", "a//b", "a/b/c", "a--b/c", "a/..b", "-a/b", "a/b.git", "a b/c", "x" * 97, ""],
)
def test_hub_ids_are_checked(text: str) -> None:
    with pytest.raises(UsageError):
        check_hub_id(text)


def test_folders_of_earlier_runs_are_listed(tmp_path: Path) -> None:
    first, second = honest_folder(tmp_path / "first"), honest_folder(tmp_path / "second")
    run = Run.create("first")
    run.record("model", "done", values={"source": str(first)})
    run.record("convert", "done", values={"source": {"path": str(second)}})
    assert [m.name for m in find_models()] == ["sample", "first", "second"]


def test_paths_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apple").mkdir()
    honest_folder(tmp_path / "apricot")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a\x1b[2Jb").mkdir()
    (tmp_path / "a.txt").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert complete_folder(f"{tmp_path}/a") == [f"{tmp_path}/apricot/", f"{tmp_path}/apple/"]
    assert complete_folder(f"{tmp_path}/.") == [f"{tmp_path}/.hidden/"]
    assert complete_folder(f"{tmp_path}/nowhere/x") == []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert complete_folder("app") == ["apple/"]
    assert complete_folder("~/app") == ["~/apple/"]
    assert "/tmp/" in complete_folder("/tm")
    assert complete_folder("") == complete_folder("a\0") == []


def test_nothing_is_written_into_the_source(sample: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sample, tmp_path / "copy"))

    def state() -> list[tuple[str, int, int]]:
        listed = [copy, *copy.rglob("*")]
        return sorted((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in listed)

    before = state()
    inspect_model(copy)
    fingerprint(copy)
    assert state() == before


# ------------------------------------------------------------------ cost
def sparse_llama(folder: Path, *, layers: int, hidden: int, shards: int) -> Path:
    """A llama-shaped folder whose weights are holes in sparse files."""
    honest_folder(folder)
    heads, wide, vocab = hidden // 128, hidden * 11 // 4 // 64 * 64, 32_000
    edit_config(
        folder,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        vocab_size=vocab,
    )
    (folder / "model.safetensors").unlink()
    tensors: list[tuple[str, list[int]]] = [
        ("model.embed_tokens.weight", [vocab, hidden]),
        ("model.norm.weight", [hidden]),
        ("lm_head.weight", [vocab, hidden]),
    ]
    for number in range(layers):
        layer = f"model.layers.{number}."
        tensors += [
            (f"{layer}{norm}_layernorm.weight", [hidden]) for norm in ("input", "post_attention")
        ]
        tensors += [(f"{layer}self_attn.{p}_proj.weight", [hidden, hidden]) for p in "qkvo"]
        tensors += [(f"{layer}mlp.{p}_proj.weight", [wide, hidden]) for p in ("gate", "up")]
        tensors.append((f"{layer}mlp.down_proj.weight", [hidden, wide]))
    placed: dict[str, str] = {}
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        header: dict[str, Any] = {}
        position = 0
        for tensor, shape in tensors[number::shards]:
            count = 2
            for size in shape:
                count *= size
            header[tensor] = {
                "dtype": "BF16",
                "shape": shape,
                "data_offsets": [position, position + count],
            }
            position += count
            placed[tensor] = name
        raw = json.dumps(header).encode()
        with (folder / name).open("wb") as stream:
            stream.write(struct.pack("<Q", len(raw)) + raw)
            stream.truncate(8 + len(raw) + position)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return folder


_MEASURE = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from firstlight_core.model.inspection import inspect_model
from firstlight_core.estimate.estimates import estimates
found = inspect_model(Path(sys.argv[1]))
estimates(found)
seconds = time.perf_counter() - began
peak = [l for l in open("/proc/self/status") if l.startswith("VmHWM")][0].split()[1]
print(found.parameters, seconds, int(peak) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "hidden", "shards"), [(32, 4096, 3), (80, 8192, 30)])
def test_large_models_are_inspected_from_headers(
    tmp_path: Path, layers: int, hidden: int, shards: int
) -> None:
    folder = sparse_llama(tmp_path / "m", layers=layers, hidden=hidden, shards=shards)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    parameters, seconds, peak = done.stdout.split()
    assert float(parameters) > 6.5e9
    # The goals are 1 s (7 B) and 2 s (70 B); a shared machine gets some room here, `make bench` measures.
    assert float(seconds) < 10
    assert int(peak) < 100
