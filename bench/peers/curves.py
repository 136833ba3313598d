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
from bench.random_model import LARGE, SHAPES, SMALL, Shape, write_model
from bench.terminal import firstlight
from firstlight_core.artifact.target import artifact_target
from firstlight_core.documents import jobs_engine
from firstlight_core.inference.engine import Engine, open_engine
from firstlight_core.measure.load_times import artifact_files
from firstlight_core.measure.subjects import ArtifactSubject
from firstlight_core.page_cache import drop_cached

LENGTHS = (32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192 - NEW_TOKENS)
"""Prompt lengths in tokens; the longest fills a context of 8,192."""
LENGTH_REPEATS = 3
SIZE_REPEATS = 1
CURVE_SHAPES = {
    shape.name: shape for shape in (SMALL, *(shape for shape in SHAPES if shape.tied), LARGE)
}
_PROMPT = 128
_MOST_TOKENS = 2 * _PROMPT + NEW_TOKENS
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
        figures |= await _cold(artifact)
        # Both have read the files now.
        figures["read_s"] = await asyncio.to_thread(read_seconds, artifact)
        async with open_engine(artifact, max_length=_MOST_TOKENS) as engine:
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
            subjects,
            LENGTH_REPEATS,
            kind="lengths",
            model=model.key,
            machine=folders.machine,
            warm_up=False,
        )


async def measure_sizes(
    model: PeerModel, folders: Folders, llama: LlamaCpp, *, shapes: Sequence[str]
) -> Run:
    """Measure a random model of each of these shapes; `model` is not among them."""
    folder = folders.root / "peers" / "random"
    folder.mkdir(parents=True, exist_ok=True)
    subjects: list[Subject] = [ModelSize(CURVE_SHAPES[name], folder) for name in shapes]
    return await run_in_turns(
        subjects,
        SIZE_REPEATS,
        kind="sizes",
        model=model.key,
        machine=folders.machine,
        warm_up=False,
    )


async def _cold(artifact: Path) -> dict[str, float]:
    """Return the seconds of reading and of loading files that are not in the page cache; nothing where they stay in it."""
    if not (await asyncio.to_thread(drop_cached, artifact_files(artifact))).cold:
        return {}
    figures = {"read_cold_s": await asyncio.to_thread(read_seconds, artifact)}
    if not (await asyncio.to_thread(drop_cached, artifact_files(artifact))).cold:
        return {}
    async with open_engine(artifact, max_length=_MOST_TOKENS) as engine:
        return {**figures, "load_cold_s": engine.loaded["load_s"]}


def read_seconds(folder: Path) -> float:
    """Return the seconds that reading every byte of a folder takes."""
    begun = time.perf_counter()
    for path in artifact_files(folder):
        with path.open("rb", buffering=0) as stream:
            while stream.read(_BLOCK):
                pass
    return time.perf_counter() - begun


async def _answer(engine: Engine) -> jobs_engine.Repetition:
    request = jobs_engine.MEASURE({"prompt_tokens": _PROMPT, "new_tokens": NEW_TOKENS})
    return await engine.call(request)
