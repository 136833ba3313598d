"""Whether a bundle or an artifact folder is what was written.

A bundle may come from anywhere: nothing is unpacked, and an entry is read only when it is stored as it is, because
that is how every bundle of ours is written and no stored entry can be larger than the file that holds it.
"""

import hashlib
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from firstlight_core.artifact.publishing import MANIFEST, files_in, read_manifest, sha256_of
from firstlight_core.documents.deploy import VerifyDocument
from firstlight_core.errors import InputRefused
from firstlight_core.exports.bundle_zip import SUMS, names_problem
from firstlight_core.text import one_line, shown_path

ENTRY_LIMIT = 1_000
"""Entries in a bundle; an artifact has about ten files."""
SUMS_LIMIT = 2**20
"""Bytes of the list of checksums."""
HINT = "Name an artifact, a deployment, a bundle, or the report.json of a run."
_CHUNK = 2**20
_ENCRYPTED = 0x1
_BROKEN = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, MemoryError),
)
"""The exceptions of Python's zipfile for a damaged file."""


def verify_bundle(path: Path) -> VerifyDocument:
    """Check every entry of a bundle against its checksums.

    Raises:
        InputRefused: it is no bundle of ours.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            entries = bundle.infolist()
            if len(entries) > ENTRY_LIMIT or SUMS not in (entry.filename for entry in entries):
                raise InputRefused(f"{shown_path(path)} is no bundle of Firstlight.")
            problems = _shape_problems(entries, path.stat().st_size)
            listed = {} if problems else _read_sums(bundle)
            if not problems:
                problems = _content_problems(bundle, listed)
    except _BROKEN as error:
        raise InputRefused(
            f"{shown_path(path)} cannot be read as a zip: {one_line(str(error), 200)}.",
            hint="Copy it again.",
        ) from error
    return verdict(path, "bundle", len(listed), problems)


def _shape_problems(entries: list[zipfile.ZipInfo], size: int) -> list[str]:
    """Return reasons against unpacking a zip, before any of its members is read."""
    problems = []
    counted = Counter(entry.filename for entry in entries)
    problems += [
        f"{one_line(name, 80)} stands in it {n} times." for name, n in counted.items() if n > 1
    ]
    problems += [problem for entry in entries if (problem := _shape_problem(entry)) is not None]
    if not problems and sum(entry.file_size for entry in entries) > size:
        problems.append("Its entries overlap: together they are larger than the file.")
    return problems


def _shape_problem(entry: zipfile.ZipInfo) -> str | None:
    name, label = entry.filename, one_line(entry.filename, 80)
    parts = PurePosixPath(name).parts
    if (
        name.startswith("/")
        or "\\" in name
        or ":" in name
        or ".." in parts
        or "\0" in entry.orig_filename
    ):
        return f"{label} would be unpacked outside its folder."
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        return f"{label} is not a regular file."
    if entry.flag_bits & _ENCRYPTED:
        return f"{label} is encrypted."
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        return f"{label} is compressed, which Firstlight never does; it was not read."
    return None


def _read_sums(bundle: zipfile.ZipFile) -> dict[str, str]:
    if bundle.getinfo(SUMS).file_size > SUMS_LIMIT:
        raise InputRefused(
            f"The list of checksums in {shown_path(str(bundle.filename))} is too long."
        )
    text = bundle.read(SUMS).decode("utf-8", "replace")
    rows = [line.split("  ", 1) for line in text.split("\n") if "  " in line]
    return {name: digest for digest, name in rows}


def _content_problems(bundle: zipfile.ZipFile, listed: Mapping[str, str]) -> list[str]:
    names = bundle.namelist()
    problems = [f"{one_line(name, 80)} is missing." for name in listed if name not in names]
    problems += [
        f"{one_line(name, 80)} does not belong to it."
        for name in names
        if name not in listed and name != SUMS
    ]
    for name in (name for name in names if name in listed):
        if (problem := _entry_problem(bundle, name, listed[name])) is not None:
            problems.append(problem)
    if not problems and (problem := names_problem(names)) is not None:
        problems.append(problem)
    return problems


def _entry_problem(bundle: zipfile.ZipFile, name: str, wanted: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with bundle.open(name) as entry:
            while chunk := entry.read(_CHUNK):
                digest.update(chunk)
    except _BROKEN as error:
        return f"{one_line(name, 80)} cannot be read: {one_line(str(error), 200)}."
    return None if digest.hexdigest() == wanted else f"{one_line(name, 80)} has another checksum."


def verify_folder(folder: Path) -> VerifyDocument:
    """Check every file of an artifact or deployment against its manifest.

    Raises:
        InputRefused: it has no manifest of ours.
    """
    manifest = read_manifest(folder)
    files = manifest.get("files") if manifest is not None else None
    if not isinstance(files, Mapping):
        raise InputRefused(
            f"{shown_path(folder)} has no {MANIFEST}, so there is nothing to check it against.",
            hint=HINT,
        )
    listed = {
        str(name): entry.get("sha256") if isinstance(entry, Mapping) else None
        for name, entry in files.items()
    }
    return verdict(folder, "folder", len(listed), folder_problems(files_in(folder), listed))


def folder_problems(present: Mapping[str, Path], listed: Mapping[str, str | None]) -> list[str]:
    """Return a sentence for each missing, foreign, unreadable or changed file; None fits no file."""
    problems = [f"{one_line(name)} is missing." for name in listed if name not in present]
    problems += [
        f"{one_line(name)} does not belong to it." for name in present if name not in listed
    ]
    for name, path in present.items():
        try:
            if name in listed and sha256_of(path) != listed[name]:
                problems.append(f"{one_line(name)} has another checksum.")
        except OSError as error:
            problems.append(f"{one_line(name)} cannot be read: {error.strerror}.")
    return problems


def verdict(
    path: Path, kind: Literal["bundle", "folder", "report"], files: int, problems: list[str]
) -> VerifyDocument:
    """Return the document of a verification."""
    return {
        "path": str(path),
        "kind": kind,
        "files": files,
        "problems": problems,
        "ok": not problems,
    }
