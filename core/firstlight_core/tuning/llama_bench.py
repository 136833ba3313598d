"""llama.cpp as a contestant: `llama-bench` on a GGUF of the same weights, run once for each repetition."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from firstlight_core.artifact.target import Target
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.environment.machine import core_count
from firstlight_core.errors import InputRefused, JobFailed
from firstlight_core.files import JsonObject, is_folder
from firstlight_core.inference.session_options import usable_threads
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.paths import expanded, find_paths
from firstlight_core.process.logs import LogFile
from firstlight_core.process.programs import run_program
from firstlight_core.text import one_line, shown_path
from firstlight_core.tuning.trial import Contestant, Started

PROGRAM = "llama-bench"
TIMEOUT_SECONDS = 600.0
_PROBE = 8
"""Tokens of the question that shows whether it works at all."""


@dataclass(frozen=True, slots=True)
class LlamaBench:
    """The program and the model file."""

    program: str
    model: Path
    threads: int
    depth: bool
    """Whether it can measure decoding behind a prompt (`-d`)."""
    version: str
    label: str
    """The quantisation, in the program's own words."""


def find_program(given: str | Path | None) -> str | None:
    """Return the program that was named, or else the one on the PATH; None when there is none.

    Raises:
        InputRefused: the one that was named is no program.
    """
    if given is None:
        return shutil.which(PROGRAM)
    path = expanded(given)
    if is_folder(path):
        path /= PROGRAM
    program = shutil.which(str(path)) or shutil.which(str(given))
    if program is None:
        raise InputRefused(
            f"{shown_path(path)} is no program that can be started.",
            hint=f"--llama-bench takes the path of {PROGRAM}.",
        )
    return program


def find_model(given: str | Path | None, source: Path | None) -> Path | None:
    """Return the GGUF that was named, or else the only one beside the weights of the source.

    Raises:
        InputRefused: the one that was named is no GGUF file.
    """
    if given is not None:
        file = expanded(given).absolute()
        try:
            with file.open("rb") as stream:
                magic = stream.read(4)
        except OSError as error:
            raise InputRefused(
                f"{shown_path(file)} cannot be read.", hint="--gguf takes a GGUF file."
            ) from error
        if magic != b"GGUF":
            raise InputRefused(
                f"{shown_path(file)} is no GGUF file.", hint="--gguf takes a GGUF of the weights."
            )
        return file
    beside = sorted(source.glob("*.gguf")) if source is not None and is_folder(source) else []
    return beside[0].absolute() if len(beside) == 1 else None


async def prepare(program: str, model: Path) -> LlamaBench:
    """Ask the program once, so that what cannot work is known before the search.

    Raises:
        JobFailed: it fails on this file.
    """
    log = LogFile(find_paths().logs, PROGRAM)
    try:
        helped: list[str] = []
        await run_program([program, "--help"], log=log, on_line=helped.append, seconds=30)
        text = "\n".join(helped)
        physical = psutil.cpu_count(logical=False)
        threads = usable_threads(physical, core_count()[0])
        bench = LlamaBench(program, model, threads, "--n-depth" in text, "", "")
        row = await _run(bench, ["-p", str(_PROBE), "-n", "0"], log)
    finally:
        log.close()
    build = f"b{row['build_number']}" if row.get("build_number") else row.get("build_commit", "")
    label = one_line(str(row.get("model_type") or model.stem), 60)
    return LlamaBench(program, model, threads, bench.depth, one_line(str(build), 40), label)


class LlamaContestant(Contestant):
    """llama.cpp in a race: prefill and decode of each repetition from a process of its own."""

    def __init__(
        self,
        bench: LlamaBench,
        lengths: Sequence[int],
        new_tokens: int,
        watch: InterferenceWatch,
    ) -> None:
        target = Target(kind="artifact", text=str(bench.model), folder=bench.model)
        super().__init__(target, lengths)
        self.bench = bench
        self.new_tokens = new_tokens
        self._watch = watch
        self._started: Started = None
        self._log = LogFile(None, PROGRAM)

    @property
    def key(self) -> str:
        return f"{PROGRAM}|{self.bench.model}|{self.bench.threads}"

    @property
    def label(self) -> str:
        return f"llama.cpp, {self.bench.label}"

    @property
    def pids(self) -> list[int] | None:
        return []

    async def open(self, stack: AsyncExitStack, started: Callable[[int], None] | None) -> None:
        """Nothing stays loaded: each repetition is a process, which warms up by itself."""
        self._started = started
        self._log = LogFile(find_paths().logs, PROGRAM)
        stack.callback(self._log.close)

    async def measure(self, length: int, new_tokens: int) -> Repetition:
        behind = ["-d", str(length)] if self.bench.depth else []
        # Its processor time is gone with it, so it could not be told from that of other programs.
        with self._watch.paused():
            prefill = await self._run(["-p", str(length), "-n", "0"])
            decode = await self._run(["-p", "0", "-n", str(new_tokens), *behind])
        prefill_s, token_s = _seconds(prefill), _seconds(decode) / new_tokens
        return {
            "prompt_tokens": length,
            "new_tokens": new_tokens,
            "ttft_s": prefill_s,
            "prefill_tps": length / prefill_s,
            "decode_tps": 1 / token_s,
            # The prefill gives the first token.
            "total_s": prefill_s + (new_tokens - 1) * token_s,
        }

    async def _run(self, arguments: Sequence[str]) -> JsonObject:
        return await _run(self.bench, arguments, self._log, self._started)

    async def repeat(self, length: int, new_tokens: int, tell: Callable[..., None]) -> None:
        """A repetition; when the program fails, the race goes on without it."""
        try:
            await super().repeat(length, new_tokens, tell)
        except JobFailed as error:
            self.fault = f"{self.label} was left out: {error}"


async def _run(
    bench: LlamaBench, arguments: Sequence[str], log: LogFile, started: Started = None
) -> JsonObject:
    """Run it once and return its row.

    Raises:
        JobFailed: it failed, took too long, or printed no figures.
    """
    lines: list[str] = []
    command = [bench.program, "-m", str(bench.model), *arguments, "-t", str(bench.threads)]
    # No layer on a graphics card: everything else here runs on the processor.
    command += ["-r", "1", "-ngl", "0", "-o", "jsonl"]
    code = await run_program(
        command, log=log, on_line=lines.append, started=started, seconds=TIMEOUT_SECONDS
    )
    for line in lines:
        row = _row(line)
        if code == 0 and row is not None:
            return row
    output = one_line(next((line for line in reversed(lines) if line.strip()), ""), 200)
    why = f"left with {code}" if code else "took too long" if code is None else "gave no figures"
    raise JobFailed(
        f"{PROGRAM} {why}{f': {output}' if output else ''}.",
        hint="Check that --gguf is a whole file that this llama.cpp knows, or leave it out.",
    )


def _row(line: str) -> JsonObject | None:
    """Return a row of figures; None for a line that is none."""
    if not line.startswith("{"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    spent = row.get("avg_ns")
    return row if isinstance(spent, int | float) and spent > 0 else None


def _seconds(row: JsonObject) -> float:
    spent = row["avg_ns"]
    assert isinstance(spent, int | float)
    return spent / 1e9
