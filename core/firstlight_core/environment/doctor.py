"""Check this machine before the conversion: one row for each check, all run at once."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from firstlight_core.documents.environment import (
    Availability,
    CheckDocument,
    CheckStatus,
    DoctorDocument,
    DoctorVerdict,
)
from firstlight_core.environment.checks import CHECKS, EnvironmentCheck
from firstlight_core.environment.precision_support import precision_available
from firstlight_core.environment.probes import STATUSES, Finding
from firstlight_core.environment.program_version import busy_words, patient
from firstlight_core.environment.toolchain import COURSE_INSTALLS, TOOLCHAIN, installed_version
from firstlight_core.errors import FirstlightError
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.text import one_line, redact

__all__ = [
    "CHECKS",
    "STATUSES",
    "CheckResult",
    "EnvironmentCheck",
    "Finding",
    "renew",
    "report_text",
    "run_checks",
    "toolchain_missing",
    "verdict",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One row with its result; every text is safe to show."""

    id: str
    title: str
    status: CheckStatus
    found: str
    needed: str
    why: str
    fix: str
    vital: bool

    def to_json(self) -> CheckDocument:
        """Return one element of `checks` (SPEC 2)."""
        return {
            "id": self.id,
            "title": self.title,
            "status": self.status,
            "found": self.found,
            "needed": self.needed,
            "why": self.why,
            "fix": self.fix,
            "vital": self.vital,
        }


async def _run(check: EnvironmentCheck) -> CheckResult:
    seconds = patient(check.seconds)
    try:
        finding = await asyncio.wait_for(check.look(), seconds)
    except TimeoutError:
        finding = Finding("unknown", f"{busy_words()}no answer within {seconds:.2g} s")
    except (FirstlightError, OSError, ValueError, ArithmeticError, LookupError) as error:
        finding = Finding("unknown", f"could not tell: {error}")
    return CheckResult(
        id=check.id,
        title=check.title,
        status=finding.status,
        found=one_line(finding.found, 300),
        needed=check.needed,
        why=check.why,
        fix=one_line(finding.fix, 500),
        vital=check.vital,
    )


def list_checks() -> list[tuple[str, str]]:
    """Return id and title of every check, in table order."""
    return [(check.id, check.title) for check in CHECKS]


async def run_checks(
    *,
    on_result: Callable[[CheckResult], None] | None = None,
    only: Iterable[str] | None = None,
    checks: tuple[EnvironmentCheck, ...] = CHECKS,
) -> DoctorDocument:
    """Run every check, or those that `only` names, at once; `on_result` gets each row as it is known.

    The document has the checks in table order, the precisions that this toolchain can make, and the course's own
    install commands with whether they are already satisfied.
    """
    wanted = None if only is None else set(only)
    chosen = [check for check in checks if wanted is None or check.id in wanted]

    async def run(check: EnvironmentCheck) -> CheckResult:
        result = await _run(check)
        if on_result is not None:
            on_result(result)
        return result

    # A group waits for the other checks when a listener fails; otherwise they would outlive the loop.
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(check)) for check in chosen]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    rows = [task.result().to_json() for task in tasks]
    return {
        "verdict": verdict(rows),
        "checks": rows,
        "precisions": _precisions(),
        "course": [
            {"command": command, "satisfied": not _missing(packages)}
            for command, packages in COURSE_INSTALLS
        ],
    }


def _precisions() -> dict[str, Availability]:
    """Return which precisions the toolchain can make, independent of the model."""
    answers = {row.key: precision_available(row) for row in PRECISIONS}
    return {key: {"available": can, "reason": why} for key, (can, why) in answers.items()}


def _missing(packages: Iterable[str]) -> list[str]:
    """Return the packages that are not installed."""
    return [package for package in packages if installed_version(package) is None]


def verdict(rows: Iterable[CheckDocument]) -> DoctorVerdict:
    """Return `blocked` when a vital row is missing or failed, `ready` when all is well, else `warnings`."""
    checks = list(rows)
    if any(row["vital"] and row["status"] in ("missing", "fail") for row in checks):
        return "blocked"
    return "ready" if all(row["status"] == "ok" for row in checks) else "warnings"


def renew(document: DoctorDocument, newer: DoctorDocument) -> DoctorDocument:
    """Return the document with the rows of a partial run in their places, and the verdict that follows."""
    fresh = {row["id"]: row for row in newer["checks"]}
    rows = [fresh.get(row["id"], row) for row in document["checks"]]
    return {
        **document,
        "checks": rows,
        "verdict": verdict(rows),
        "course": newer["course"],
        "precisions": newer["precisions"],
    }


def report_text(document: DoctorDocument) -> str:
    """Return the rows as plain text for a bug report: no user name, token or home folder."""
    lines = [f"Firstlight doctor: {document['verdict']}"]
    for row in document["checks"]:
        lines.append(f"{row['status']:8} {row['title']}: {row['found']} (needed: {row['needed']})")
        if row["fix"]:
            lines.append(f"         fix: {row['fix']}")
    return redact("\n".join(lines)) + "\n"


def toolchain_missing(document: DoctorDocument) -> bool:
    """Return whether the cause is a package, a pair or the toolchain itself, and not the machine."""
    return any(
        row["id"] in (*TOOLCHAIN, "pair", "toolchain", "providers")
        and row["status"] in ("missing", "fail")
        for row in document["checks"]
    )
