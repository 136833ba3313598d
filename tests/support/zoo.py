"""The folder zoo: broken, hostile and odd model folders, each made by code, each with the verdict it must get.

Every animal starts as an honest tiny llama folder with traps in it: Python files and pickles that would leave a
canary if anything ran or unpickled them. `keeper(folder)` changes it and returns the path that is inspected.
"""

import json
import os
import shutil
import socket
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import faultkit

Keeper = Callable[[Path], Path | None]
CANARY = "canary"


@dataclass(frozen=True)
class Animal:
    """One folder: how it is made, and words of its verdict; `healthy` ones pass with that warning."""

    name: str
    keep: Keeper
    verdict: str
    healthy: bool = False


ZOO: list[Animal] = []


def animal(verdict: str, *, healthy: bool = False) -> Callable[[Keeper], Keeper]:
    """Register a keeper under its own name."""

    def register(keep: Keeper) -> Keeper:
        ZOO.append(Animal(keep.__name__.strip("_"), keep, verdict, healthy))
        return keep

    return register


def add(name: str, keep: Keeper, verdict: str, *, healthy: bool = False) -> None:
    """Register one of a family."""
    ZOO.append(Animal(name, keep, verdict, healthy))


def set_traps(folder: Path) -> None:
    """Code and pickles that leave a canary beside the folder when they are run."""
    canary = folder.parent / CANARY
    code = f"open({str(canary)!r}, 'w').close()\n"
    for name in ("modeling_trap.py", "torch.py", "json.py", "olive.py", "sitecustomize.py"):
        (folder / name).write_text(code)
    pickled = b"cbuiltins\nexec\n(V" + code.strip().encode() + b"\ntR."
    for name in ("training_args.bin", "optimizer.pt", "rng_state.pth"):
        (folder / name).write_bytes(pickled)


def honest_folder(folder: Path, **config: Any) -> Path:
    """A complete tiny llama folder."""
    with warnings.catch_warnings():
        # The fault kit leaves files open; that is its business.
        warnings.simplefilter("ignore", ResourceWarning)
        faultkit.tiny_hf(str(folder), **config)
    return folder


def build(animal: Animal, parent: Path) -> Path:
    """Make the animal below `parent` and return what is to be inspected."""
    folder = parent / "model"
    honest_folder(folder)
    set_traps(folder)
    return animal.keep(folder) or folder


def edit_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key, value in values.items():
        if value is KeyError:
            config.pop(key, None)
        else:
            config[key] = value
    path.write_text(json.dumps(config))


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def write_header(path: Path, header: Any, body: bytes) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + body)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "model.safetensors"
    header, body = header_of(path)
    changed = change(header)
    write_header(path, header if changed is None else changed, body)


def shard(folder: Path) -> dict[str, Any]:
    """Split the weights over two shards with an honest index; returns the index."""
    path = folder / "model.safetensors"
    header, _ = header_of(path)
    path.unlink()
    names = sorted(header)
    placed = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        faultkit.safetensors(str(folder / file), {n: ("F32", header[n]["shape"]) for n in part})
        placed |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


def write_index(folder: Path, index: Any) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


# ------------------------------------------------------------------ places that are no folder
add("missing", lambda f: f.parent / "nowhere", "There is no folder")
add("a_file", lambda f: f / "config.json", "one file of a model")
add("root", lambda f: Path("/"), "belongs to the system")
add("proc_self", lambda f: Path("/proc/self"), "belongs to the system")
add("dev", lambda f: Path("/dev"), "belongs to the system")
add("dev_null", lambda f: Path("/dev/null"), "is not a folder")
add("nul_in_path", lambda f: Path("mo\0del"), "NUL")
add("path_of_5000", lambda f: Path("/" + "x" * 5000), "too long")
add("name_of_300", lambda f: f / ("y" * 300), "not usable")
add("file_as_folder", lambda f: f / "config.json" / "deeper", "There is no folder")
add("escape_in_path", lambda f: f.parent / "a\x1b]52;c;UFdORUQ=\x07b\u202e", "There is no folder")


@animal("is empty")
def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@animal("leads to itself")
def _folder_is_a_link_loop(folder: Path) -> Path:
    loop = folder.parent / "loop"
    loop.symlink_to(loop)
    return loop


