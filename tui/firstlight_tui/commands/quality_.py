"""`firstlight quality`: the course's five checks, and the drift against the original."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from firstlight_core.documents.measure import (
    DriftFigures,
    QualitiesDocument,
    QualityDocument,
    Usability,
)
from firstlight_core.errors import UsageError
from firstlight_core.measure.drift_words import describe_drift, kl_text
from firstlight_core.measure.quality_verdict import USABILITY_WORDS, usability
from firstlight_core.model.base_choice import choose_base
from firstlight_core.model.sources import find_source
from firstlight_core.workflow.recorded import check_quality
from firstlight_tui.commands.output import run_verb, say, show_events
from firstlight_tui.commands.painting import Painted, Role

KEEPS = "The targets that are checked by now are kept in the history."
KEEPS_ANSWERS = (
    "The answers and checks that are finished are kept in the history, without a verdict."
)
_MARKS = {"pass": "pass", "fail": "FAIL", "not-run": "not run", "needs-you": "needs you"}
_ROLES: dict[str, Role] = {
    "pass": "good",
    "fail": "bad",
    "not-run": "quiet",
    "needs-you": "caution",
}
_USABLE: dict[Usability, Role] = {
    "usable": "good",
    "with-caution": "caution",
    "not-good-enough": "bad",
}


def quality(
    targets: list[str] = typer.Argument(
        help="Artifact folders, deployed names, or http://host:port/v1#model."
    ),
    prompts: Path | None = typer.Option(
        None,
        "--prompts",
        help="Your questions: JSON lines with prompt and text, regex, keys or schema.",
    ),
    reference: str | None = typer.Option(
        None, "--reference", help="The source model, for the drift against it."
    ),
    base: str | None = typer.Option(
        None, "--base", help="The base of the reference, when that is a LoRA adapter; remembered."
    ),
    text: Path | None = typer.Option(
        None, "--text", help="Your own text (UTF-8): the drift on it too. Needs --reference."
    ),
    network: bool = typer.Option(
        False, "--network", help="Allow a server on another machine; your questions leave this one."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Check the quality of one or more targets; leaves with 1 when a check failed."""

    parts: list[QualityDocument | QualitiesDocument] = []

    async def work() -> QualityDocument | QualitiesDocument:
        if base is not None and reference is None:
            raise UsageError("--base belongs to --reference.", hint="Name the adapter there.")
        if base is not None and reference is not None:
            choose_base(find_source(reference), find_source(base))
        return await check_quality(
            targets,
            prompts=prompts,
            reference=reference,
            text=text,
            network=network,
            on_event=show_events(),
            on_stopped=parts.append,
        )

    run_verb("quality", work, _show, as_json=json, keeps=lambda: keeps_words(parts))


def keeps_words(parts: Sequence[QualityDocument | QualitiesDocument]) -> str:
    """Return what stays of an interrupted check, as a sentence; empty where nothing was finished."""
    if not parts:
        return ""
    part = parts[-1]
    return KEEPS_ANSWERS if part["kind"] == "quality" and part.get("stopped") else KEEPS


def _show(document: QualityDocument | QualitiesDocument) -> None:
    if document["kind"] == "quality":
        _show_one(document)
        return
    for number, quality in enumerate(document["artifacts"]):
        say(("\n" if number else "") + quality["target"])
        _show_one(quality)


def _show_one(document: QualityDocument) -> None:
    usable = usability(document)
    checks = document["checks"]
    ran = [check for check in checks if check["status"] != "not-run"]
    passed = sum(check["status"] == "pass" for check in checks)
    say(
        Painted(f"{USABILITY_WORDS[usable]}.", _USABLE[usable]),
        f" {passed} of {len(ran)} checks that ran passed.",
    )
    if "drift" in document:
        say(describe_drift(document["drift"])[0])
    say()
    for number, check in enumerate(checks, 1):
        status = Painted(_MARKS[check["status"]], _ROLES[check["status"]])
        say(f"{number}. {check['title']}: ", status)
        say(f"   {check['evidence']['summary']}")
        for fault in check["evidence"].get("faults", []):
            say(f"   - {fault['prompt']}: {fault['fault']}")
    if "drift" in document:
        drift = document["drift"]
        _say_drift(f"Drift over {drift['tokens']} tokens", drift)
        if own := drift.get("own_text"):
            _say_drift(f"Drift over {own['tokens']} tokens of your text", own)
            before, after = own["perplexity"]["original"], own["perplexity"]["artifact"]
            say(f"   perplexity of your text: {before:.4g} for the original, {after:.4g} here")
        for example in drift["worst"]:
            if example["texts_differ_at"] is not None:
                say(f"   {example['prompt']}")
                say(f"     original: {example['original']}")
                say(f"     artifact: {example['artifact']}")


def _say_drift(what: str, drift: DriftFigures) -> None:
    """The figures, each with its 95 % interval where there is one."""
    low, high = drift["top1_interval"]
    say(
        f"{what}: top-1 agreement {drift['top1_agreement']:.1%} ({100 * low:.1f} to {high:.1%}), "
        f"KL mean {kl_text(drift['kl_mean'])}{_between(drift.get('kl_interval'), kl_text)}, "
        f"95th percentile {kl_text(drift['kl_p95'])} nats, perplexity ×{drift['perplexity_ratio']:.4f}"
        f"{_between(drift.get('perplexity_interval'), '{:.4f}'.format)}"
    )


def _between(interval: Sequence[float] | None, text: Callable[[float], str]) -> str:
    return f" ({text(interval[0])} to {text(interval[1])})" if interval else ""
