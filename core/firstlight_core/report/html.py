"""The report as one HTML file that needs nothing else: inline styles, inline SVG, no script, nothing from elsewhere."""

from collections.abc import Callable, Sequence
from pathlib import Path

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import BenchCase, BenchResult
from firstlight_core.documents.report import ReportDocument
from firstlight_core.measure.drift_words import KL_LIMITS, level_words
from firstlight_core.precision.table import REFERENCE_PRECISION
from firstlight_core.report import cells, resources, rows
from firstlight_core.report.charts import Bar, Spot, bar_chart, drift_chart, line_chart
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
        "step_seconds": rows.step_seconds,
        "speed": cells.speed_cell,
        "sizes": cells.size_cell,
        "answer_speed": cells.answer_cell,
        "drift": cells.drift_cell,
        "kl_number": cells.kl_number,
        "evidence": cells.evidence_text,
        "fault_lines": cells.fault_lines,
        "bench_sentence": cells.bench_sentence,
        "bench_rows": cells.bench_rows,
        "bench_notes": rows.bench_notes,
        "conversion_sentence": cells.conversion_sentence,
        "template_sentence": cells.template_sentence,
        "measured_word": cells.measured_word,
        "drift_rows": cells.drift_rows,
        "resource_rows": resources.resource_rows,
        "target_name": cells.target_name,
        "tuned_sentence": cells.tuned_sentence,
        "model_rows": rows.model_rows,
        "machine_rows": rows.machine_rows,
        "deployment_rows": rows.deployment_rows,
        "threshold_rows": rows.threshold_rows,
        "command": command_line,
    }
    # What charts draws is escaped there.
    charts = {name: Markup(svg) for name, svg in _charts(document).items()}
    page = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    drawn = page.render(
        d=document,
        charts=charts,
        comparison=rows.comparison(document),
        claims=rows.claim_lines(document),
        measured_note=rows.MEASURED_NOTE,
        figures=cells.BENCH_FIGURES,
        resources=resources.RESOURCES,
    )
    return drawn + "\n"


def _charts(document: ReportDocument) -> dict[str, str]:
    bench = document.get("benchmark")
    results = bench.get("results", []) if bench is not None else []
    word = cells.measured_word(bench) if bench is not None else "measured"
    return {
        "sizes": bar_chart("Size of the artifact (measured)", _size_bars(document), "MiB"),
        "decode": bar_chart(
            f"Decode rate ({word}, median, least to most)", _decode_bars(document), "tok/s"
        ),
        "drift": drift_chart(
            "Drift from the original, mean KL in nats (measured, log scale)",
            _spots(document),
            [(level_words(name), most) for name, most in KL_LIMITS],
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
            "ms",
            factor=1_000,
        ),
        "memory": bar_chart(
            f"Resident memory ({word})",
            [
                Bar(
                    label=f"{_name(result)} {name}",
                    value=size / 2**20,
                    note="void" if bench is not None and bench.get("void") else "",
                )
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


def _size_bars(document: ReportDocument) -> list[Bar]:
    """Return the measured sizes, and FP32's estimate where it was not made."""
    bars = []
    for row in document.get("precisions", ()):
        estimate = row.get("estimate", {}).get("bytes")
        if "measured" in row and "bytes" in row["measured"]:
            bars.append(Bar(label=row["label"], value=row["measured"]["bytes"] / 2**20))
        elif row["precision"] == REFERENCE_PRECISION and estimate:
            bars.append(Bar(label=row["label"], value=estimate / 2**20, note="estimate"))
    return bars


def _decode_bars(document: ReportDocument) -> list[Bar]:
    bars = []
    for row in document.get("precisions", ()):
        measured = row.get("measured", {})
        if "decode_tps" in measured:
            ends = measured.get("decode_range")
            bars.append(
                Bar(
                    label=row["label"],
                    value=measured["decode_tps"],
                    ends=(ends[0], ends[1]) if ends is not None else None,
                    note="void" if measured.get("void") else "",
                )
            )
    return bars


def _spots(document: ReportDocument) -> list[Spot]:
    spots = []
    for row in document.get("precisions", ()):
        measured = row.get("measured", {})
        if "kl_mean" in measured:
            ends = measured.get("kl_interval")
            spots.append(
                Spot(
                    label=row["label"],
                    kl_mean=measured["kl_mean"],
                    interval=(ends[0], ends[1]) if ends is not None else None,
                )
            )
    return spots


def _by_length(
    title: str,
    results: Sequence[BenchResult],
    figure_of: Callable[[BenchCase], Figure | None],
    unit: str,
    factor: float = 1.0,
) -> str:
    lines = [
        (
            _name(result),
            [
                (float(case["prompt_tokens"]), factor * figure["median"])
                for case in result.get("cases", [])
                if "prompt_tokens" in case and (figure := figure_of(case))
            ],
        )
        for result in results
    ]
    return line_chart(title, lines, "prompt tokens", unit)


def _name(result: BenchResult) -> str:
    return str(result.get("precision") or result.get("label") or result.get("target"))[:24]
