"""The table of export targets. Adding one is a module with its `write`, and its row here."""

from firstlight_core.exports.target import Export, Write
from firstlight_core.exports.vllm_command import Capacity


def _bundle() -> Write:
    from firstlight_core.exports.bundle import write

    return write


def _ollama() -> Write:
    from firstlight_core.exports.ollama import write

    return write


def _vllm() -> Write:
    from firstlight_core.exports.vllm import write

    return write


EXPORTS: dict[str, Export] = {
    "bundle": Export(
        words="One zip: manifest, checksums, sample programs.",
        written="the bundle",
        write=_bundle,
        suffix=".zip",
    ),
    "ollama": Export(
        words="A Modelfile; a GGUF of the weights runs everywhere.",
        written="the Modelfile",
        write=_ollama,
        from_weights=True,
    ),
    "vllm": Export(
        words="Files to serve it with vLLM, on more machines.",
        written="the files for vLLM",
        write=_vllm,
        options=Capacity,
        from_weights=True,
    ),
}
"""Target name → export, in the order of the Deploy step. Command line, run.toml and report follow from the rows."""
