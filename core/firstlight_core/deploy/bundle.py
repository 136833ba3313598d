"""A zip of a deployment with checksums and sample programs, and the check of one."""

import hashlib
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firstlight_core.conversion.publishing import MANIFEST, files_in, read_manifest, sha256_of
from firstlight_core.errors import InputRefused
from firstlight_core.text import one_line, shown_path

SUMS = "SHA256SUMS"
BUNDLE_LIMIT = 1_000
"""Entries in a bundle; an artifact has about ten files."""
_CHUNK = 2**20

SAMPLE_PYTHON = '''"""Talks to the model in this folder: pip install onnxruntime-genai, then python chat.py "Your question"."""
import json
import sys
from pathlib import Path

import onnxruntime_genai as og

folder = Path(__file__).parent / "model"
model = og.Model(str(folder))
tokenizer = og.Tokenizer(model)
messages = json.dumps([{"role": "user", "content": " ".join(sys.argv[1:]) or "What can you do?"}])
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
params = og.GeneratorParams(model)
params.set_search_options(max_length=min(1024, json.loads((folder / "genai_config.json").read_text())["model"]["context_length"]))
generator, stream = og.Generator(model, params), tokenizer.create_stream()
generator.append_tokens(tokenizer.encode(prompt))
while not generator.is_done():
    generator.generate_next_token()
    print(stream.decode(generator.get_next_tokens()[0]), end="", flush=True)
print()
'''
SAMPLE_CSHARP = """// dotnet add package Microsoft.ML.OnnxRuntimeGenAI, then: dotnet run "Your question"
using System.Text.Json;
using Microsoft.ML.OnnxRuntimeGenAI;

using var model = new Model(Path.Combine(AppContext.BaseDirectory, "model"));
using var tokenizer = new Tokenizer(model);
var question = args.Length > 0 ? string.Join(' ', args) : "What can you do?";
var messages = JsonSerializer.Serialize(new[] { new { role = "user", content = question } });
var prompt = tokenizer.ApplyChatTemplate(null, messages, null, true);
using var sequences = tokenizer.Encode(prompt);
using var options = new GeneratorParams(model);
options.SetSearchOption("max_length", 1024);
using var generator = new Generator(model, options);
generator.AppendTokenSequences(sequences);
using var stream = tokenizer.CreateStream();
while (!generator.IsDone())
{
    generator.GenerateNextToken();
    Console.Write(stream.Decode(generator.GetSequence(0)[^1]));
}
Console.WriteLine();
"""


