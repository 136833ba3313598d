"""`firstlight convert SOURCE -o DIR`."""

import shlex
from pathlib import Path

import typer

from firstlight_core.conversion import convert as convert_model
from firstlight_core.conversion import plan_conversion
from firstlight_core.files import read_json_object
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.commands.output import Document, run_verb, say, show_events


def convert(
    source: str = typer.Argument(..., help="Folder of the fine-tuned model, or of a LoRA adapter."),
    output: str = typer.Option(..., "--output", "-o", help="Folder to publish the artifact as."),
    precision: str = typer.Option("int4", "--precision", "-p", help="A row of the table."),
    method: str = typer.Option("config", "--method", help="The course's method: command, config."),
    config: str | None = typer.Option(
        None, "--config", help="An edited configuration file of method 2."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be run, and why."),
    force: bool = typer.Option(
        False, "--force", help="Go on where only an estimate, or a red numbers gate, is against it."
    ),
    log: bool = typer.Option(False, "--log", help="Show every line that the tools print."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Convert a model folder to an ONNX Runtime GenAI artifact."""

    def show_plan(document: Document) -> None:
        say(f"The course, method 1:\n  {shlex.join(document['course_command'])}")
        say(f"What is run:\n  {shlex.join(document['command'])}")
        say(f"Why: {document['reason']}")

    def show(document: Document) -> None:
        say(f"Artifact   {document['artifact']}  ({bytes_text(document['bytes'])})")
        say(
            f"Measured   {seconds_text(document['seconds'])} in Olive, "
            f"{bytes_text(document['peak_rss_bytes'])} peak memory"
        )
        say(f"It says    {document['smoke']['text']!r}")

    def edited() -> Document | None:
        return read_json_object(Path(config)) if config is not None else None

    def plan() -> Document:
        return plan_conversion(
            source, output, precision=precision, method=method, config=edited()
        ).to_json()

    async def work() -> Document:
        return await convert_model(
            source,
            output,
            precision=precision,
            method=method,
            config=edited(),
            force=force,
            on_event=show_events(log=log),
        )

    if dry_run:
        run_verb("convert", plan, show_plan, as_json=json)
    else:
        run_verb("convert", work, show, as_json=json)
