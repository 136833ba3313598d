"""Whether a report says what was written, and whether the artifacts are those that it was written of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight_core.artifact.deployments import find_deployment
from firstlight_core.artifact.publishing import files_in
from firstlight_core.documents.deploy import VerifyDocument
from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.exports.verify import (
    HINT,
    folder_problems,
    verdict,
    verify_bundle,
    verify_folder,
)
from firstlight_core.files import exists, is_file, is_folder, read_json_object, read_limited
from firstlight_core.ledger import LEDGER
from firstlight_core.report.digest import (
    FILES,
    LIMITS,
    content_digest,
    file_digest,
    written_digests,
)
from firstlight_core.text import one_line, redact, shown_path

_DRAWN = {".md": "markdown", ".html": "html"}
_LEDGER_LIMIT = 256 * 2**20


def verify(path: Path) -> VerifyDocument:
    """Check a bundle, an artifact folder, a deployment by its name, or a file of a report.

    Raises:
        InputRefused: it is none of these.
    """
    if is_folder(path):
        return verify_folder(path)
    if not exists(path) and (deployment := find_deployment(str(path))) is not None:
        return verify_folder(deployment.path)
    if not is_file(path):
        what = "is neither a file nor a folder" if exists(path) else "is not there"
        raise InputRefused(f"{shown_path(path)} {what}.", hint=HINT)
    if path.suffix == ".json":
        return _verify_report(path)
    if path.suffix in _DRAWN:
        return _verify_drawn(path)
    return verify_bundle(path)


def _verify_report(path: Path) -> VerifyDocument:
    """Check a report's content against its digest and its run's ledger, and the artifacts against its checksums."""
    report = read_json_object(path)
    listed = _artifacts_in(report)
    if not listed and "digest" not in report:
        raise InputRefused(
            f"{shown_path(path)} names no artifact that could be checked.", hint=HINT
        )
    problems = _content_problems(path, report)
    files = 1
    for named, sums in listed.items():
        artifact_problems, count = _artifact_problems(_unredacted(named), sums)
        problems += artifact_problems
        files += count
    return {**verdict(path, "report", files, problems), "notes": [LIMITS]}


def _verify_drawn(path: Path) -> VerifyDocument:
    """Check the Markdown or HTML of a report against the ledger beside it.

    Raises:
        InputRefused: no ledger there tells of a report.
    """
    wanted = written_digests(path.parent).get(_DRAWN[path.suffix])
    if wanted is None:
        raise InputRefused(
            f"No ledger beside {shown_path(path)} tells what was written into it.",
            hint="Verify it in the folder of its run, or verify report.json.",
        )
    same = file_digest(read_limited(path, limit=_LEDGER_LIMIT)) == wanted
    problems = [] if same else [f"{one_line(path.name, 80)} was changed after it was written."]
    return {**verdict(path, "report", 1, problems), "notes": [LIMITS]}


def _content_problems(report_file: Path, report: Mapping[str, Any]) -> list[str]:
    """Return the contradictions between a report and the digests in it and in the ledger of its run."""
    digest = report.get("digest")
    if not isinstance(digest, Mapping):
        return ["The report has no digest of its content, so its figures cannot be checked."]
    problems = []
    if digest.get("content") != content_digest(report):
        problems.append("The report's content was changed after it was written.")
    folder = _run_folder(report_file, report)
    if folder is None:
        return problems
    mark = digest.get("ledger")
    raw = read_limited(folder / LEDGER, limit=_LEDGER_LIMIT)
    known = mark if isinstance(mark, Mapping) else {}
    length = known.get("bytes")
    if not isinstance(length, int) or file_digest(raw[:length]) != known.get("sha256"):
        problems.append("The run's ledger is not the one that the report was written from.")
    written = written_digests(folder)
    for kind, name in FILES.items():
        path = report_file if kind == "json" else report_file.with_name(name)
        if kind not in written or not path.is_file():
            continue
        if file_digest(read_limited(path, limit=_LEDGER_LIMIT)) != written[kind]:
            problems.append(f"{one_line(path.name, 80)} was changed after it was written.")
    return problems


def _run_folder(report_file: Path, report: Mapping[str, Any]) -> Path | None:
    """Return the folder with the ledger of the report's run: its own, or the one that it names, if it exists here."""
    run = report.get("run")
    named = run.get("folder") if isinstance(run, Mapping) else None
    places = [report_file.absolute().parent]
    if isinstance(named, str) and "\0" not in named:
        places.append(_unredacted(named))
    name = run.get("id") if isinstance(run, Mapping) else None
    return next((p for p in places if p.name == name and (p / LEDGER).is_file()), None)


def _unredacted(named: str) -> Path:
    """A report is redacted: the home folder is written as ~ in it."""
    return Path.home() / named[2:] if named.startswith("~/") else Path(named)


def _artifact_problems(folder: Path, sums: Any) -> tuple[list[str], int]:
    """Hold an artifact against the checksums in the report, else against its own manifest."""
    if not is_folder(folder):
        return [f"{shown_path(folder)} is not there."], 0
    try:
        if isinstance(sums, Mapping):
            # Names of files are redacted in a report, too.
            present = {redact(name): path for name, path in files_in(folder).items()}
            problems, count = folder_problems(present, sums), len(sums)
        else:
            checked = verify_folder(folder)
            problems, count = checked["problems"], checked["files"]
    except FirstlightError as error:
        return [str(error)], 0
    return [f"{one_line(folder.name)}: {problem}" for problem in problems], count


def _artifacts_in(report: Mapping[str, Any]) -> dict[str, Any]:
    """Folder → the checksums that the report lists of it, if any: its conversions, or the adopted artifact."""
    made = report.get("conversions")
    rows = [*(made if isinstance(made, list) else []), report.get("model")]
    return {
        row["artifact"]: row.get("sha256")
        for row in rows
        if isinstance(row, Mapping) and isinstance(row.get("artifact"), str)
    }
