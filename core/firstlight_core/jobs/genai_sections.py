"""The parts of a `genai_config.json` that a loaded model needs."""

from collections.abc import Mapping
from pathlib import Path

from firstlight_core.files import read_json_object

_PRUNED = b"/lm_head/prune/"
_GRAPH_LIMIT = 64 * 2**20


def section_of(config: Mapping[str, object], *names: str) -> dict[str, object]:
    """Return the object at this place of a `genai_config.json`; an empty one where there is none."""
    section: object = config
    for name in names:
        section = section.get(name) if isinstance(section, Mapping) else None
    return dict(section) if isinstance(section, Mapping) else {}


def least_cache(folder: Path) -> int:
    """Tokens for which a KV cache must have room: the window of layers whose cache slides.

    An artifact of an earlier version may name a window without layers (Mistral, Phi-3): its caches do not slide.
    """
    config = read_json_object(folder / "genai_config.json")
    sliding = section_of(config, "model", "decoder", "sliding_window")
    window = sliding.get("window_size")
    return window if sliding.get("layers") and isinstance(window, int) and window > 0 else 0


def computes_head_once(folder: Path) -> bool:
    """Return whether the graph computes the output head for the last token of a prompt only, by its builder's node names.

    Weights lie in another file than the graph; a graph of more than 64 MiB is not searched.
    """
    decoder = section_of(read_json_object(folder / "genai_config.json"), "model", "decoder")
    name = decoder.get("filename")
    graph = folder / (name if isinstance(name, str) and name else "model.onnx")
    try:
        return graph.stat().st_size <= _GRAPH_LIMIT and _PRUNED in graph.read_bytes()
    except OSError:
        return False
