"""llama.cpp: its GGUF files made of the same folder, its own benchmark, and its logits."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bench.peers.llama_build import make_llama_cpp, run
from bench.peers.models import DEPTH, NEW_TOKENS, PROMPTS, Metric

THREADS = 2


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

    @property
    def description(self) -> str:
        """Its version and how it was built."""
        return (self.folder / "description.txt").read_text("utf-8").strip()

    def make(self, *, prebuilt: bool) -> None:
        """Make what is not there, see `make_llama_cpp`."""
        make_llama_cpp(self.folder, prebuilt=prebuilt)

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
        done = run(self.programs / "llama-bench", *options, *words)
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
