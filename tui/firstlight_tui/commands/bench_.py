"""`firstlight bench`: load time, TTFT, prefill and decode rate, memory; servers and what a service costs."""

import asyncio
from collections.abc import Callable, Iterator

import typer

from firstlight_core.artifact.target import find_target
from firstlight_core.documents.figures import Spread
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.errors import UsageError
from firstlight_core.history.against import find_earlier
from firstlight_core.measure.bench_words import (
    condition_sentences,
    energy_sentence,
    load_sentence,
    service_sentences,
)
from firstlight_core.measure.benchmark import LENGTHS, NEW_TOKENS, REPEATS
from firstlight_core.measure.load_times import LOADS
from firstlight_core.measure.roofline import roofline_text
from firstlight_core.text import bytes_text, seconds_text
from firstlight_core.workflow.recorded import benchmark
from firstlight_tui.commands.compare_ import show_comparison
from firstlight_tui.commands.output import (
    line_events,
    note,
    note_forced,
    print_line,
    run_verb,
    say,
    show_events,
)
from firstlight_tui.commands.painting import Painted

KEEPS = "What was measured until then is kept in the history."


def bench(
    targets: list[str] = typer.Argument(
        help="Artifact folders, deployed names, or http://host:port/v1#model."
    ),
    lengths: str = typer.Option(
        ",".join(map(str, LENGTHS)), "--lengths", help="Prompt lengths in tokens, comma-separated."
    ),
    new_tokens: int = typer.Option(NEW_TOKENS, "--new-tokens", help="Tokens to generate."),
    repeats: int = typer.Option(REPEATS, "--repeats", help="Repetitions after the warm-up."),
    loads: int = typer.Option(
        LOADS, "--loads", help="Load each artifact so often cold and warm; 0 loads it once."
    ),
    clients: str = typer.Option(
        "",
        "--clients",
        help="Numbers of clients that ask at once: 1,2,4. Artifacts are served by Foundry Local for it.",
    ),
    through_foundry: bool = typer.Option(
        False,
        "--through-foundry",
        help="Measure each artifact directly and through Foundry Local's service, and say what that costs.",
    ),
    network: bool = typer.Option(
        False, "--network", help="Allow a server on another machine; the prompts leave this one."
    ),
    against: str | None = typer.Option(
        None,
        "--against",
        help="Compare with an earlier benchmark: last, or a number of `firstlight history`; 1 when slower.",
    ),
    wait_quiet: int | None = typer.Option(
        None,
        "--wait-quiet",
        help="Begin when other programs leave the processor alone; give up after so many seconds.",
    ),
    json_lines: bool = typer.Option(
        False,
        "--json-lines",
        help="A JSON object a line for each measurement as it is finished; the last one is the document.",
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Measure one or more targets, interleaved."""

    parts: list[BenchDocument] = []

    def stopped(part: BenchDocument) -> None:
        parts.append(part)
        if json_lines:
            # The error that follows is the last line; this one holds what was finished.
            print_line("part", part)

    async def work() -> BenchDocument:
        for target in targets:
            note_forced(find_target(target))
        earlier = await asyncio.to_thread(find_earlier, against) if against is not None else None
        document = await benchmark(
            targets,
            lengths=_numbers(lengths, "prompt lengths", "--lengths 32,128"),
            new_tokens=new_tokens,
            repeats=repeats,
            clients=_numbers(clients, "numbers of clients", "--clients 1,2,4") if clients else (),
            through_foundry=through_foundry,
            network=network,
            loads=loads,
            wait_quiet=wait_quiet,
            on_event=line_events(show_events()) if json_lines else show_events(),
            on_stopped=stopped,
        )
        return document if earlier is None else await asyncio.to_thread(earlier.compare, document)

    run_verb(
        "bench",
        work,
        _show,
        as_json=json or json_lines,
        as_line=json_lines,
        keeps=lambda: KEEPS if parts else "",
    )


def _numbers(text: str, what: str, example: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{text[:60]!r} is no list of {what}.", hint=f"Write for example {example}"
        ) from None


def _show(document: BenchDocument) -> None:
    if document["void"]:
        say(Painted("VOID: these figures cannot be used.", "bad"))
    for line in document["notes"] if document["void"] else ():
        say(Painted(line, "bad"))
    machine = document["machine"]
    say(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} (measured)")
    for result in document["results"]:
        say()
        void = Painted("VOID: ", "bad") if result.get("void") else ""
        say(Painted(result["label"], "heading"), ": ", void, _head(result))
        rows = [_HEADERS, *(_row(case) for case in result["cases"])]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
        for number, row in enumerate(rows):
            cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            say(Painted("  " + "  ".join(cells), "plain" if number else "quiet"))
        for sentence in _sentences(result):
            say(Painted(f"  {sentence}", "quiet"))
    if sentences := service_sentences(document):
        say()
        for sentence in sentences:
            say(sentence)
    for line in document["notes"] if not document["void"] else ():
        note(line)
    if not document["void"]:
        for line in condition_sentences(document.get("conditions", {})):
            note(line)
    for comparison in document.get("against", []):
        say()
        show_comparison(comparison)


_HEADERS = (
    "prompt",
    "new",
    "TTFT",
    "(min to max)",
    "prefill tok/s",
    "decode tok/s",
    "(min to max)",
)
"""Medians, each with its span; every header stands over its figures."""


def _row(case: BenchCase) -> tuple[str, ...]:
    return (
        _length(case),
        str(case.get("new_tokens", "-")),
        *_cells(case.get("ttft_s"), seconds_text),
        _cells(case.get("prefill_tps"), "{:.1f}".format)[0],
        *_cells(case.get("decode_tps"), "{:.1f}".format),
    )


def _head(result: BenchResult) -> str:
    if result["kind"] == "server":
        failed = f", {result['errors']} questions failed" if result["errors"] else ""
        return f"models listed in {seconds_text(result['load_s'])}{failed}"
    rss = result["rss_bytes"]
    return (
        f"{load_sentence(result)}; memory {bytes_text(rss['loaded'])}, "
        f"peak {bytes_text(rss['peak'])}, CPU {result['cpu_percent']:.0f} %"
    )


def _sentences(result: BenchResult) -> Iterator[str]:
    """Yield what the table has no room for: the percentiles of whole answers, and the share of the memory bandwidth."""
    latencies = [
        f"{_length(case)}: {seconds_text(latency['p50'])} / {seconds_text(latency['p95'])} / "
        f"{seconds_text(latency['p99'])}"
        for case in result["cases"]
        if (latency := case.get("latency_s")) and "p99" in latency
    ]
    if latencies:
        yield f"whole answers p50 / p95 / p99 at {', '.join(latencies)}"
    if energy := energy_sentence(result):
        yield energy
    shares = [case["roofline_share"] for case in result["cases"] if "roofline_share" in case]
    if shares:
        yield f"decoding reaches {roofline_text(max(shares))} ({bytes_text(result['token_bytes'])} a token, measured)"


def _length(case: BenchCase) -> str:
    """Tokens of prompt; of a server that does not tell them, the words."""
    counted = case.get("prompt_tokens")
    return str(counted) if counted is not None else f"{case.get('prompt_words', '-')} w"


def _cells(figure: Spread | None, text: Callable[[float], str]) -> tuple[str, str]:
    """Return the median, and the span of all repetitions."""
    if not figure:
        return "-", ""
    return text(figure["median"]), f"{text(figure['min'])} to {text(figure['max'])}"