def write_bundle(
    folder: Path, place: Path, *, tell: Callable[[int, int], None] | None = None
) -> None:
    """Zip an artifact that has a manifest, with sample programs and the checksum of every entry."""
    files = {f"model/{name}": path for name, path in files_in(folder).items()}
    files[f"model/{MANIFEST}"] = folder / MANIFEST
    total, done = sum(path.stat().st_size for path in files.values()), 0
    sums: dict[str, str] = {}
    # Weights do not shrink; storing them keeps the bundle quick to make and to read.
    with zipfile.ZipFile(place, "x", zipfile.ZIP_STORED, allowZip64=True) as bundle:
        for name, path in files.items():
            digest = hashlib.sha256()
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, bundle.open(entry, "w") as target:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
                    done += len(chunk)
                    if tell is not None:
                        tell(done, total)
            sums[name] = digest.hexdigest()
        for name, text in (("chat.py", SAMPLE_PYTHON), ("Program.cs", SAMPLE_CSHARP)):
            bundle.writestr(name, text)
            sums[name] = hashlib.sha256(text.encode()).hexdigest()
        bundle.writestr(SUMS, "".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def verify_bundle(place: Path) -> dict[str, Any]:
    """Check every entry of a bundle against its checksums: `{path, kind, files, problems[], ok}`.

    Raises:
        InputRefused: it is no bundle of ours.
    """
    try:
        with zipfile.ZipFile(place) as bundle:
            names = bundle.namelist()
            if SUMS not in names or len(names) > BUNDLE_LIMIT:
                raise InputRefused(f"{shown_path(place)} is no bundle of Firstlight.")
            listed = _read_sums(bundle.read(SUMS).decode("utf-8", "replace"))
            problems = [f"{one_line(name)} is missing." for name in listed if name not in names]
            extra = [name for name in names if name not in listed and name != SUMS]
            problems += [f"{one_line(name)} does not belong to it." for name in extra]
            for name in (name for name in names if name in listed):
                if (said := _entry_problem(bundle, name, listed[name])) is not None:
                    problems.append(said)
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise InputRefused(
            f"{shown_path(place)} cannot be read as a zip: {one_line(str(error))}.",
            hint="Copy it again.",
        ) from error
    return _verdict(place, "bundle", len(listed), problems)


def _read_sums(text: str) -> dict[str, str]:
    rows = [line.split("  ", 1) for line in text.splitlines() if "  " in line]
    return {name: digest for digest, name in rows}


def _entry_problem(bundle: zipfile.ZipFile, name: str, wanted: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with bundle.open(name) as entry:
            while chunk := entry.read(_CHUNK):
                digest.update(chunk)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        return f"{one_line(name)} cannot be read: {one_line(str(error))}."
    return None if digest.hexdigest() == wanted else f"{one_line(name)} has another checksum."


def verify_folder(folder: Path) -> dict[str, Any]:
    """Check every file of an artifact or deployment against its manifest.

    Raises:
        InputRefused: it has no manifest of ours.
    """
    manifest = read_manifest(folder)
    listed = manifest.get("files") if manifest is not None else None
    if not isinstance(listed, Mapping):
        raise InputRefused(
            f"{shown_path(folder)} has no {MANIFEST}, so there is nothing to check it against."
        )
    present = files_in(folder)
    problems = [f"{one_line(str(name))} is missing." for name in listed if name not in present]
    problems += [
        f"{one_line(name)} does not belong to it." for name in present if name not in listed
    ]
    for name, path in present.items():
        entry = listed.get(name)
        if isinstance(entry, Mapping) and sha256_of(path) != entry.get("sha256"):
            problems.append(f"{one_line(name)} has another checksum.")
    return _verdict(folder, "folder", len(listed), problems)


def _verdict(place: Path, kind: str, files: int, problems: list[str]) -> dict[str, Any]:
    return {
        "path": str(place),
        "kind": kind,
        "files": files,
        "problems": problems,
        "ok": not problems,
    }


def verify(place: Path) -> dict[str, Any]:
    """Check a bundle, an artifact folder, or a report's JSON (`artifact` with its hashes).

    Raises:
        InputRefused: it is none of these.
    """
    if place.is_dir():
        return verify_folder(place)
    if not place.is_file():
        raise InputRefused(f"There is no {shown_path(place)}.")
    if place.suffix == ".json":
        return _verify_report(place)
    return verify_bundle(place)


def _verify_report(place: Path) -> dict[str, Any]:
    from firstlight_core.files import read_json_object

    report = read_json_object(place)
    folders = sorted(set(_artifact_folders(report)))
    if not folders:
        raise InputRefused(f"{shown_path(place)} names no artifact that could be checked.")
    problems: list[str] = []
    files = 0
    for folder in folders:
        try:
            # A report is redacted: the home folder is written as ~ in it.
            found = verify_folder(Path(folder).expanduser())
        except InputRefused as error:
            problems.append(str(error))
            continue
        files += found["files"]
        problems += [f"{one_line(Path(folder).name)}: {said}" for said in found["problems"]]
    return _verdict(place, "report", files, problems)


def _artifact_folders(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["artifact"]] if isinstance(node.get("artifact"), str) else []
        return own + [found for item in node.values() for found in _artifact_folders(item)]
    if isinstance(node, list):
        return [found for item in node for found in _artifact_folders(item)]
    return []
