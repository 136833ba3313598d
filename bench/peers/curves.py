"""How cost grows: with the length of the prompt on one model, and with the size of the model on random weights."""

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.measuring import timed
from bench.peers.document import Run
from bench.peers.interleaving import Subject, run_in_turns
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.making import Folders
from bench.peers.models import NEW_TOKENS, PeerModel
from bench.random_model import LARGE, SHAPES, Shape, write_model
from bench.terminal import firstlight
from firstlight_core.artifact.target import artifact_target
from firstlight_core.documents import jobs_engine
from firstlight_core.inference.engine import Engine, open_engine
from firstlight_core.measure.subjects import ArtifactSubject

LENGTHS = (32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192 - NEW_TOKENS)
"""Prompt lengths in tokens; the longest fills a context of 8,192."""
LENGTH_REPEATS = 3
SIZE_REPEATS = 1
CURVE_SHAPES = (*(shape for shape in SHAPES if shape.tied), LARGE)
_PROMPT = 128
_BLOCK = 2**24


class PromptLength:
    """One prompt length on a loaded artifact."""

    def __init__(self, subject: ArtifactSubject, length: int) -> None:
        self.name = f"{length:,}"
        self._subject = subject
        self._length = length

    @property
    def pids(self) -> Sequence[int]:
        """The engine."""
        return self._subject.pids or ()

    async def repeat(self) -> Mapping[str, float]:
        """Measure once."""
        sample = await self._subject.measure(self._length, NEW_TOKENS)
        return {
            "prefill_tps": sample["prefill_tps"],
            "decode_tps": sample["decode_tps"],
            "running_bytes": float(sample["rss_bytes"]["now"]),
        }


class ModelSize:
    """A random model of one shape: converted, loaded, asked."""

    pids: Sequence[int] = ()

    def __init__(self, shape: Shape, folder: Path) -> None:
        self.name = shape.name
        self._shape = shape
        self._folder = folder

    async def repeat(self) -> Mapping[str, float]:
        """Convert and measure once."""
        source, artifact = self._folder / self.name, self._folder / f"{self.name}-int4"
        if not (source / "model.safetensors").is_file():
            await asyncio.to_thread(write_model, source, self._shape)
        shutil.rmtree(artifact, ignore_errors=True)
        home = {"FIRSTLIGHT_HOME": str(self._folder / "home")}
        command: list[str | Path] = [firstlight(), "convert", source, "-o", artifact]
        seconds, peak = await asyncio.to_thread(timed, command, env=home)
        figures = {"convert_s": seconds, "convert_peak_bytes": float(peak)}
        figures["read_s"] = await asyncio.to_thread(read_seconds, artifact)
        async with open_engine(artifact, max_length=2 * _PROMPT + NEW_TOKENS) as engine:
            figures["load_s"] = engine.loaded["load_s"]
            await _answer(engine)
            sample = await _answer(engine)
        figures["prefill_tps"] = sample["prefill_tps"]
        figures["decode_tps"] = sample["decode_tps"]
        figures["running_bytes"] = float(sample["rss_bytes"]["now"])
        figures["artifact_bytes"] = float(sum(file.stat().st_size for file in artifact.iterdir()))
        return figures


async def measure_lengths(model: PeerModel, folders: Folders, llama: LlamaCpp) -> Run:
    """Measure the default artifact at every prompt length that its context holds."""
    lengths = LENGTHS
    subject = ArtifactSubject(artifact_target(folders.int4), lengths, NEW_TOKENS)
    async with AsyncExitStack() as stack:
        await subject.open(stack, None)
        subjects: list[Subject] = [PromptLength(subject, length) for length in subject.lengths]
        return await run_in_turns(
            subjects, LENGTH_REPEATS, kind="lengths", model=model.key, warm_up=False
        )


async def measure_sizes(model: PeerModel, folders: Folders, llama: LlamaCpp) -> Run:
    """Measure a random model of each shape; `model` is not among them."""
    folder = folders.root / "peers" / "random"
    folder.mkdir(parents=True, exist_ok=True)
    subjects: list[Subject] = [ModelSize(shape, folder) for shape in CURVE_SHAPES]
    return await run_in_turns(subjects, SIZE_REPEATS, kind="sizes", model=model.key, warm_up=False)


def read_seconds(folder: Path) -> float:
    """Return the seconds that reading every byte of a folder takes, its pages being in the cache as after a conversion."""
    begun = time.perf_counter()
    for path in folder.iterdir():
        with path.open("rb", buffering=0) as stream:
            while stream.read(_BLOCK):
                pass
    return time.perf_counter() - begun


async def _answer(engine: Engine) -> jobs_engine.Repetition:
    request = jobs_engine.MEASURE({"prompt_tokens": _PROMPT, "new_tokens": NEW_TOKENS})
    return await engine.call(request)