@animal("is a GGUF file")
def _gguf_file(folder: Path) -> Path:
    (folder / "m.gguf").write_bytes(b"GGUF" + bytes(64))
    return folder / "m.gguf"


@animal("is an archive")
def _zip_file(folder: Path) -> Path:
    (folder / "m.zip").write_bytes(b"PK\x03\x04")
    return folder / "m.zip"


@animal("is a pickle")
def _pickle_file(folder: Path) -> Path:
    return folder / "training_args.bin"


@animal("is not a folder")
def _fifo_as_model(folder: Path) -> Path:
    os.mkfifo(folder.parent / "pipe")
    return folder.parent / "pipe"


# ------------------------------------------------------------------ other kinds of folder
def _without_config(folder: Path, **files: bytes) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)


def _only(verdict: str, name: str, **files: bytes) -> None:
    add(name, lambda f: _without_config(f, **files), verdict)


_only("holds no config.json", "only_a_readme", README__md=b"# hello")
_only("GGUF model", "gguf_folder", weights__gguf=b"GGUF")
_only("without genai_config", "onnx_folder", model__onnx=b"\x08\x09")
_only("already an ONNX GenAI artifact", "genai_folder", genai_config__json=b"{}", model__onnx=b"x")
_only("weights, but no config.json", "weights_only", model__safetensors=b"x")
_only("only pickled weights", "pickles_only", pytorch_model__bin=b"x")
_only("TensorFlow or Flax", "tensorflow", tf_model__h5=b"x")
_only("diffusers pipeline", "diffusers", model_index__json=b"{}")
_only("Core ML", "coreml", weights__mlmodel=b"x")
_only("no config.json", "tokenizer_only", tokenizer__json=b"{}")
_only(
    "names the base|does not name the base",
    "adapter_nameless",
    adapter_config__json=b'{"peft_type": "LORA"}',
)
_only("of the kind IA3", "adapter_ia3", adapter_config__json=b'{"peft_type": "IA3"}')


@animal("but the folder checkpoint-200 in it does")
def _training_output(folder: Path) -> Path:
    for step in (30, 200):
        shutil.copytree(folder, folder.parent / "run" / f"checkpoint-{step}")
    return folder.parent / "run"


def _adapter(folder: Path, **settings: Any) -> Path:
    adapter = folder.parent / "adapter"
    adapter.mkdir()
    values = {"peft_type": "LORA", "base_model_name_or_path": "../model", "r": 4, "lora_alpha": 8}
    (adapter / "adapter_config.json").write_text(json.dumps(values | settings))
    tensors = {
        f"base_model.model.model.layers.0.self_attn.q_proj.lora_{k}.weight": ("F32", shape)
        for k, shape in (("A", (4, 64)), ("B", (64, 4)))
    }
    faultkit.safetensors(str(adapter / "adapter_model.safetensors"), tensors)
    return adapter


def _foreign_adapter(folder: Path) -> Path:
    adapter = _adapter(folder)
    tensors = {"base_model.model.model.layers.7.mlp.up_proj.lora_A.weight": ("F32", (4, 64))}
    faultkit.safetensors(str(adapter / "adapter_model.safetensors"), tensors)
    return adapter


def _misshapen_adapter(folder: Path) -> Path:
    adapter = _adapter(folder)
    tensors = {"base_model.model.model.layers.0.mlp.up_proj.lora_B.weight": ("F32", (64, 4))}
    faultkit.safetensors(str(adapter / "adapter_model.safetensors"), tensors)
    return adapter


def _pickled_adapter(folder: Path) -> Path:
    adapter = _adapter(folder)
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    return adapter


def _empty_adapter(folder: Path) -> Path:
    adapter = _adapter(folder)
    (adapter / "adapter_model.safetensors").unlink()
    return adapter


def _cut_adapter(folder: Path) -> Path:
    adapter = _adapter(folder)
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    return adapter


