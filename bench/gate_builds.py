"""Tiny models of every family, built by the real builder in this process, and held against their originals by the gate.

One warm process and models of 100,000 weights: a build takes a fifth of a second, so hundreds of them are affordable.
"""

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.documents.jobs_conversion import (
    AnswersReply,
    Checked,
    CompareRequest,
    Reference,
)

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 64},
    "qwen2": {},
    "qwen3": {},
    "gemma": {},
    "gemma2": {"sliding_window": 64, "query_pre_attn_scalar": 16},
    "gemma3_text": {"sliding_window": 64, "query_pre_attn_scalar": 16},
    "phi": {
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "partial_rotary_factor": 0.5,
    },
    "phi3": {"original_max_position_embeddings": 512},
    "granite": {
        "attention_multiplier": 0.2,
        "embedding_multiplier": 3.0,
        "residual_multiplier": 0.5,
        "logits_scaling": 2.0,
    },
    "olmo": {},
    "smollm3": {},
    "ernie4_5": {},
    "nemotron": {
        "partial_rotary_factor": 0.5,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
    },
    "hunyuan_v1_dense": {},
    "lfm2": {},
}
"""model_type → what a tiny configuration of it needs besides the sizes."""
TIES = ("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3", "granite")
"""Families that are also built with both ends tied."""
WORDS = (
    "What can you do Write one sentence about the sea is two plus The ferry leaves island at seven in morning and comes "
    "back before noon people wait on pier carries box of apples other letter Nobody knows why old lighthouse was painted"
)


def warm_up() -> None:
    """Load the builder with Firstlight's adjustments."""
    from firstlight_core.jobs import corrections, lazy_weights, olive_bridge, tied_int8
    from firstlight_core.jobs.transformers_model import import_transformers
    from firstlight_core.process.loading import without_collections

    with without_collections():
        torch, _ = import_transformers()
        torch.set_num_threads(1)
        olive_bridge.install()
        lazy_weights.install()
        tied_int8.install()
        corrections.install()


def tiny_model(kind: str, *, seed: int = 0, vocab: int = 320, **values: Any) -> Any:
    """A decoder with random weights, every bias and norm among them, wide enough that all of them matter."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 128,
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        **FAMILIES.get(kind, {}),
        **values,
    }
    config = AutoConfig.for_model(kind, **settings)
    config.tie_word_embeddings = settings["tie_word_embeddings"]
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=chance)
            if parameter.dim() < 2:
                parameter += noise * 0.1
            else:
                wide = 3 if "q_proj" in name or "k_proj" in name else 1
                parameter.copy_(noise * 0.1 * wide)
    return model.eval()


def save(folder: Path, model: Any, files: Path | None = None) -> Path:
    """A complete source folder: the model and a small byte-level tokenizer, or the tokenizer of `files`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    model.save_pretrained(folder)
    if files is not None:
        for path in files.iterdir():
            if path.suffix != ".safetensors" and not (folder / path.name).exists():
                shutil.copy(path, folder)
        return folder
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=model.get_input_embeddings().weight.shape[0],
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([WORDS], trainer)
    made.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "bos_token": "<s>",
        "pad_token": "<pad>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def build(source: Path, output: Path, precision: str) -> Path:
    """Build one artifact as a conversion does, without Olive around it."""
    from onnxruntime_genai.models import builder

    from firstlight_core.conversion.olive_config import BUILDER_OPTIONS
    from firstlight_core.precision.olive_reading import object_at
    from firstlight_core.precision.table import find_precision

    # Rounded to the nearest where a row has two forms; `gate_calibrated` builds the other.
    row = find_precision(precision).forms[-1]
    extra = object_at(row.builder_options, "extra_options")
    options = {**BUILDER_OPTIONS, **row.builder_options, **extra}
    options.pop("extra_options", None)
    output.mkdir(parents=True, exist_ok=True)
    with quiet():
        builder.create_model(
            "",
            str(source),
            str(output),
            row.builder_precision,
            "cpu",
            str(output / "cache"),
            **options,
        )
        if row.half_pass:
            _halve(output)
    shutil.rmtree(output / "cache", ignore_errors=True)
    return output


def _halve(folder: Path) -> None:
    from olive.model import ONNXModelHandler
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.onnx.float16_conversion import OnnxFloatToFloat16

    settings = {
        "save_as_external_data": True,
        "all_tensors_to_one_file": True,
        "external_data_name": "model.onnx.data",
    }
    step = create_pass_from_dict(OnnxFloatToFloat16, settings, disable_search=True)
    with tempfile.TemporaryDirectory() as work:
        step.run(ONNXModelHandler(str(folder / "model.onnx")), str(Path(work) / "half.onnx"))
        for path in Path(work).rglob("*"):
            if path.suffix in (".onnx", ".data"):
                shutil.move(path, folder / ("model.onnx" if path.suffix == ".onnx" else path.name))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard the output of the builder."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@dataclass
class Bench:
    """One source, its yardstick asked once, and any number of artifacts held against it."""

    source: Path
    folder: Path
    base: Path | None = None

    def __post_init__(self) -> None:
        from firstlight_core.jobs.original import ReferenceModel

        self.folder.mkdir(parents=True, exist_ok=True)
        model, adapter = (self.base, str(self.source)) if self.base else (self.source, None)
        self.yardstick = ReferenceModel(str(model), adapter, self.folder)
        with quiet():
            reference = self.yardstick.ask(room=2**34)
        if reference is None:
            raise RuntimeError(f"{self.source} cannot be computed here")
        self.reference: Reference = reference

    def hold(self, artifact: Path, *, calibrated: bool = False) -> tuple[Checked, AnswersReply]:
        """Return the inputs of the gate: `passed` and `original` of `conversion/verdict.py`."""
        from firstlight_core.conversion.verdict import is_rounded
        from firstlight_core.jobs.gate import _Checker

        checker = _Checker()
        with quiet():
            checked = checker.check({"artifact": str(artifact), "expected": {}})
            proof = self.yardstick.prove(artifact, calibrated=calibrated)
            request: CompareRequest = {
                "artifact": str(artifact),
                "rounded": is_rounded(checked["built"]),
                "reference": self.reference,
                "proof": proof,
            }
            compared = checker.compare(request)
        passed: Checked = {
            "smoke": compared["smoke"],
            "built": checked["built"],
            "agreement": compared["agreement"],
            "calibrated": calibrated,
        }
        return passed, {"reference": self.reference, "proof": proof, "reason": proof["reason"]}


def environment() -> None:
    """Reduce the environment to that of every child of Firstlight."""
    from firstlight_core.process.offline import child_environment

    for name in set(os.environ) - set(child_environment()):
        del os.environ[name]
    os.environ.update(child_environment())
