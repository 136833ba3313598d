"""`firstlight doctor`."""

from typing import cast

import typer

from firstlight_core.documents.environment import DoctorDocument, DoctorVerb
from firstlight_core.environment.doctor import (
    CheckResult,
    report_text,
    run_checks,
    toolchain_missing,
)
from firstlight_core.errors import CheckFailed, FirstlightError, ToolchainMissing
from firstlight_tui.commands.output import note, run_verb, say

_SIGNS = {"ok": "ok", "warning": "warning", "missing": "missing", "fail": "FAIL", "unknown": "?"}


def doctor(
    json: bool = typer.Option(False, "--json", help="One JSON document."),
    report: bool = typer.Option(
        False, "--report", help="Plain text for a bug report: no user name, token or path."
    ),
) -> None:
    """Check this machine: versions, memory, disk, toolchain."""

    def noted(result: CheckResult) -> None:
        note(f"- {result.title}: {result.status}")

    async def work() -> DoctorVerb:
        checked = await run_checks(on_result=None if json or report else noted)
        document = cast(DoctorVerb, checked)
        if document["verdict"] == "blocked":
            document["ok"] = False
            document["error"] = _blocked(document).to_json()
        return document

    def show(document: DoctorVerb) -> None:
        if report:
            say(report_text(document).rstrip())
            return
        for row in document["checks"]:
            say(f"{_SIGNS[row['status']]:8} {row['title']:20} {row['found']}")
            if row["status"] != "ok":
                say(f"{'':8} {'':20} needed: {row['needed']}. {row['why']}")
                if row["fix"]:
                    say(f"{'':8} {'':20} fix: {row['fix']}")
        for line in document["course"]:
            mark = "already satisfied" if line["satisfied"] else "not yet"
            say(f"course   {line['command']}  ({mark})")
        say(f"verdict: {document['verdict']}")

    run_verb("doctor", work, show, as_json=json, exit_code=_exit_code)


def _blocked(document: DoctorDocument) -> FirstlightError:
    rows = [r for r in document["checks"] if r["vital"] and r["status"] in ("missing", "fail")]
    message = "; ".join(f"{row['title']}: {row['found']}" for row in rows)
    kind = ToolchainMissing if toolchain_missing(document) else CheckFailed
    return kind(message, hint=next((row["fix"] for row in rows if row["fix"]), ""))


def _exit_code(document: DoctorDocument) -> int:
    if document["verdict"] != "blocked":
        return 0
    return _blocked(document).exit_code
