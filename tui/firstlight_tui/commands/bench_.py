"""`firstlight bench`: load time, TTFT, prefill and decode rate, memory; servers and what a service costs."""

import typer

from firstlight_core.artifact.target import find_target
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult, Spread
from firstlight_core.errors import UsageError
from firstlight_core.measure.bench_words import service_sentences
from firstlight_core.measure.benchmark import LENGTHS, NEW_TOKENS, REPEATS, benchmark
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.commands.output import note, note_forced, run_verb, say, show_events


def bench(
    targets: list[str] = typer.Argument(
        help="Artifact folders, deployed names, or http://host:port/v1#model."
    ),
    lengths: str = typer.Option(
        ",".join(map(str, LENGTHS)), "--lengths", help="Prompt lengths in tokens, comma-separated."
    ),
    new_tokens: int = typer.Option(NEW_TOKENS, "--new-tokens", help="Tokens to generate."),
    repeats: int = typer.Option(REPEATS, "--repeats", help="Repetitions after the warm-up."),
    clients: str = typer.Option(
        "", "--clients", help="Numbers of clients that ask every server at once: 1,2,4."
    ),
    through_foundry: bool = typer.Option(
        False,
        "--through-foundry",
        help="Measure each artifact directly and through Foundry Local's service, and say what that costs.",
    ),
    network: bool = typer.Option(
        False, "--network", help="Allow a server on another machine; the prompts leave this one."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Measure one or more targets, interleaved."""

    async def work() -> BenchDocument:
        for target in targets:
            note_forced(find_target(target))
        return await benchmark(
            targets,
            lengths=_numbers(lengths, "prompt lengths", "--lengths 32,128"),
            new_tokens=new_tokens,
            repeats=repeats,
            clients=_numbers(clients, "numbers of clients", "--clients 1,2,4") if clients else (),
            through_foundry=through_foundry,
            network=network,
            on_event=show_events(),
        )

    run_verb("bench", work, _show, as_json=json)


def _numbers(text: str, what: str, example: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{text[:60]!r} is no list of {what}.", hint=f"Write for example {example}"
        ) from None


def _show(document: BenchDocument) -> None:
    machine = document["machine"]
    say(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} (measured)")
    for result in document["results"]:
        say()
        void = "VOID: " if result.get("void") else ""
        say(f"{result['label']}: {void}{_head(result)}")
        say(
            "  prompt   new  TTFT (median, min-max)           prefill tok/s  decode tok/s (min-max)"
        )
        for case in result["cases"]:
            say(
                f"  {_length(case):>6} {case.get('new_tokens', '-'):>5}  {_seconds(case.get('ttft_s')):30} "
                f"{_rate(case.get('prefill_tps')):>13}  {_rate(case.get('decode_tps'), spread=True)}"
            )
    if sentences := service_sentences(document):
        say()
        for sentence in sentences:
            say(sentence)
    for line in document["notes"]:
        note(line)


def _head(result: BenchResult) -> str:
    if result["kind"] == "server":
        failed = f", {result['errors']} questions failed" if result["errors"] else ""
        return f"models listed in {seconds_text(result['load_s'])}{failed}"
    rss = result["rss_bytes"]
    return (
        f"loaded in {seconds_text(result['load_s'])}, memory {bytes_text(rss['loaded'])}, "
        f"peak {bytes_text(rss['peak'])}, CPU {result['cpu_percent']:.0f} %"
    )


def _length(case: BenchCase) -> str:
    """Tokens of prompt; of a server that does not tell them, the words."""
    counted = case.get("prompt_tokens")
    return str(counted) if counted is not None else f"{case.get('prompt_words', '-')} w"


def _seconds(figure: Spread | None) -> str:
    if not figure:
        return "-"
    span = f"{seconds_text(figure['min'])} - {seconds_text(figure['max'])}"
    return f"{seconds_text(figure['median']):>8}  {span}"


def _rate(figure: Spread | None, *, spread: bool = False) -> str:
    if not figure:
        return "-"
    span = f" ({figure['min']:.1f}-{figure['max']:.1f})" if spread else ""
    return f"{figure['median']:.1f}{span}"
