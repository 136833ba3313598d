"""`firstlight bench`: load time, TTFT, prefill and decode rate, memory."""

import typer

from firstlight_core.errors import UsageError
from firstlight_core.measure.benchmark import LENGTHS, NEW_TOKENS, REPEATS, benchmark
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.commands.output import Document, note, run_verb, say, show_events


def bench(
    targets: list[str] = typer.Argument(help="Artifact folders or deployed names."),
    lengths: str = typer.Option(
        ",".join(map(str, LENGTHS)), "--lengths", help="Prompt lengths in tokens, comma-separated."
    ),
    new_tokens: int = typer.Option(NEW_TOKENS, "--new-tokens", help="Tokens to generate."),
    repeats: int = typer.Option(REPEATS, "--repeats", help="Repetitions after the warm-up."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Measure one or more targets on this machine, interleaved."""

    async def work() -> Document:
        return await benchmark(
            targets,
            lengths=_lengths(lengths),
            new_tokens=new_tokens,
            repeats=repeats,
            on_event=show_events(),
        )

    run_verb("bench", work, _show, as_json=json)


def _lengths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{text[:60]!r} is no list of prompt lengths.",
            hint="Write for example --lengths 32,128",
        ) from None


def _show(document: Document) -> None:
    machine = document["machine"]
    say(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} (measured)")
    for result in document["results"]:
        rss = result["rss_bytes"]
        say()
        say(
            f"{result['label']}: loaded in {seconds_text(result['load_s'])}, "
            f"memory {bytes_text(rss['loaded'])}, peak {bytes_text(rss['peak'])}, "
            f"CPU {result['cpu_percent']:.0f} %"
        )
        say("  prompt  TTFT (median, min-max)           prefill tok/s  decode tok/s (min-max)")
        for case in result["cases"]:
            ttft, prefill, decode = case["ttft_s"], case["prefill_tps"], case["decode_tps"]
            span = f"{seconds_text(ttft['min'])} - {seconds_text(ttft['max'])}"
            say(
                f"  {case['prompt_tokens']:6}  {seconds_text(ttft['median']):>8}  {span:21} "
                f"{prefill['median']:13.1f}  {decode['median']:8.1f} ({decode['min']:.1f}-{decode['max']:.1f})"
            )
    for line in document["notes"]:
        note(line)
