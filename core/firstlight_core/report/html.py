"""The report as one HTML file that needs nothing else: inline styles, inline SVG, no script, nothing from elsewhere."""

from collections.abc import Callable, Sequence
from pathlib import Path

from firstlight_core.documents.measure import BenchCase, BenchResult, Figure
from firstlight_core.documents.report import ReportDocument
from firstlight_core.measure.bench_words import service_sentences
from firstlight_core.report.cells import (
    RESOURCES,
    answer_cell,
    bench_sentence,
    conversion_sentence,
    drift_cell,
    drift_rows,
    evidence_text,
    fault_lines,
    kl_number,
    measured_word,
    resource_rows,
    speed_cell,
    spread_cell,
    target_name,
    tuned_sentence,
)
from firstlight_core.report.charts import bar_chart, line_chart, number_text
from firstlight_core.shells import command_line
from firstlight_core.text import bytes_text, seconds_text

_PAGE = Path(__file__).with_name("report_page.html")


def report_html(document: ReportDocument) -> str:
    """Draw the document of `report_document`; every text in it is escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "bytes": bytes_text,
        "seconds": seconds_text,
        "number": number_text,
        "speed": speed_cell,
        "answer_speed": answer_cell,
        "drift": drift_cell,
        "kl_number": kl_number,
        "spread": spread_cell,
        "evidence": evidence_text,
        "fault_lines": fault_lines,
        "service_sentences": service_sentences,
        "bench_sentence": bench_sentence,
        "conversion_sentence": conversion_sentence,
        "measured_word": measured_word,
        "drift_rows": drift_rows,
        "resource_rows": resource_rows,
        "target_name": target_name,
        "tuned_sentence": tuned_sentence,
        "command": command_line,
    }
    # What charts draws is escaped there.
    charts = {name: Markup(svg) for name, svg in _charts(document).items()}
    page = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    return page.render(d=document, charts=charts, resources=RESOURCES) + "\n"


def _charts(document: ReportDocument) -> dict[str, str]:
    measured = [
        (r["label"], r["measured"]) for r in document.get("precisions", ()) if "measured" in r
    ]
    bench = document.get("benchmark")
    results = bench.get("results", []) if bench is not None else []
    word = measured_word(bench) if bench is not None else "measured"
    return {
        "sizes": bar_chart(
            "Size of the artifact (measured)",
            [(label, m["bytes"] / 2**20) for label, m in measured if "bytes" in m],
            "MiB",
        ),
        "decode": bar_chart(
            "Decode rate (measured, median)",
            [
                (f"{label} (void)" if m.get("void") else label, m["decode_tps"])
                for label, m in measured
                if "decode_tps" in m
            ],
            "tok/s",
        ),
        "prefill": _by_length(
            f"Prefill rate by prompt length ({word})",
            results,
            lambda case: case.get("prefill_tps"),
            "tok/s",
        ),
        "lengths": _by_length(
            f"Time to first token by prompt length ({word})",
            results,
            lambda case: case.get("ttft_s"),
            "s",
        ),
        "memory": bar_chart(
            f"Resident memory ({word})",
            [
                (f"{_name(result)} {name}", size / 2**20)
                for result in results
                if (rss := result.get("rss_bytes")) is not None
                for name, size in (
                    ("baseline", rss["baseline"]),
                    ("loaded", rss["loaded"]),
                    ("peak", rss["peak"]),
                )
            ],
            "MiB",
        ),
    }


def _by_length(
    title: str,
    results: Sequence[BenchResult],
    figure_of: Callable[[BenchCase], Figure | None],
    unit: str,
) -> str:
    lines = [
        (
            _name(result),
            [
                (float(case["prompt_tokens"]), figure["median"])
                for case in result.get("cases", [])
                if "prompt_tokens" in case and (figure := figure_of(case))
            ],
        )
        for result in results
    ]
    return line_chart(title, lines, "prompt tokens", unit)


def _name(result: BenchResult) -> str:
    return str(result.get("precision") or result.get("label") or result.get("target"))[:24]
