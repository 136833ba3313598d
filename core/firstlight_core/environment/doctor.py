"""Everything that can be known about this machine before the long step: one row a check, side by side, at once."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from firstlight_core.environment.checks import CHECKS, EnvironmentCheck
from firstlight_core.environment.precision_support import precision_available
from firstlight_core.environment.probes import STATUSES, Finding
from firstlight_core.environment.program_version import patient
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
    """One row with its answer; every text is safe to show."""

    id: str
    title: str
    status: str
    found: str
    needed: str
    why: str
    fix: str
    vital: bool

    def to_json(self) -> dict[str, Any]:
        """One element of `checks` (SPEC 2)."""
        return asdict(self)


async def _run(check: EnvironmentCheck) -> CheckResult:
    seconds = patient(check.seconds)
    try:
        finding = await asyncio.wait_for(check.look(), seconds)
    except TimeoutError:
        finding = Finding("unknown", f"no answer within {seconds:.2g} s")
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
) -> dict[str, Any]:
    """Look at everything (or at the rows `only` names) side by side; `on_result` gets each row as it is known.

    The document has `verdict` (`ready`, `warnings`, `blocked`), `checks` in table order, `precisions` that this
    toolchain can make, and the course's own install commands with whether they are already satisfied.
    """
    wanted = None if only is None else set(only)
    chosen = [check for check in checks if wanted is None or check.id in wanted]

    async def run_one(check: EnvironmentCheck) -> CheckResult:
        result = await _run(check)
        if on_result is not None:
            on_result(result)
        return result

    # A group waits for the others when a listener fails; left alone, they would outlive the loop.
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_one(check)) for check in chosen]
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


def _precisions() -> dict[str, dict[str, Any]]:
    """Which precisions the toolchain can make, whatever the model."""
    support = {row.key: precision_available(row) for row in PRECISIONS}
    return {key: {"available": can, "reason": why} for key, (can, why) in support.items()}


def _missing(packages: Iterable[str]) -> list[str]:
    """Those of the packages that are not installed."""
    return [package for package in packages if installed_version(package) is None]


def verdict(rows: Iterable[Mapping[str, Any]]) -> str:
    """`blocked` when a vital row is missing or failed, `ready` when all is well, else `warnings`."""
    known = list(rows)
    if any(row["vital"] and row["status"] in ("missing", "fail") for row in known):
        return "blocked"
    return "ready" if all(row["status"] == "ok" for row in known) else "warnings"


def renew(document: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the rows of a partial look put in their places, and the verdict that follows."""
    fresh = {row["id"]: row for row in newer["checks"]}
    rows = [fresh.get(row["id"], row) for row in document["checks"]]
    return {
        **document,
        "checks": rows,
        "verdict": verdict(rows),
        "course": newer["course"],
        "precisions": newer["precisions"],
    }


def report_text(document: dict[str, Any]) -> str:
    """The rows as plain text for a bug report: no user name, token or home folder."""
    lines = [f"Firstlight doctor: {document['verdict']}"]
    for row in document["checks"]:
        lines.append(f"{row['status']:8} {row['title']}: {row['found']} (needed: {row['needed']})")
        if row["fix"]:
            lines.append(f"         fix: {row['fix']}")
    return redact("\n".join(lines)) + "\n"


def toolchain_missing(document: dict[str, Any]) -> bool:
    """Whether what blocks is a package, a pair or the toolchain itself, and not the machine."""
    return any(
        row["id"] in (*TOOLCHAIN, "pair", "toolchain", "providers")
        and row["status"] in ("missing", "fail")
        for row in document["checks"]
    )
