"""`firstlight tune`: the fastest setting on this machine, by measuring."""

from pathlib import Path

import typer

from firstlight_core.documents.tuning import (
    BuildRow,
    LengthFigures,
    PeerFigures,
    ResetDocument,
    StoppedTuningDocument,
    TrialRow,
    TunedDocument,
)
from firstlight_core.errors import UsageError
from firstlight_core.measure.drift_words import kl_text
from firstlight_core.model.base_choice import choose_base
from firstlight_core.model.sources import find_source
from firstlight_core.precision.table import precision_keys
from firstlight_core.settings import default_precision
from firstlight_core.text import bytes_text, seconds_text, shown_path
from firstlight_core.tuning.search import NEW_TOKENS, PROMPT_TOKENS, REPEATS, read_lengths
from firstlight_core.tuning.summary import (
    allowance,
    lengths_text,
    peer_verdict,
    setting,
    taken_over,
    verdict,
)
from firstlight_core.tuning.tune import reset as take_back
from firstlight_core.workflow.recorded import tune as find_fastest
from firstlight_tui.commands.output import note, run_verb, say, show_events
from firstlight_tui.commands.painting import Painted


def tune(
    target: str = typer.Argument(
        help="A model folder or `sample` (threads and build), or an artifact (its threads)."
    ),
    output: str | None = typer.Option(
        None, "--output", "-o", help="Of a source: folder to publish the fastest artifact as."
    ),
    apply: bool = typer.Option(
        False, "--apply", help="Of an artifact: write the fastest threads into it."
    ),
    reset: bool = typer.Option(
        False, "--reset", help="Take out of an artifact what --apply has written."
    ),
    base: str | None = typer.Option(
        None, "--base", help="Of a source that is a LoRA adapter: its base; remembered."
    ),
    precision: str = typer.Option(
        ...,
        "--precision",
        "-p",
        default_factory=default_precision,
        show_default="int4, or that of the settings",
        help=f"Of a source: the precision whose builds are tried, one of: {precision_keys()}.",
    ),
    drift_budget: str | None = typer.Option(
        None,
        "--drift-budget",
        help="Of a source: mean KL to the original in nats (0.05), or times the drift of the row as built (1.5x); "
        "by default 1.1x.",
    ),
    max_drift: float | None = typer.Option(
        None, "--max-drift", help="Of a source: the budget in nats, as a number."
    ),
    prompts: Path | None = typer.Option(
        None, "--prompts", help="Of a source: your questions for the drift, as JSON lines."
    ),
    prompt_tokens: list[str] = typer.Option(
        [str(PROMPT_TOKENS)],
        "--prompt-tokens",
        help="Tokens to read; several (128,512, or the option again) are judged by their geometric mean.",
    ),
    new_tokens: int = typer.Option(NEW_TOKENS, "--new-tokens", help="Tokens to write."),
    repeats: int = typer.Option(
        REPEATS, "--repeats", help="Rounds of the last comparison, best against baseline."
    ),
    llama_bench: str | None = typer.Option(
        None,
        "--llama-bench",
        help="llama.cpp's llama-bench, measured in turns with the best; by default the one on the PATH.",
    ),
    gguf: str | None = typer.Option(
        None,
        "--gguf",
        help="The same weights for llama-bench; by default the only GGUF beside those of the source.",
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Find the fastest setting of a model on this machine; the same command goes on with one that was stopped."""
    stopped: list[StoppedTuningDocument] = []

    async def work() -> TunedDocument:
        if base is not None:
            choose_base(find_source(target), find_source(base))
        return await find_fastest(
            target,
            output=output,
            apply=apply,
            precision=precision,
            drift_budget=drift_budget,
            max_drift=max_drift,
            prompts=prompts,
            prompt_tokens=read_lengths(prompt_tokens),
            new_tokens=new_tokens,
            repeats=repeats,
            llama_bench=llama_bench,
            gguf=gguf,
            on_event=show_events(),
            on_stopped=stopped.append,
        )

    def back() -> ResetDocument:
        if apply or output is not None:
            raise UsageError("--reset stands alone.", hint="firstlight tune ARTIFACT --reset")
        return take_back(target)

    def keeps() -> str:
        return " ".join(stopped[-1]["notes"]) if stopped else ""

    if reset:
        run_verb("tune", back, _show_reset, as_json=json)
    else:
        run_verb("tune", work, _show, as_json=json, keeps=keeps)


def _show_reset(document: ResetDocument) -> None:
    outcome = "holds no settings of its own any more" if document["removed"] else "held none"
    say(f"{shown_path(document['artifact'])} {outcome}.")


def _show(document: TunedDocument) -> None:
    say(Painted(verdict(document), "bad" if document["void"] else "heading"))
    if (peer := document.get("peer")) is not None:
        say(peer_verdict(peer))
    for sentence in (allowance(document), taken_over(document)):
        if sentence:
            say(sentence)
    say()
    machine = document["machine"]
    say(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} (measured)")
    say(f"An answer: {lengths_text(document)}; medians, measured")
    for build in document["builds"] if document["kind"] != "artifact" else ():
        if "drift" in build or "excluded" in build:
            say(f"  {build['label']:34} {_build(build)}")
    header = f"{'setting':34} {'answer':>9} {'prefill tok/s':>14} {'decode tok/s':>13}  rounds"
    say(Painted(f"  {header}", "quiet"))
    for trial in document["trials"]:
        say(_row(trial))
    say()
    for head, row in (("Baseline: ", document["baseline"]), ("Best: ", document["best"])):
        say(_row(row, head))
        for line in _each_length(row.get("by_length", [])):
            say(line)
    if peer is not None:
        say(_figures(f"{peer['name']}, {peer['label']}", peer, document["repeats"]))
        for line in _each_length(peer["by_length"]):
            say(line)
    for line in document["notes"]:
        note(line)
    say(_next(document))


def _build(build: BuildRow) -> str:
    parts = [bytes_text(build["bytes"])] if "bytes" in build else []
    if (drift := build.get("drift")) is not None:
        parts.append(f"mean KL {kl_text(drift['kl_mean'])}, top-1 {drift['top1_agreement']:.1%}")
    return ", ".join([*parts, *([f"left out: {build['excluded']}"] if "excluded" in build else [])])


def _row(trial: TrialRow, head: str = "") -> str:
    scout = "first look, " if trial["stage"] == "scout" else ""
    end = "  (left early: slower)" if trial.get("dropped") else ""
    return _figures(head + scout + setting(trial), trial, trial["rounds"]) + end


def _each_length(rows: list[LengthFigures]) -> list[str]:
    """Return a line for each prompt length, where there are several."""
    if len(rows) < 2:
        return []
    return [_figures(f"  {row['prompt_tokens']} tokens of prompt", row) for row in rows]


def _figures(name: str, row: TrialRow | LengthFigures | PeerFigures, rounds: int | str = "") -> str:
    figures = (row.get("prefill_tps"), row.get("decode_tps"))
    rates_text = [f"{rate['median']:.1f}" if rate is not None else "-" for rate in figures]
    return (
        f"  {name:34} {seconds_text(row['total_s']['median']):>9} {rates_text[0]:>14} "
        f"{rates_text[1]:>13}  {rounds}".rstrip()
    )


def _next(document: TunedDocument) -> str:
    if document["kind"] == "published":
        return f"Published: {shown_path(document['artifact'])}"
    if document["kind"] == "source":
        return "To publish the best: the same command with -o DIR."
    if document["applied"]:
        return f"Written into {shown_path(document['artifact'])}; --reset takes it out."
    if "gain" not in document["best"]:
        return "There is nothing to keep."
    return "To keep it: the same command with --apply."
