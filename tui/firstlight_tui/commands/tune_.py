"""`firstlight tune`: the fastest setting on this machine, by measuring."""

from pathlib import Path

import typer

from firstlight_core.documents.tuning import BuildRow, ResetDocument, TrialRow, TunedDocument
from firstlight_core.errors import UsageError
from firstlight_core.measure.drift_words import kl_text
from firstlight_core.model.base_choice import choose_base
from firstlight_core.model.sources import find_source
from firstlight_core.precision.table import precision_keys
from firstlight_core.settings import default_precision
from firstlight_core.text import bytes_text, seconds_text, shown_path
from firstlight_core.tuning.search import NEW_TOKENS, PROMPT_TOKENS, REPEATS
from firstlight_core.tuning.summary import allowance, setting, verdict
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
    max_drift: float | None = typer.Option(
        None,
        "--max-drift",
        help="Of a source: mean KL to the original in nats; by default 1.1 times the row's own.",
    ),
    prompts: Path | None = typer.Option(
        None, "--prompts", help="Of a source: your questions for the drift, as JSON lines."
    ),
    prompt_tokens: int = typer.Option(PROMPT_TOKENS, "--prompt-tokens", help="Tokens to read."),
    new_tokens: int = typer.Option(NEW_TOKENS, "--new-tokens", help="Tokens to write."),
    repeats: int = typer.Option(
        REPEATS, "--repeats", help="Rounds of the last comparison, best against baseline."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Find the fastest setting of a model on this machine."""

    async def work() -> TunedDocument:
        if base is not None:
            choose_base(find_source(target), find_source(base))
        return await find_fastest(
            target,
            output=output,
            apply=apply,
            precision=precision,
            max_drift=max_drift,
            prompts=prompts,
            prompt_tokens=prompt_tokens,
            new_tokens=new_tokens,
            repeats=repeats,
            on_event=show_events(),
        )

    def back() -> ResetDocument:
        if apply or output is not None:
            raise UsageError("--reset stands alone.", hint="firstlight tune ARTIFACT --reset")
        return take_back(target)

    if reset:
        run_verb("tune", back, _show_reset, as_json=json)
    else:
        run_verb("tune", work, _show, as_json=json)


def _show_reset(document: ResetDocument) -> None:
    outcome = "holds no settings of its own any more" if document["removed"] else "held none"
    say(f"{shown_path(document['artifact'])} {outcome}.")


def _show(document: TunedDocument) -> None:
    say(Painted(verdict(document), "bad" if document["void"] else "heading"))
    if sentence := allowance(document):
        say(sentence)
    say()
    machine = document["machine"]
    say(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} (measured)")
    say(
        f"An answer: {document['prompt_tokens']} tokens read, {document['new_tokens']} written; medians, measured"
    )
    for build in document["builds"] if document["kind"] != "artifact" else ():
        if "drift" in build or "excluded" in build:
            say(f"  {build['label']:34} {_build(build)}")
    header = f"{'setting':34} {'answer':>9} {'prefill tok/s':>14} {'decode tok/s':>13}  rounds"
    say(Painted(f"  {header}", "quiet"))
    for trial in document["trials"]:
        say(_row(trial))
    say()
    say(_row(document["baseline"], "Baseline: "))
    say(_row(document["best"], "Best: "))
    for line in document["notes"]:
        note(line)
    say(_next(document))


def _build(build: BuildRow) -> str:
    parts = [bytes_text(build["bytes"])] if "bytes" in build else []
    if (drift := build.get("drift")) is not None:
        parts.append(f"mean KL {kl_text(drift['kl_mean'])}, top-1 {drift['top1_agreement']:.1%}")
    return ", ".join([*parts, *([f"left out: {build['excluded']}"] if "excluded" in build else [])])


def _row(trial: TrialRow, head: str = "") -> str:
    figures = (trial.get("prefill_tps"), trial.get("decode_tps"))
    rates_text = [f"{rate['median']:.1f}" if rate is not None else "-" for rate in figures]
    end = "  (left early: slower)" if trial.get("dropped") else ""
    return (
        f"  {head + setting(trial):34} {seconds_text(trial['total_s']['median']):>9} {rates_text[0]:>14} "
        f"{rates_text[1]:>13}  {trial['rounds']}{end}"
    )


def _next(document: TunedDocument) -> str:
    if document["kind"] == "published":
        return f"Published: {shown_path(document['artifact'])}"
    if document["kind"] == "source":
        return "To publish the best: the same command with -o DIR."
    if document["applied"]:
        return f"Written into {shown_path(document['artifact'])}; --reset takes it out."
    if "faster" not in document["best"]:
        return "There is nothing to keep."
    return "To keep it: the same command with --apply."
