"""Loading time and memory of each tool while it runs, in a new process each time, at the same context."""

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.bare_loop import BareLoop
from bench.peers.document import Run
from bench.peers.interleaving import Subject, run_in_turns
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.making import Folders
from bench.peers.models import (
    CONTEXT,
    LLAMA_FORMATS,
    NEW_TOKENS,
    OLIVE,
    PeerModel,
    llama_name,
)
from firstlight_core.documents import jobs_engine
from firstlight_core.inference.engine import open_engine
from firstlight_core.monitor import read_resident

REPEATS = 3
PROMPT = 512
_FIRST_ID = 1_000


class EngineMemory:
    """An artifact in the engine process behind `chat` and `bench`."""

    pids: Sequence[int] = ()

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    async def repeat(self) -> Mapping[str, float]:
        """Load, answer once, look."""
        async with open_engine(self._folder, max_length=CONTEXT) as engine:
            request = jobs_engine.MEASURE({"prompt_tokens": PROMPT, "new_tokens": NEW_TOKENS})
            await engine.call(request)
            return memory_figures(engine.pid, engine.loaded["load_s"])


class BareMemory:
    """An artifact in a bare onnxruntime-genai loop."""

    pids: Sequence[int] = ()

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    async def repeat(self) -> Mapping[str, float]:
        """Load, answer once, look."""
        return await asyncio.to_thread(self._measure)

    def _measure(self) -> Mapping[str, float]:
        loop = BareLoop(self._folder)
        try:
            answer = loop.answer(range(_FIRST_ID, _FIRST_ID + PROMPT), NEW_TOKENS, CONTEXT)
            return memory_figures(loop.pid, answer["load_s"])
        finally:
            loop.close()


class LlamaMemory:
    """A GGUF file in the program of `llama_logits.cpp`."""

    pids: Sequence[int] = ()

    def __init__(self, llama: LlamaCpp, quantisation: str, path: Path) -> None:
        self.name = llama_name(quantisation)
        self._command = llama.logits_program(path, CONTEXT)

    async def repeat(self) -> Mapping[str, float]:
        """Load, answer once, look."""
        return await asyncio.to_thread(self._measure)

    def _measure(self) -> Mapping[str, float]:
        with LlamaProcess(self._command) as process:
            process.compute(
                None, range(_FIRST_ID, _FIRST_ID + PROMPT + NEW_TOKENS), prompt_tokens=PROMPT
            )
            return memory_figures(process.pid, process.load_s)


class LlamaProcess:
    """A running `llama_logits`."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        first = self._answer()
        self.load_s = first["load_s"]
        self.vocab = int(first["vocab"])

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def compute(
        self, logits: Path | None, ids: Sequence[int], *, prompt_tokens: int
    ) -> dict[str, float]:
        """Compute the ids as a prompt and an answer; `logits` gets a float32 row for each token of the answer."""
        assert self._process.stdin is not None
        words = [str(logits) if logits is not None else "-", str(prompt_tokens), *map(str, ids)]
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"llama_logits ended with {self._process.wait(10)}")
        answer: dict[str, float] = json.loads(line)
        return answer

    def __enter__(self) -> "LlamaProcess":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def memory_figures(pid: int, load_s: float) -> dict[str, float]:
    """Return resident memory of a process now and at its highest, with the time that loading took."""
    resident = read_resident(pid)
    assert resident is not None, pid
    return {
        "load_s": load_s,
        "running_bytes": float(resident.now),
        "peak_bytes": float(resident.highest),
    }


async def measure_memory(model: PeerModel, folders: Folders, llama: LlamaCpp) -> Run:
    """Measure every tool on one model."""
    subjects: list[Subject] = [EngineMemory(*named) for named in folders.artifacts.items()]
    subjects.append(BareMemory(OLIVE, folders.olive_model))
    subjects += [LlamaMemory(llama, q, folders.gguf(q)) for q in LLAMA_FORMATS]
    return await run_in_turns(
        subjects, REPEATS, kind="memory", model=model.key, machine=folders.machine, warm_up=True
    )
