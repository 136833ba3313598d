"""`firstlight convert SOURCE -o DIR`."""

import json as json_module
from pathlib import Path

import typer

from firstlight_core.conversion.convert import plan_conversion
from firstlight_core.conversion.plan import COURSE_CONFIG_NAME, METHODS
from firstlight_core.documents.conversion import (
    ConversionDocument,
    DryRunDocument,
    OliveConfig,
    ProofDocument,
    RestoredDocument,
)
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.files import is_file, read_json_object
from firstlight_core.model.base_choice import choose_base
from firstlight_core.model.sources import find_source
from firstlight_core.paths import absolute
from firstlight_core.precision.table import REFERENCE_PRECISION, precision_keys
from firstlight_core.settings import default_precision
from firstlight_core.shells import command_line, quoted
from firstlight_core.text import bytes_text, seconds_text, shown_path
from firstlight_core.workflow.recorded import convert as convert_model
from firstlight_tui.commands.output import run_verb, say, show_events
from firstlight_tui.commands.painting import Painted, Role


def convert(
    source: str | None = typer.Argument(
        None,
        help="Folder of the fine-tuned model or of a LoRA adapter, or `sample`; --undo needs none.",
    ),
    output: str | None = typer.Option(
        None, "--output", "-o", help="Folder to publish the artifact as; always needed."
    ),
    precision: str = typer.Option(
        ...,
        "--precision",
        "-p",
        default_factory=default_precision,
        show_default="int4, or that of the settings",
        help=f"One of: {precision_keys()}.",
    ),
    method: str = typer.Option(
        "config", "--method", help=f"The course's method: {', '.join(METHODS)}."
    ),
    base: str | None = typer.Option(
        None, "--base", help="The base of a LoRA adapter; remembered for this adapter."
    ),
    config: str | None = typer.Option(
        None, "--config", help="An edited configuration file of method 2."
    ),
    calibration: str | None = typer.Option(
        None,
        "--calibration",
        help="Text or prompts (JSON lines) that weights are rounded on, own-answers, or none (to the nearest); default: a built-in text.",
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be run, and why."),
    force: bool = typer.Option(
        False,
        "--force",
        help="Convert even if the estimate says it will not fit, or the check against the original fails.",
    ),
    undo: bool = typer.Option(False, "--undo", help="Restore the previous version."),
    log: bool = typer.Option(False, "--log", help="Show every line that the tools print."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Convert a model folder to an ONNX Runtime GenAI artifact."""

    def published() -> str:
        if output is not None:
            return output
        missing = "the folder to publish the artifact as (-o)"
        if source is None and not undo:
            missing = f"the model folder to convert, and {missing}"
        words = "--undo" if undo else quoted(source or "./my-model")
        raise UsageError(f"Name {missing}.", hint=f"firstlight convert {words} -o int4")

    def wanted() -> Path:
        folder_of_artifact = published()
        if source is None:
            hint = command_line(["firstlight", "convert", "./my-model", "-o", folder_of_artifact])
            raise UsageError("Name the model folder to convert.", hint=hint)
        folder = find_source(source)
        if base is not None:
            choose_base(folder, find_source(base))
        return folder

    def edited() -> OliveConfig | None:
        if config is None:
            return None
        if not is_file(Path(config)):
            raise InputRefused(
                f"There is no file {shown_path(config)}.",
                hint="--dry-run prints a configuration that can be edited.",
            )
        return read_json_object(Path(config))

    def plan() -> DryRunDocument:
        from firstlight_core.conversion.preflight import estimate_of, look

        laid_out = plan_conversion(
            wanted(),
            published(),
            precision=precision,
            method=method,
            config=edited(),
            calibration=calibration,
        )
        return {
            "kind": "plan",
            **laid_out.to_json(),
            "estimate": estimate_of(laid_out, look(laid_out)),
        }

    async def work() -> ConversionDocument:
        return await convert_model(
            wanted(),
            published(),
            precision=precision,
            method=method,
            config=edited(),
            calibration=calibration,
            force=force,
            on_event=show_events(log=log),
        )

    if dry_run:
        run_verb("convert", plan, _show_plan, as_json=json)
    elif undo:
        run_verb("convert", lambda: _undo(published()), _show_undo, as_json=json)
    else:
        run_verb("convert", work, _show, as_json=json)


def _undo(output: str) -> RestoredDocument:
    from firstlight_core.artifact.publishing import check_output, restore_previous

    folder = absolute(output)
    check_output(folder)
    if not restore_previous(folder):
        raise InputRefused(
            f"No earlier version of {shown_path(folder)} is kept.",
            hint="A version is kept when a conversion replaces it.",
        )
    return {"kind": "restored", "artifact": str(folder), "restored": True}


def _show_undo(document: RestoredDocument) -> None:
    say(
        f"{shown_path(document['artifact'])} is the version before again; --undo once more changes it back."
    )


def _show_plan(document: DryRunDocument) -> None:
    course = json_module.dumps(document["course_config"], indent=2)
    run = json_module.dumps(document["run_config"], indent=2)
    say(f"The course, method 1:\n  {command_line(document['course_command'])}")
    say(f"The course, method 2: olive run --config ./{COURSE_CONFIG_NAME}, with\n{course}")
    say(f"What is run:\n  {command_line(document['command'])}\nwith\n{run}")
    say(f"Why: {document['reason']}")
    estimate = document["estimate"]
    say(
        f"Estimate: {bytes_text(estimate['bytes'])}, {bytes_text(estimate['peak_ram_bytes'])} of memory, "
        f"{seconds_text(estimate['seconds'])}"
    )
    if not estimate["available"]:
        say(Painted(f"It cannot run here: {estimate['reason']}", "bad"))


def _show(document: ConversionDocument) -> None:
    olive = document.get("olive_seconds")
    in_olive = f", {seconds_text(olive)} of it in Olive" if olive else ""
    say(f"Artifact   {shown_path(document['artifact'])}  ({bytes_text(document['bytes'])})")
    say(
        f"Measured   {seconds_text(document['seconds'])}{in_olive}, "
        f"{bytes_text(document['peak_rss_bytes'])} peak memory"
    )
    if calibration := document.get("calibration"):
        say(
            f"Calibrated {calibration['tokens']} tokens of {calibration['prompts']} prompts "
            f"({shown_path(calibration['source'])}) in {seconds_text(calibration['seconds'])}"
        )
    say(f"It says    {document['smoke']['text']!r}")
    if agreement := document.get("agreement"):
        say(
            f"Original   {agreement['top1']:.0%} of {agreement['positions']} tokens are the same, "
            f"{agreement['same_answers']} of {agreement['prompts']} answers"
        )
    if proof := document.get("proof"):
        role = _PROOF_ROLES.get(proof["level"], "caution")
        say("Proof      ", Painted(_proof_words(proof), role))


_PROOF_ROLES: dict[str, Role] = {"proven": "good", "compared": "good", "wrong": "bad"}


def _proof_words(proof: ProofDocument) -> str:
    """Return one line: what was proven of the artifact, and why not more."""
    if proof["level"] == "proven":
        rounded = proof["kind"] != REFERENCE_PRECISION
        return (
            "with its own weights it computes exactly what the original computes; they are the original's, rounded"
            if rounded
            else "it computes what the original computes"
        )
    if proof["level"] == "compared":
        return f"its answers lie near the original's, no more is proven: {proof['reason']}"
    if proof["level"] == "wrong":
        return f"published by force. {proof['reason']}"
    return f"nothing is proven. {proof['reason']}"
