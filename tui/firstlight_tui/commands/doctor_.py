"""`firstlight doctor`."""

from typing import cast

import typer

from firstlight_core.documents.environment import (
    CheckDocument,
    CheckStatus,
    DoctorDocument,
    DoctorVerb,
)
from firstlight_core.environment.doctor import (
    CheckResult,
    list_checks,
    report_text,
    run_checks,
    toolchain_missing,
)
from firstlight_core.errors import CheckFailed, FirstlightError, ToolchainMissing
from firstlight_tui.commands.output import progress_of, run_verb, say
from firstlight_tui.commands.painting import Painted, Role

_SIGNS = {"ok": "ok", "warning": "warning", "missing": "missing", "fail": "FAIL", "unknown": "?"}
_ROLES: dict[CheckStatus, Role] = {
    "ok": "good",
    "warning": "caution",
    "missing": "bad",
    "fail": "bad",
    "unknown": "caution",
}


def doctor(
    json: bool = typer.Option(False, "--json", help="One JSON document."),
    report: bool = typer.Option(
        False, "--report", help="Plain text for a bug report: no user name, token or path."
    ),
) -> None:
    """Check this machine: versions, memory, disk, toolchain."""

    checked = progress_of("Checking this machine", len(list_checks()), "checks")

    def noted(_: CheckResult) -> None:
        checked()

    async def work() -> DoctorVerb:
        document = cast(DoctorVerb, await run_checks(on_result=noted))
        if document["verdict"] == "blocked":
            document["ok"] = False
            document["error"] = _blocked(document).to_json()
        return document

    def show(document: DoctorVerb) -> None:
        if report:
            say(report_text(document).rstrip())
            return
        say(_verdict(document))
        say()
        # Those that want something done come first; otherwise the order of the table stays.
        for row in sorted(document["checks"], key=lambda row: _ORDER[row["status"]]):
            _show_row(row)
        for line in document["course"]:
            mark = "already satisfied" if line["satisfied"] else "not yet"
            say(f"course   {line['command']}  ({mark})")

    run_verb("doctor", work, show, as_json=json, exit_code=_exit_code)


_ORDER: dict[CheckStatus, int] = {"fail": 0, "missing": 0, "warning": 1, "unknown": 2, "ok": 3}


def _verdict(document: DoctorDocument) -> Painted:
    """Return one sentence: whether it works here, and what to do."""
    rows = [row for row in document["checks"] if row["status"] != "ok"]
    if document["verdict"] == "blocked":
        vital = sum(row["vital"] and row["status"] in ("fail", "missing") for row in rows)
        these = (
            "Something that a conversion needs is"
            if vital == 1
            else f"{vital} things that a conversion needs are"
        )
        return Painted(f"Not ready. {these} missing or broken: follow each `fix` below.", "bad")
    if document["verdict"] == "warnings":
        count = "One row" if len(rows) == 1 else f"{len(rows)} rows"
        return Painted(f"Ready to convert. {count} below can be better.", "caution")
    return Painted("Ready to convert.", "good")


def _show_row(row: CheckDocument) -> None:
    role = _ROLES[row["status"]]
    # What is missing but not needed stops nothing.
    role = "caution" if role == "bad" and not row["vital"] else role
    say(Painted(f"{_SIGNS[row['status']]:8}", role), f" {row['title']:20} {row['found']}")
    if row["status"] != "ok":
        say(f"{'':8} {'':20} needed: {row['needed']}. {row['why']}")
        if row["fix"]:
            say(f"{'':8} {'':20} fix: {row['fix']}")


def _blocked(document: DoctorDocument) -> FirstlightError:
    rows = [r for r in document["checks"] if r["vital"] and r["status"] in ("missing", "fail")]
    message = "; ".join(f"{row['title']}: {row['found']}" for row in rows)
    kind = ToolchainMissing if toolchain_missing(document) else CheckFailed
    return kind(message, hint=next((row["fix"] for row in rows if row["fix"]), ""))


def _exit_code(document: DoctorDocument) -> int:
    if document["verdict"] != "blocked":
        return 0
    return _blocked(document).exit_code
