"""Names a folder for what it is, when it is not a model that can be converted: one sentence and the remedy."""

from typing import NoReturn

from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.model.builder_support import native_models, supported_architectures
from firstlight_core.model.config import architecture
from firstlight_core.model.folder import ModelFolder
from firstlight_core.model.safetensors_headers import read_weights
from firstlight_core.model.structure import FLOATS, packed
from firstlight_core.text import one_line, shown_path

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_SAFE = "Save it again with `save_pretrained(..., safe_serialization=True)` and choose that folder."


class AlreadyArtifact(ModelRefused):
    """The folder is an ONNX Runtime GenAI artifact: adopt it, there is nothing to convert."""

    code = "already-artifact"


class UnsupportedArchitecture(ModelRefused):
    """The installed builder does not know this architecture."""

    code = "unsupported-architecture"


def refuse_foreign_kind(folder: ModelFolder) -> None:
    """Refuse folders that are recognised by their file names alone, before config.json is read.

    Raises:
        ModelRefused: says what the folder is and what to do.
    """
    names = folder.files.keys()
    label = shown_path(folder.path)
    if "genai_config.json" in names:
        raise AlreadyArtifact(
            f"{label} is already an ONNX GenAI artifact: adopt it, there is nothing to convert.",
            hint="Use it as it is: `firstlight chat`, `bench`, `quality` and `deploy` take this folder.",
        )
    if "config.json" in names:
        return
    if "model_index.json" in names:
        raise ModelRefused(
            f"{label} is a diffusers pipeline, which makes images.",
            hint="Firstlight deploys text models; choose a causal language model.",
        )
    if not names and not folder.folders:
        raise ModelRefused(f"{label} is empty.", hint="Choose the model's folder.")
    for mark, what in (("config.json", "does"), (CONFIG, "holds a LoRA adapter")):
        if inner := _inner_folder(folder, mark):
            raise ModelRefused(
                f"{label} holds no config.json, but the folder {one_line(inner, 60)} in it {what}.",
                hint=f"Choose {shown_path(folder.path / inner)}",
            )
    for suffixes, what, hint in _WITHOUT_CONFIG:
        if folder.having(*suffixes):
            raise ModelRefused(f"{label} {what}.", hint=hint)
    raise ModelRefused(
        f"{label} holds no config.json: that is not a Hugging Face model folder.",
        hint="Choose the folder that `save_pretrained` wrote: config.json, .safetensors, tokenizer files.",
    )


_WITHOUT_CONFIG: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (".gguf",),
        "holds a GGUF model, made for llama.cpp, Ollama and LM Studio",
        "Run it there, or choose the Hugging Face folder it was made from.",
    ),
    (
        (".onnx",),
        "holds an ONNX model without genai_config.json",
        "Only ONNX Runtime GenAI folders can be adopted; convert the original model instead.",
    ),
    (
        (".safetensors",),
        "holds weights, but no config.json",
        "Copy config.json and the tokenizer files of the same model beside the weights.",
    ),
    (PICKLES, "holds only pickled weights and no config.json", _SAFE),
    ((".h5", ".msgpack", ".tflite"), "holds TensorFlow or Flax weights", _SAFE),
    ((".mlmodel", ".mlpackage"), "holds a Core ML model", "Choose the original model's folder."),
)


def _inner_folder(folder: ModelFolder, mark: str) -> str:
    """Return the last checkpoint folder, or the only folder, directly below that holds a file of this name."""

    def step(name: str) -> tuple[int, str]:
        tail = name.rpartition("-")[2]
        return (int(tail) if tail.isdecimal() and len(tail) < 12 else -1, name)

    inner = [name for name in folder.folders if (folder.path / name / mark).is_file()]
    return max(inner, key=step) if inner else ""


CONFIG = "adapter_config.json"
_CLASSIFIERS = ("ForSequenceClassification", "ForTokenClassification", "RewardModel")
_ENCODERS = (
    "ForMaskedLM",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "ForPreTraining",
)
_SIGHT = ("vision_config", "audio_config", "vision_tower", "image_token_id", "mm_vision_tower")


def refuse_config_kind(folder: ModelFolder, config: JsonObject) -> None:
    """Refuse models whose config.json says that they are no plain, unquantised text decoder.

    Raises:
        ModelRefused: says what the model is and what to do.
    """
    name = architecture(config)
    if config.get("quantization_config") is not None:
        _refuse_quantised(folder, quantiser(config))
    if config.get("is_encoder_decoder") is True:
        raise ModelRefused(
            f"{name or 'This model'} is an encoder-decoder model; only decoders are converted here.",
            hint="Choose a causal language model (an architecture that ends in ForCausalLM).",
        )
    if name.endswith(_CLASSIFIERS):
        raise ModelRefused(
            f"{name} gives scores (a classifier or reward model) and does not write text.",
            hint="Choose a causal language model (an architecture that ends in ForCausalLM).",
        )
    if name.endswith(_ENCODERS) or (name.endswith("Model") and config.get("is_decoder") is False):
        raise ModelRefused(
            f"{name} is an encoder: it reads text and does not write any.",
            hint="Choose a causal language model (an architecture that ends in ForCausalLM).",
        )
    if any(config.get(key) is not None for key in _SIGHT):
        raise ModelRefused(
            f"{name or 'This model'} sees or hears; only text models are converted here.",
            hint="Save its language model alone (the ...ForCausalLM part) and choose that folder.",
        )
    refuse_unsupported(name, config)


