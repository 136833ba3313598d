"""Speed: every tool in turns on one model, round by round."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.bare_loop import BareLoop
from bench.peers.document import Run
from bench.peers.interleaving import Subject, run_in_turns
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.making import Folders
from bench.peers.models import (
    BARE,
    DEPTH,
    LLAMA_FORMATS,
    MOST_SECONDS,
    NEW_TOKENS,
    OLIVE,
    PROMPTS,
    Metric,
    PeerModel,
    llama_name,
)
from firstlight_core.artifact.target import artifact_target
from firstlight_core.files import read_json_object
from firstlight_core.inference.session_options import session_options
from firstlight_core.jobs.genai_sections import computes_head_once, section_of
from firstlight_core.jobs.prefill_plan import chunk_tokens
from firstlight_core.measure.subjects import ArtifactSubject

_FIRST_ID = 1_000
"""Token ids of a prompt begin here; speed does not depend on them."""
Rates = dict[Metric, float]


class BenchedArtifact:
    """An artifact as `firstlight bench` measures it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        lengths = list(PROMPTS.values())
        self._subject = ArtifactSubject(artifact_target(folder), lengths, NEW_TOKENS)

    @property
    def pids(self) -> Sequence[int]:
        """The engine."""
        return self._subject.pids or ()

    async def open(self, stack: AsyncExitStack) -> None:
        """Load it until the stack is closed."""
        await self._subject.open(stack, None)

    async def repeat(self) -> Mapping[str, float]:
        """Measure once."""
        rates: Rates = {}
        for metric, length in PROMPTS.items():
            sample = await self._subject.measure(length, NEW_TOKENS)
            rates[metric] = sample["prefill_tps"]
            if length == DEPTH:
                rates["decode_64"] = sample["decode_tps"]
        return _named(rates)


class BareArtifact:
    """An artifact in a bare onnxruntime-genai loop: with `options` and in an engine's pieces of a prompt, or, without
    them, with the threads that onnxruntime-genai chooses and a prompt as a whole.
    """

    def __init__(
        self, name: str, folder: Path, options: Mapping[str, str | int] | None = None
    ) -> None:
        self.name = name
        self._loop = BareLoop(folder, options)
        self._piece = engine_piece(folder) if options else None

    @property
    def pids(self) -> Sequence[int]:
        """The process of the loop."""
        return [self._loop.pid]

    async def repeat(self) -> Mapping[str, float]:
        """Measure once."""
        rates: Rates = {}
        context = max(PROMPTS.values()) + NEW_TOKENS
        for metric, length in PROMPTS.items():
            ids = range(_FIRST_ID, _FIRST_ID + length)
            answer = await asyncio.to_thread(
                self._loop.answer, ids, NEW_TOKENS, context, self._piece
            )
            rates[metric] = answer["prefill_tps"]
            if length == DEPTH:
                rates["decode_64"] = answer["decode_tps"]
        return _named(rates)

    def close(self) -> None:
        """End the process."""
        self._loop.close()


def engine_piece(folder: Path) -> int:
    """Return how many tokens of a prompt an engine appends at once."""
    model = section_of(read_json_object(folder / "genai_config.json"), "model")
    return chunk_tokens(model, head_once=computes_head_once(folder))


class LlamaFormat:
    """A GGUF file as llama-bench measures it, in a process of its own each time."""

    pids: Sequence[int] = ()

    def __init__(self, llama: LlamaCpp, quantisation: str, path: Path) -> None:
        self.name = llama_name(quantisation)
        self._llama = llama
        self._path = path

    async def repeat(self) -> Mapping[str, float]:
        """Measure once."""
        return _named(await asyncio.to_thread(self._llama.measure, self._path))


async def measure_speed(model: PeerModel, folders: Folders, llama: LlamaCpp) -> Run:
    """Measure every tool on one model; tuned and calibrated artifacts take part where they are there."""
    async with AsyncExitStack() as stack:
        subjects: list[Subject] = []
        for name, folder in folders.artifacts.items():
            artifact = BenchedArtifact(name, folder)
            await artifact.open(stack)
            subjects.append(artifact)
        for name, folder, options in (
            (BARE, folders.int4, session_options({})),
            (OLIVE, folders.olive_model, None),
        ):
            loop = BareArtifact(name, folder, options)
            stack.callback(loop.close)
            subjects.append(loop)
        subjects += [LlamaFormat(llama, q, folders.gguf(q)) for q in LLAMA_FORMATS]
        return await run_in_turns(
            subjects,
            model.rounds,
            kind="speed",
            model=model.key,
            machine=folders.machine,
            warm_up=True,
            most_seconds=MOST_SECONDS,
        )


def _named(rates: Rates) -> dict[str, float]:
    return {str(metric): value for metric, value in rates.items()}