add("adapter", _adapter, "", healthy=True)
add(
    "adapter_base_gone",
    lambda f: _adapter(f, base_model_name_or_path="who/knows"),
    "not on this machine",
)
add(
    "adapter_base_traversal",
    lambda f: _adapter(f, base_model_name_or_path="../../../etc"),
    "not on this machine",
)
add(
    "adapter_base_is_itself",
    lambda f: _adapter(f, base_model_name_or_path="."),
    "not on this machine",
)
add(
    "adapter_base_escape",
    lambda f: _adapter(f, base_model_name_or_path="\x1b[2Jx/y"),
    "not on this machine",
)
add("adapter_rank_zero", lambda f: _adapter(f, r=0), "usable rank")
add("adapter_rank_text", lambda f: _adapter(f, r="8"), "usable rank")
add("adapter_alpha_text", lambda f: _adapter(f, lora_alpha="x"), "lora_alpha")
add("adapter_pickled", _pickled_adapter, "are a pickle")
add("adapter_without_weights", _empty_adapter, "are missing")
add("adapter_of_another_model", _foreign_adapter, "is not in it")
add("adapter_misshapen", _misshapen_adapter, "has another shape there")
add("adapter_cut", _cut_adapter, "cut off")


# ------------------------------------------------------------------ config.json
def _raw_config(content: bytes) -> Keeper:
    def keep(folder: Path) -> None:
        (folder / "config.json").write_bytes(content)

    return keep


for _name, _content, _verdict in (
    ("empty", b"", "not valid JSON"),
    ("truncated", b'{"architectures": ["Llama', "not valid JSON"),
    ("utf16", '{"a": 1}'.encode("utf-16"), "begins with the mark of UTF-16"),
    ("latin1", b'{"a": "\xe9"}', "not valid JSON"),
    ("null", b"null", "holds no JSON object"),
    ("list", b"[]", "holds no JSON object"),
    ("nested_200000", b"[" * 200_000, "nested too deeply"),
    ("int_of_6000_digits", b'{"hidden_size": ' + b"9" * 6000 + b"}", "not valid JSON"),
    ("nan", b'{"hidden_size": NaN}', "NaN is not JSON"),
    ("infinity", b'{"hidden_size": -Infinity}', "Infinity is not JSON"),
    ("duplicate_keys", b'{"a": 1, "a": 2}', "stands twice"),
    ("empty_object", b"{}", "names no architecture"),
    ("nul_bytes", b"\0" * 100, "not valid JSON"),
    ("html", b"<!DOCTYPE html><html>login</html>", "not valid JSON"),
    (
        "lfs_pointer",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "not valid JSON",
    ),
    ("17_MiB", b'{"a": "' + b"x" * (17 * 2**20) + b'"}', "larger than 16 MiB"),
):
    add(f"config_{_name}", _raw_config(_content), _verdict)

for _field, _value, _verdict in (
    ("hidden_size", 10**18, "hidden_size is a number of astronomical size"),
    ("hidden_size", "64", "not a whole number"),
    ("hidden_size", 64.0, "not a whole number"),
    ("hidden_size", True, "not a whole number"),
    ("hidden_size", KeyError, "does not say hidden_size"),
    ("hidden_size", 65, "not a multiple of"),
    ("hidden_size", 128, "contradict each other"),
    ("vocab_size", -1, "vocab_size is -1"),
    ("vocab_size", 65, "says vocab_size 65, but the token embedding has 64 rows"),
    ("num_attention_heads", 0, "num_attention_heads is 0"),
    ("num_attention_heads", [4], "not a whole number"),
    ("num_key_value_heads", 3, "cannot share"),
    ("num_hidden_layers", 2, "incomplete"),
    ("num_hidden_layers", 10**6, "num_hidden_layers is 1000000"),
    ("intermediate_size", 64, "contradict each other"),
    ("max_position_embeddings", 2**62, "max_position_embeddings is"),
    ("max_position_embeddings", {}, "not a whole number"),
    ("head_dim", 8, "contradict each other"),
    ("tie_word_embeddings", "yes", "not true or false"),
    ("architectures", [], "names no architecture"),
    ("architectures", "LlamaForCausalLM", "names no architecture"),
    ("architectures", [7], "names no architecture"),
    ("architectures", ["Mamba9ForCausalLM"], "does not convert Mamba9ForCausalLM"),
    ("architectures", ["\x1b]0;TITLEPWN\x07\u202e[/b]"], "does not convert"),
    ("architectures", ["\ud800"], "does not convert"),
    ("architectures", ["BertForMaskedLM"], "is an encoder"),
    ("architectures", ["BertForSequenceClassification"], "gives scores"),
    ("architectures", ["T5ForConditionalGeneration"], "does not convert"),
    ("architectures", ["PhiMoEForCausalLM"], "does not convert"),
    ("architectures", ["Qwen2ForCausalLM"], "Qwen2ForCausalLM is not of the type llama"),
    ("architectures", ["InternLM2ForCausalLM"], "is not of the type llama"),
    ("model_type", KeyError, "names no model_type"),
    ("model_type", 7, "names no model_type"),
    ("model_type", "internlm2", "does not know internlm2"),
    ("model_type", "\x1b[2J", "does not know"),
    ("architectures", ["Phi3ForCausalLM"], "original_max_position_embeddings"),
    ("is_encoder_decoder", True, "encoder-decoder"),
    ("vision_config", {"hidden_size": 1}, "sees or hears"),
    (
        "quantization_config",
        {"quant_method": "gptq", "bits": 4},
        "names a quantisation (gptq), but the weights are plain float32",
    ),
    ("quantization_config", "awq", "left quantization_config behind"),
    ("quantization_config", {"quant_method": "\x1b[31m"}, "left quantization_config behind"),
):
    _label = json.dumps(str(_value))[1:14].strip("[]'\" ").replace("/", "_")
    add(
        f"config_{_field}_{_label}_{len(ZOO)}",
        lambda f, field=_field, value=_value: edit_config(f, **{field: value}),  # type: ignore[misc]
        _verdict,
    )