def refuse_unsupported(name: str, config: JsonObject) -> bool | None:
    """Return whether the installed builder converts this architecture; None when unknown.

    Raises:
        ModelRefused: config.json names no architecture.
        UnsupportedArchitecture: the builder does not know it.
    """
    if not name or name in _WRAPPERS:
        raise ModelRefused(
            f"{name} is the name of a wrapper, not of a model: config.json was written from the wrapped model."
            if name
            else "config.json names no architecture.",
            hint=f'It needs a line such as "architectures": ["{_likely(config)}"].',
        )
    known = supported_architectures()
    if known is None:
        return None
    if name not in known:
        native = frozenset[str]().union(*(native_models() or {"": known}).values())
        common = [n for n in sorted(known & native) if n.endswith("ForCausalLM")]
        raise UnsupportedArchitecture(
            f"The installed onnxruntime-genai builder does not convert {name}.",
            hint="It converts " + ", ".join(n.removesuffix("ForCausalLM") for n in common) + ".",
        )
    if name == "Phi3ForCausalLM" and "original_max_position_embeddings" not in config:
        raise ModelRefused(
            "config.json lacks original_max_position_embeddings, which the builder needs for Phi-3.",
            hint="Download config.json again from where the model was published.",
        )
    _refuse_own_code(name, config)
    return True


def quantiser(config: JsonObject) -> str:
    """Return the method that config.json names as its quantisation, in brackets and with a space before; else empty."""
    settings = config.get("quantization_config")
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    return f" ({one_line(method, 30)})" if isinstance(method, str) and method else ""


def _refuse_quantised(folder: ModelFolder, how: str) -> NoReturn:
    try:
        weights = read_weights(folder)
    except ModelRefused:
        weights = None
    kinds = {tensor.dtype for tensor in weights.tensors.values()} if weights is not None else set()
    if kinds and kinds <= FLOATS.keys() and weights is not None and not packed(weights.tensors):
        stored = ", ".join(sorted(FLOATS[kind] for kind in kinds))
        raise ModelRefused(
            f"config.json names a quantisation{how}, but the weights are plain {stored}: "
            "a merge left quantization_config behind.",
            hint="Remove quantization_config from config.json.",
        )
    if weights is not None and any(name.endswith("_proj_blocks") for name in weights.tensors):
        raise ModelRefused(
            "These weights are MXFP4, as gpt-oss is published: they are converted from bfloat16 only.",
            hint="Load it in transformers with Mxfp4Config(dequantize=True), save_pretrained, and choose that folder.",
        )
    raise ModelRefused(
        f"These weights are already quantised{how}; quantising them again would lose more.",
        hint="Choose the original model in float16, bfloat16 or float32.",
    )


_WRAPPERS = frozenset(
    [
        "PeftModel",
        "PeftModelForCausalLM",
        "LoraModel",
        "OptimizedModule",
        "DistributedDataParallel",
        "DataParallel",
        "FullyShardedDataParallel",
        "DeepSpeedEngine",
        "AutoModelForCausalLMWithValueHead",
        "AutoModelForCausalLM",
    ]
)
"""Classes around a model that scripts write into config.json."""


def _likely(config: JsonObject) -> str:
    """Return the architecture that the model type points to; LlamaForCausalLM when it points to none, or to several."""
    names = (native_models() or {}).get(str(config.get("model_type")), frozenset())
    return next(iter(names)) if len(names) == 1 else "LlamaForCausalLM"


def _refuse_own_code(name: str, config: JsonObject) -> None:
    """Refuse a model that only code from its own folder could load."""
    native = native_models()
    model_type = config.get("model_type")
    if native is None:
        return
    if not isinstance(model_type, str):
        raise ModelRefused(
            "config.json names no model_type.",
            hint='It needs a line such as "model_type": "llama"; download it again.',
        )
    if model_type not in native:
        raise UnsupportedArchitecture(
            f"The installed transformers does not know {one_line(model_type, 60)}: "
            f"{name} would need code from its own folder, which is never run.",
            hint="Choose a model whose type transformers knows, or a version of this one that was ported to it.",
        )
    if name.endswith("ForCausalLM") and name not in native[model_type]:
        raise ModelRefused(
            f"config.json contradicts itself: {name} is not of the type {one_line(model_type, 60)}.",
            hint="It was edited: download it again from where the model was published.",
        )


def refuse_without_weights(folder: ModelFolder) -> ModelRefused:
    """Return why a folder with a config.json has no safetensors weights that transformers would load."""
    label = shown_path(folder.path)
    if folder.having(".gguf"):
        return ModelRefused(
            f"{label} holds its weights as GGUF only.",
            hint="Choose the folder with the original .safetensors files.",
        )
    if pickles := folder.having(*PICKLES):
        return ModelRefused(
            f"{label} holds its weights only as pickles ({one_line(pickles[0], 60)}), which can run code when opened.",
            hint=_SAFE,
        )
    if folder.having(".onnx"):
        return ModelRefused(
            f"{label} holds an ONNX model without genai_config.json.",
            hint="Only ONNX Runtime GenAI folders can be adopted; convert the original model instead.",
        )
    if folder.having(".h5", ".msgpack"):
        return ModelRefused(f"{label} holds TensorFlow or Flax weights only.", hint=_SAFE)
    if parts := folder.having(".safetensors"):
        return ModelRefused(
            f"{label} holds {one_line(parts[0], 60)}, but neither model.safetensors nor an index.",
            hint="Rename a single weights file to model.safetensors, or add model.safetensors.index.json.",
        )
    return ModelRefused(
        f"{label} holds a config.json, but no weights.",
        hint="The download is incomplete: download the model again.",
    )
