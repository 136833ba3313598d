"""A zip of a deployment with checksums, licences and sample programs."""

import hashlib
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from firstlight_core.artifact.model_config import context_length
from firstlight_core.artifact.publishing import MANIFEST, files_in
from firstlight_core.errors import InputRefused
from firstlight_core.paths import name_problem
from firstlight_core.text import one_line

SUMS = "SHA256SUMS"
SAMPLE_LENGTH = 1024
"""Tokens of context that the sample programs ask for, where the model has as many."""
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
SAMPLE_CSHARP = """// dotnet run "Your question"
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


SAMPLE_PROJECT = """<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net8.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <Nullable>enable</Nullable>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Microsoft.ML.OnnxRuntimeGenAI" Version="0.18.*" />
    <Content Include="model/**" CopyToOutputDirectory="PreserveNewest" />
  </ItemGroup>
</Project>
"""
READ_ME = """# A model for ONNX Runtime GenAI

    sha256sum -c SHA256SUMS                       every file is as it was written
    pip install onnxruntime-genai
    python chat.py "Your question"
    dotnet run "Your question"                    the same in C#

`model/` is the artifact: any program that uses ONNX Runtime GenAI loads it. `firstlight verify BUNDLE.zip` checks
the zip before it is unpacked. Checksums find damage; they are no signature of who made it.
"""
_TEXTS = {
    "README.md": READ_ME,
    "chat.py": SAMPLE_PYTHON,
    "Program.cs": SAMPLE_CSHARP,
    "sample.csproj": SAMPLE_PROJECT,
}


def write_bundle(
    folder: Path,
    destination: Path,
    *,
    licences: Mapping[str, bytes] | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> None:
    """Zip an artifact that has a manifest, with sample programs, licences and the checksum of every entry.

    The same input makes the same bytes: sorted names, one date, no compression.

    Raises:
        InputRefused: a name in it cannot be unpacked on every system.
    """
    files = {f"model/{name}": path for name, path in files_in(folder).items()}
    files[f"model/{MANIFEST}"] = folder / MANIFEST
    check_names(files)
    total, done = sum(path.stat().st_size for path in files.values()), 0
    sums: dict[str, str] = {}
    # Weights do not shrink; storing them keeps the bundle quick to make and to read.
    with zipfile.ZipFile(destination, "x", zipfile.ZIP_STORED, allowZip64=True) as bundle:
        for name, path in files.items():
            digest = hashlib.sha256()
            entry = _entry(name)
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, bundle.open(entry, "w") as target:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
                    done += len(chunk)
                    if tell is not None:
                        tell(done, total)
            sums[name] = digest.hexdigest()
        texts = {name: text.encode() for name, text in _texts(folder).items()}
        texts |= {f"licences/{name}": raw for name, raw in sorted((licences or {}).items())}
        for name, raw in texts.items():
            bundle.writestr(_entry(name), raw)
            sums[name] = hashlib.sha256(raw).hexdigest()
        listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
        bundle.writestr(_entry(SUMS), listed)


def check_names(names: Iterable[str]) -> None:
    """Refuse names that another system cannot hold, or takes for one.

    Raises:
        InputRefused: the sentence names the first of them.
    """
    if (problem := names_problem(names)) is not None:
        raise InputRefused(problem, hint="Rename that file, then try again.")


def names_problem(names: Iterable[str]) -> str | None:
    """Return a sentence about the first name that cannot be unpacked on every system; None when all can."""
    before: dict[str, str] = {}
    for name in names:
        for part in PurePosixPath(name).parts:
            if (problem := name_problem(part)) is not None:
                return f"{one_line(name, 80)}: the name {problem}."
        if (other := before.setdefault(name.casefold(), name)) != name:
            return (
                f"{one_line(other, 80)} and {one_line(name, 80)} are one file on systems "
                "that ignore the case of names."
            )
    return None


def _texts(folder: Path) -> dict[str, str]:
    """Return the sample programs and their texts; the C# program requests no more context than the model has."""
    context = context_length(folder)
    length = SAMPLE_LENGTH if context is None else min(SAMPLE_LENGTH, context)
    sharp = SAMPLE_CSHARP.replace(f'"max_length", {SAMPLE_LENGTH}', f'"max_length", {length}')
    return {**_TEXTS, "Program.cs": sharp}


def _entry(name: str) -> zipfile.ZipInfo:
    """Return a plain file of 1980, the first date that a zip knows; made on Unix wherever it was made."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry
