"""The rows of the benchmark's tables: figures by target and prompt length, and a server under several clients."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from firstlight_core.text import bytes_text, one_line
from firstlight_tui.widgets import cell

FIGURES = (
    "Target",
    "Prompt",
    "New",
    "TTFT ms",
    "Prefill tok/s",
    "Decode tok/s",
    "Load s",
    "RAM peak",
)
CLIENTS = ("Server", "Clients", "Requests/s", "Tokens/s", "p50 ms", "p95 ms", "Errors")


def figure_rows(document: Mapping[str, Any]) -> Iterator[list[Text]]:
    """One row for each target and prompt length; what was not measured is a dash."""
    for result in document.get("results") or ():
        peak, load = (result.get("rss_bytes") or {}).get("peak"), result.get("load_s")
        for case in result.get("cases") or ():
            yield [
                cell(_name(result), "bold"),
                cell(_length(case), right=True),
                cell(str(case.get("new_tokens", "–")), right=True),
                cell(_spread(case.get("ttft_s"), 1000), right=True),
                cell(_spread(case.get("prefill_tps")), right=True),
                cell(_spread(case.get("decode_tps")), right=True),
                cell(f"{load:.2f}" if isinstance(load, float) else "–", right=True),
                cell(bytes_text(peak) if peak else "–", right=True),
            ]


def client_rows(document: Mapping[str, Any]) -> Iterator[list[Text]]:
    """One row for each server and number of clients."""
    for result in document.get("results") or ():
        for level in result.get("clients") or ():
            latency = level.get("latency_s") or {}
            yield [
                cell(_name(result), "bold"),
                cell(str(level["clients"]), right=True),
                cell(_number(level.get("requests_per_s"), 2), right=True),
                cell(_number(level.get("tokens_per_s"), 1), right=True),
                cell(_number(latency.get("p50"), 0, 1000), right=True),
                cell(_number(latency.get("p95"), 0, 1000), right=True),
                cell(f"{level['error_rate']:.0%}", right=True),
            ]


def processor_share(result: Mapping[str, Any]) -> float | None:
    """The processor's load, 0 to 1, where it was measured."""
    percent = result.get("cpu_percent")
    if isinstance(percent, Mapping):
        percent = percent.get("median")
    return float(percent) / 100 if isinstance(percent, int | float) else None


def _name(result: Mapping[str, Any]) -> str:
    """An artifact's folder, or a server's model; a void result says so."""
    name = one_line(str(result.get("model") or Path(str(result["target"])).name), 20)
    return f"{name}, void" if result.get("void") else name


def _length(case: Mapping[str, Any]) -> str:
    """Tokens of prompt; of a server that does not tell them, the words."""
    counted = case.get("prompt_tokens")
    return str(counted) if counted is not None else f"{case.get('prompt_words', '–')} words"


def _number(value: Any, digits: int, scale: float = 1.0) -> str:
    return f"{value * scale:.{digits}f}" if isinstance(value, int | float) else "–"


def _spread(figure: Any, scale: float = 1.0) -> str:
    if not isinstance(figure, Mapping) or figure.get("median") is None:
        return "–"
    median, low, high = (float(figure[key]) * scale for key in ("median", "min", "max"))
    digits = 1 if median < 100 else 0
    return f"{median:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"
