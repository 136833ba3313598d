"""The rows of the benchmark's tables: figures by target and prompt length, and a server under several clients."""

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from firstlight_core.documents.figures import Spread
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.widgets import cell


def figure_rows(document: BenchDocument) -> Iterator[list[Text]]:
    """Yield one row for each target and prompt length; what was not measured is a dash."""
    for result in document["results"]:
        peak = result["rss_bytes"]["peak"] if "rss_bytes" in result else 0
        for case in result["cases"]:
            yield [
                cell(_name(result), "bold"),
                cell(_length(case), right=True),
                cell(str(case.get("new_tokens", "–")), right=True),
                cell(spread_text(case.get("ttft_s"), 1000), right=True),
                cell(spread_text(case.get("prefill_tps")), right=True),
                cell(spread_text(case.get("decode_tps")), right=True),
                cell(f"{result['load_s']:.2f}", right=True),
                cell(bytes_text(peak) if peak else "–", right=True),
            ]


def client_rows(document: BenchDocument) -> Iterator[list[Text]]:
    """Yield one row for each server and number of clients."""
    for result in document["results"]:
        for level in result.get("clients", []):
            latency = level.get("latency_s")
            yield [
                cell(_name(result), "bold"),
                cell(str(level["clients"]), right=True),
                cell(_number(level.get("requests_per_s"), 2), right=True),
                cell(_number(level.get("tokens_per_s"), 1), right=True),
                cell(_number(latency["p50"] if latency else None, 0, 1000), right=True),
                cell(_number(latency["p95"] if latency else None, 0, 1000), right=True),
                cell(f"{level['error_rate']:.0%}", right=True),
            ]


def processor_share(result: BenchResult) -> float | None:
    """Return the processor's load, 0 to 1; None where it was not measured."""
    return result["cpu_percent"] / 100 if "cpu_percent" in result else None


def _name(result: BenchResult) -> str:
    """Return an artifact's folder, or a server's model; a void result says so."""
    name = one_line(result.get("model") or Path(result["target"]).name, 20)
    # Before the name: a narrow column cuts its end.
    return f"VOID {name}" if result.get("void") else name


def _length(case: BenchCase) -> str:
    """Tokens of prompt; of a server that does not tell them, the words."""
    counted = case.get("prompt_tokens")
    return str(counted) if counted is not None else f"{case.get('prompt_words', '–')} words"


def _number(value: float | None, digits: int, scale: float = 1.0) -> str:
    return f"{value * scale:.{digits}f}" if value is not None else "–"


def spread_text(figure: Spread | None, scale: float = 1.0) -> str:
    """Return median and span; the median alone of one measurement, a dash of none."""
    if figure is None:
        return "–"
    median, low, high = (
        value * scale for value in (figure["median"], figure["min"], figure["max"])
    )
    digits = 1 if median < 100 else 0
    words = f"{median:.{digits}f}"
    return words if low == high else f"{words} ({low:.{digits}f}–{high:.{digits}f})"