@animal("code of its own (auto_map)", healthy=True)
def _auto_map(folder: Path) -> None:
    edit_config(folder, auto_map={"AutoModelForCausalLM": "modeling_trap.Trap"})


@animal("holds Python code", healthy=True)
def _python_files(folder: Path) -> None:
    return None


@animal("holds pickles", healthy=True)
def _side_pickles(folder: Path) -> None:
    return None


@animal("names no context length", healthy=True)
def _no_context_length(folder: Path) -> None:
    edit_config(folder, max_position_embeddings=KeyError)


# ------------------------------------------------------------------ links and special files
@animal("is a link to something outside")
def _link_outside(folder: Path) -> None:
    secret = folder.parent / "secret.txt"
    secret.write_text("secret")
    (folder / "notes.txt").symlink_to(secret)


@animal("is a link to something outside")
def _config_is_link_outside(folder: Path) -> None:
    (folder / "config.json").rename(folder.parent / "config.json")
    (folder / "config.json").symlink_to(folder.parent / "config.json")


@animal("is a link to something outside")
def _link_to_etc_passwd(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/etc/passwd")


@animal("is a link to a folder around it")
def _link_loop_inside(folder: Path) -> None:
    (folder / "again").symlink_to(folder)


@animal("is a link to a folder around it")
def _deep_link_loop(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "up").symlink_to("..")


@animal("is a link to a folder around it")
def _two_links_into_each_others_folder(folder: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (folder / name).mkdir()
        (folder / name / "next").symlink_to(f"../{other}")


@animal("", healthy=True)
def _link_to_the_latest_run(folder: Path) -> None:
    (folder / "wandb" / "run-1").mkdir(parents=True)
    (folder / "wandb" / "latest-run").symlink_to("run-1")
    (folder / "wandb" / "debug.log").symlink_to("run-1/gone.log")
    (folder / "last").symlink_to("wandb/run-1")


@animal("leads to itself")
def _link_to_itself(folder: Path) -> None:
    (folder / "me").symlink_to("me")


@animal("leads nowhere")
def _dangling_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("blob")


@animal("", healthy=True)
def _link_inside(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.bin.real")
    (folder / "model.safetensors").symlink_to("weights.bin.real")


@animal("", healthy=True)
def _hub_cache_snapshot(folder: Path) -> Path:
    entry = folder.parent / "hub" / "models--me--tiny"
    snapshot = entry / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (entry / "blobs").mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copy(path, entry / "blobs" / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    return snapshot


@animal("is a link to something outside")
def _hub_cache_escape(folder: Path) -> Path:
    snapshot = _hub_cache_snapshot(folder) or folder
    (snapshot / "extra.json").symlink_to("../../../../model/config.json")
    return snapshot


@animal("no file but a FIFO")
def _fifo_as_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


@animal("no file but a FIFO")
def _fifo_as_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


@animal("no file but a FIFO")
def _fifo_deep(folder: Path) -> None:
    (folder / "onnx").mkdir()
    os.mkfifo(folder / "onnx" / "pipe")


@animal("no file but a socket")
def _socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)
        try:
            made.bind("sock")
        finally:
            os.chdir(here)


@animal("is a link to something outside")
def _device_link(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/dev/zero")


@animal("no config.json")
def _folder_as_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    for path in folder.glob("*.safetensors"):
        path.unlink()
    for path in [*folder.glob("*.bin"), *folder.glob("*.pt*")]:
        path.unlink()


@animal("but no weights|only as pickles")
def _folder_as_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


@animal("more than 8 deep")
def _nested_folders(folder: Path) -> None:
    (folder / "/".join("d" * 12)).mkdir(parents=True)


@animal("", healthy=True)
def _junk_names(folder: Path) -> None:
    for name in (
        b"\xff\xfe",
        b"a\nb",
        b"[b]",
        b"\x1b]0;T\x07.bin",
        b"\x9b31m\xff.py",
        "\u202egnp.exe".encode(),
        b"\x1b[2J",
        b"z" * 255,
    ):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(b"")


@animal("", healthy=True)
def _folder_with_hostile_name(folder: Path) -> Path:
    hostile = folder.parent / "m\x1b[2J\u202e[red]"
    folder.rename(hostile)
    return hostile


# ------------------------------------------------------------------ weights
def _weights(content: bytes) -> Keeper:
    def keep(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(content)

    return keep


for _name, _content, _verdict in (
    ("empty", b"", "is empty"),
    ("three_bytes", b"abc", "is cut off"),
    (
        "lfs_pointer",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "Git LFS pointer",
    ),
    ("html", b"<!DOCTYPE html><html><body>403</body></html>", "is a web page"),
    ("zip_pickle", b"PK\x03\x04" + bytes(60), "pickle with a misleading name"),
    ("raw_pickle", b"\x80\x02cos\nsystem\n" + bytes(60), "pickle with a misleading name"),
    ("gguf", b"GGUF" + bytes(60), "GGUF file with a misleading name"),
    ("header_2_63", struct.pack("<Q", 2**63) + b"{}" + bytes(60), "its header claims"),
    ("header_200_MB", struct.pack("<Q", 200_000_000) + b"{}" + bytes(60), "its header claims"),
    ("header_beyond_end", struct.pack("<Q", 5000) + b"{}" + bytes(60), "inside its header"),
    ("header_no_json", struct.pack("<Q", 4) + b"{abc", "is not JSON"),
    ("header_list", struct.pack("<Q", 2) + b"[]", "no JSON object"),
    ("header_deep", struct.pack("<Q", 100_005) + b'{"a":' + b"[" * 100_000, "nested too deeply"),
    ("header_nothing", struct.pack("<Q", 2) + b"{}", "holds no tensor"),
    ("header_twice", struct.pack("<Q", 15) + b'{"a":1,"a":2}  ', "stands twice"),
    ("header_not_utf8", struct.pack("<Q", 5) + b'{"\xff"}', "is not JSON"),
    ("zeros", bytes(4096), "no JSON object"),
):
    add(f"weights_{_name}", _weights(_content), _verdict)


@animal("is cut off")
def _weights_truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


@animal("follow its last tensor")
def _weights_extra_bytes(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as stream:
        stream.write(b"x")


def _entry(key: str, value: Any, verdict: str) -> None:
    def change(header: dict[str, Any]) -> None:
        header["model.norm.weight"][key] = value

    add(f"tensor_{key}_{len(ZOO)}", lambda f: rewrite(f, change), verdict)


_entry("dtype", "F128", "unknown type")
_entry("dtype", None, "unknown type")
_entry("dtype", "\x1b[2J", "unknown type")
_entry("shape", [-1], "no valid shape")
_entry("shape", [2**62, 2**62], "impossible size")
_entry("shape", "64", "no valid shape")
_entry("shape", [1.5], "no valid shape")
_entry("shape", [1] * 99, "no valid shape")
_entry("shape", [63], "does not fit its bytes")
_entry("data_offsets", [0, 2**63], "does not fit its bytes")
_entry("data_offsets", [-8, 0], "no valid place")
_entry("data_offsets", [0, 256], "overlap or leave a hole")
_entry("data_offsets", "0", "no valid place")
_entry("data_offsets", [True, 256], "no valid place")


def _drop(*names: str) -> Keeper:
    """Write the weights again without some tensors."""

    def keep(folder: Path) -> None:
        path = folder / "model.safetensors"
        header, _ = header_of(path)
        remaining = {n: (e["dtype"], e["shape"]) for n, e in header.items() if n not in names}
        faultkit.safetensors(str(path), remaining)

    return keep


add("no_embedding", _drop("model.embed_tokens.weight"), "no token embedding")
add("no_head", _drop("lm_head.weight"), "lm_head.weight of")
add("no_norm", _drop("model.norm.weight"), "norm.weight of")
add("no_up_proj", _drop("model.layers.0.mlp.up_proj.weight"), "mlp.up_proj.weight of")
add("only_embedding", _drop(*(f"model.layers.0.{p}.weight" for p in (
    "input_layernorm", "post_attention_layernorm", "self_attn.q_proj", "self_attn.k_proj",
    "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
))), "incomplete")  # fmt: skip


@animal("MXFP4, as gpt-oss is published")
def _mxfp4(folder: Path) -> None:
    edit_config(folder, quantization_config={"quant_method": "mxfp4"})
    header, body = header_of(folder / "model.safetensors")
    name = "model.layers.0.mlp.experts.gate_up_proj_blocks"
    header[name] = {
        "dtype": "U8",
        "shape": [16],
        "data_offsets": [len(body), len(body) + 16],
    }
    write_header(folder / "model.safetensors", header, body + b"\1" * 16)


@animal("already quantised")
def _packed_tensors(folder: Path) -> None:
    path = folder / "model.safetensors"
    header, _ = header_of(path)
    tensors = {n: (e["dtype"], e["shape"]) for n, e in header.items()}
    faultkit.safetensors(
        str(path), tensors | {"model.layers.0.mlp.up_proj.qweight": ("F32", (4, 4))}
    )


@animal("Weights that are not used", healthy=True)
def _spare_weights(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "consolidated.safetensors")


@animal("neither model.safetensors nor an index")
def _weights_under_another_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    for path in [*folder.glob("*.bin"), *folder.glob("*.pt*")]:
        path.unlink()


@animal("only as pickles")
def _pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch x'\ntR.")


@animal("GGUF only")
def _config_and_gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.gguf")


@animal("ties away", healthy=True)
def _tied_with_head(folder: Path) -> None:
    edit_config(folder, tie_word_embeddings=True)


@animal("another one: both are used", healthy=True)
def _tied_with_another_head(folder: Path) -> None:
    path = folder / "model.safetensors"
    header, body = header_of(path)
    begin, end = header["lm_head.weight"]["data_offsets"]
    write_header(path, header, body[:begin] + b"\1" * (end - begin) + body[end:])
    edit_config(folder, tie_word_embeddings=True)


@animal("names a sliding_window of 16, which LlamaForCausalLM does not have")
def _stray_window(folder: Path) -> None:
    edit_config(folder, sliding_window=16)


@animal("", healthy=True)
def _window_as_long_as_the_context(folder: Path) -> None:
    edit_config(folder, sliding_window=128)


@animal("heads are 20 wide")
def _odd_head_size(folder: Path) -> None:
    edit_config(folder, head_dim=20)


# ------------------------------------------------------------------ sharded weights
@animal("", healthy=True)
def _sharded(folder: Path) -> None:
    shard(folder)


def _bad_index(name: str, verdict: str, change: Callable[[dict[str, Any], Path], Any]) -> None:
    def keep(folder: Path) -> None:
        index = shard(folder)
        changed = change(index, folder)
        write_index(folder, index if changed is None else changed)

    add(f"index_{name}", keep, verdict)


def _placed(value: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(index: dict[str, Any], folder: Path) -> None:
        index["weight_map"]["lm_head.weight"] = value

    return change


_bad_index("traversal", "no plain file name", _placed("../model.safetensors"))
_bad_index("absolute", "no plain file name", _placed("/etc/passwd.safetensors"))
_bad_index("drive", "no plain file name", _placed("C:x.safetensors"))
_bad_index("backslash", "no plain file name", _placed("..\\x.safetensors"))
_bad_index("nul", "no plain file name", _placed("a\0.safetensors"))
_bad_index("number", "no plain file name", _placed(7))
_bad_index("pickle", "no plain file name", _placed("pytorch_model.bin"))
_bad_index("escape", "no plain file name", _placed("\x1b]52;c;UFdORUQ=\x07"))
_bad_index("hidden", "no plain file name", _placed(".x.safetensors"))
_bad_index(
    "shard_gone", "is missing", lambda i, f: (f / "model-00002-of-00002.safetensors").unlink()
)
_bad_index("no_map", "has no weight_map", lambda i, f: {"metadata": {}})
_bad_index("list", "holds no JSON object", lambda i, f: [1])
_bad_index("map_is_list", "has no weight_map", lambda i, f: {"weight_map": ["a"]})
_bad_index("empty_map", "has no weight_map", lambda i, f: {"weight_map": {}})
_bad_index(
    "names_too_much",
    "in none of the files",
    lambda i, f: i["weight_map"].update(ghost="model-00001-of-00002.safetensors"),
)
_bad_index(
    "wrong_shard",
    "not in the file it names",
    lambda i, f: i["weight_map"].update({"lm_head.weight": "model-00002-of-00002.safetensors"}),
)
_bad_index(
    "orphan_shard",
    "two downloads are mixed",
    lambda i, f: (
        shutil.copy(f / "model-00001-of-00002.safetensors", f / "model-00003-of-00009.safetensors")
        and None
    ),
)
_bad_index(
    "twice",
    "stands in two files",
    lambda i, f: (
        shutil.copy(f / "model-00001-of-00002.safetensors", f / "model-00002-of-00002.safetensors")
        and None
    ),
)
_bad_index(
    "shard_cut", "cut off", lambda i, f: os.truncate(f / "model-00002-of-00002.safetensors", 4000)
)


# ------------------------------------------------------------------ tokenizer and template
@animal("holds no tokenizer")
def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _file(name: str, content: bytes) -> Keeper:
    def keep(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return keep


add("tokenizer_cut", _file("tokenizer.json", b'{"model": {'), "not valid JSON")
add("tokenizer_big_cut", _file("tokenizer.json", b'{"model": "' + b"x" * (4 * 2**20)), "cut off")
add("tokenizer_html", _file("tokenizer.json", b"<html>"), "no JSON object")
add(
    "tokenizer_lfs",
    _file("tokenizer.json", b"version https://git-lfs.github.com/spec/v1\n"),
    "Git LFS pointer",
)
add("tokenizer_config_cut", _file("tokenizer_config.json", b"{"), "not valid JSON")
add(
    "generation_config_nan",
    _file("generation_config.json", b'{"temperature": NaN}'),
    "NaN is not JSON",
)
add("generation_config_list", _file("generation_config.json", b"[]"), "holds no JSON object")
add("template_2_MiB", _file("chat_template.jinja", b"x" * (2 * 2**20)), "larger than 1 MiB")
add(
    "tokenizer_config_odd_types",
    _file(
        "tokenizer_config.json",
        b'{"bos_token": [1], "chat_template": 7, "eos_token": {"content": 3}, "auto_map": 1}',
    ),
    "No chat template",
    healthy=True,
)
add("no_template", _file("tokenizer_config.json", b"{}"), "No chat template", healthy=True)
add(
    "eos_in_the_tokenizer_only",
    lambda f: (_file("generation_config.json", b"{}")(f), edit_config(f, eos_token_id=None))[1],
    "",
    healthy=True,
)  # type: ignore[func-returns-value]


@animal("names an end-of-text token")
def _no_eos(folder: Path) -> Path | None:
    _file("generation_config.json", b"{}")(folder)
    _file("tokenizer_config.json", b"{}")(folder)
    return edit_config(folder, eos_token_id=None)


@animal("No end-of-text", healthy=True)
def _no_eos_but_that_of_its_type(folder: Path) -> None:
    _file("generation_config.json", b"{}")(folder)
    _file("tokenizer_config.json", b"{}")(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(config))


add(
    "template_bomb",
    _file("chat_template.jinja", b"{% for i in range(10**9) %}{{ 'x' * 10**9 }}{% endfor %}"),
    "",
    healthy=True,
)
add(
    "double_bos",
    _file(
        "tokenizer_config.json",
        b'{"bos_token": "<s>", "add_bos_token": true, "chat_template": "{{ bos_token }}{{ messages }}"}',
    ),
    "may begin with two",
    healthy=True,
)


@animal("the model only 64", healthy=True)
def _tokenizer_too_large(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["zz"] = 70
    path.write_text(json.dumps(tokenizer))


@animal("", healthy=True)
def _hostile_readme_licence(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"---\nlicense: \x1b]52;c;UFdORUQ=\x07\xff\n---\n")
