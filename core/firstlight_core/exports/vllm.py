"""The vLLM export: serve.sh, compose.yaml, kubernetes.yaml and the template, for the original weights."""

from dataclasses import replace
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.genai_config import CONFIG, section
from firstlight_core.artifact.model_config import config_numbers
from firstlight_core.artifact.tokenizer_files import no_chat_template, read_chat_template
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import WrittenExport
from firstlight_core.documents.foundry import CommandDocument
from firstlight_core.errors import InputRefused
from firstlight_core.exports.source_weights import SourceWeights, links_out
from firstlight_core.exports.target import ExportRequest
from firstlight_core.exports.vllm_command import (
    Capacity,
    Served,
    Sizing,
    check_adapter,
    lora_rank,
    serve_script,
    size,
)
from firstlight_core.exports.vllm_manifests import claim_name, compose, kubernetes
from firstlight_core.exports.weights_folder import write_for_weights
from firstlight_core.files import is_file, read_json_object
from firstlight_core.shells import command_line
from firstlight_core.text import bytes_text

SAMPLING = ("temperature", "top_p", "repetition_penalty")
"""The settled values that generation_config.json knows by the same names."""


def vllm_export(
    artifact: Path,
    weights: SourceWeights,
    name: str,
    document: InferenceModel,
    folder: Path,
    capacity: Capacity,
) -> tuple[dict[str, str], WrittenExport]:
    """Return the files of a vLLM server by name, and what the export's document says of them.

    Raises:
        InputRefused: there is no chat template, or the weights are nothing that vLLM serves.
        UsageError: the attention heads cannot be shared out among the GPUs.
    """
    template = read_chat_template(artifact)
    if template is None:
        raise no_chat_template(artifact)
    if is_file(weights.folder):
        raise InputRefused("vLLM serves safetensors here, no GGUF file.", hint="--source FOLDER")
    if weights.adapter is not None:
        check_adapter(weights.adapter)
        lora_rank(weights.rank)
    about = check_artifact(artifact)
    # vLLM refuses to start with more context than the model has.
    requested = capacity.context
    capacity = replace(capacity, context=min(capacity.context, about.context_length))
    settled = config_numbers(document)
    served = Served(
        name=name,
        weights=weights.folder,
        adapter=weights.adapter,
        rank=weights.rank,
        weight_bytes=weights.bytes,
        # The artifact's own figure is for four bytes a value.
        kv_bytes_per_token=about.kv_bytes_per_token // 2,
        heads=_heads(artifact),
        sampling={key: settled[key] for key in SAMPLING if key in settled},
    )
    sizing = size(served, capacity)
    texts = {
        "chat_template.jinja": template,
        "serve.sh": serve_script(served, capacity, sizing),
        "compose.yaml": compose(served, capacity, sizing),
        "kubernetes.yaml": kubernetes(served, capacity, sizing, template=template),
    }
    rows = (
        (["sh", str(folder / "serve.sh")], "serve it on this machine"),
        (
            ["docker", "compose", "-f", str(folder / "compose.yaml"), "up", "-d"],
            "serve it in a container",
        ),
        (["kubectl", "apply", "-f", str(folder / "kubernetes.yaml")], "serve it in a cluster"),
    )
    commands: list[CommandDocument] = [
        {"command": command_line(words), "does": does} for words, does in rows
    ]
    return texts, {
        "verified": False,
        "files": sorted(texts),
        "notes": _notes(served, capacity, sizing, requested=requested),
        "commands": commands,
        "capacity": capacity.to_json(),
        "estimates": sizing.to_json(),
    }


def _shortened(requested: int, context: int) -> list[str]:
    if requested <= context:
        return []
    return [f"{requested:,} tokens of context were asked for; the model has {context:,}."]


def _heads(artifact: Path) -> int:
    """Attention heads as genai_config.json has them; 0 when it does not say."""
    model = section(read_json_object(artifact / CONFIG), "model")
    heads = section(model, "decoder", "model.").get("num_attention_heads")
    return heads if isinstance(heads, int) and heads > 0 else 0


def _notes(served: Served, capacity: Capacity, sizing: Sizing, *, requested: int) -> list[str]:
    notes = [
        "These files were generated, not run: vLLM serves the original weights, not the ONNX artifact."
    ]
    cache = f"{bytes_text(sizing.kv_cache_bytes)} of KV cache for {capacity.concurrency} requests"
    if sizing.gpu_bytes is not None:
        each = "the GPU" if capacity.gpus == 1 else f"each of {capacity.gpus} GPUs"
        notes.append(f"Estimate: {bytes_text(sizing.gpu_bytes)} of memory on {each}, with {cache}.")
    else:
        notes.append(f"Estimate: {bytes_text(sizing.memory_bytes)} of memory, with {cache}.")
    notes += _shortened(requested, capacity.context)
    inside = "base and adapter into folders of these names in" if served.adapter else "weights into"
    notes.append(f"In a cluster, put the {inside} the claim {claim_name(served.name)}.")
    if links_out(served.weights):
        notes.append(
            "The weights are links out of their folder, which a container does not see: download real files "
            "(hf download ID --local-dir FOLDER), and name them with --source."
        )
    if served.adapter is not None:
        notes.append(
            f"{served.name} is the adapter on its base, which answers as {served.name}-base beside it."
        )
    return notes


async def _texts(
    request: ExportRequest, weights: SourceWeights
) -> tuple[dict[str, str], WrittenExport]:
    return vllm_export(
        request.artifact,
        weights,
        request.name,
        request.document,
        request.destination,
        (request.capacity or Capacity()).checked(),
    )


async def write(request: ExportRequest) -> WrittenExport:
    """Write the export of this target, as `exports.table` calls it."""
    return await write_for_weights(request, _texts)
