"""Drift of every tool's weights: KL against the original in float32, on the same tokens, by the same arithmetic."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.bare_loop import BareLoop
from bench.peers.document import Drift, DriftTest
from bench.peers.interleaving import seconds_with_children
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.making import Folders
from bench.peers.memory import LlamaProcess
from bench.peers.models import (
    CONTEXT,
    INT4,
    LLAMA_FORMATS,
    OLIVE,
    PeerModel,
    llama_name,
)
from firstlight_core.documents import jobs_engine
from firstlight_core.documents.jobs_engine import TokenScores
from firstlight_core.documents.measure import DriftFigures
from firstlight_core.inference.engine import open_engine
from firstlight_core.inference.session_options import session_options
from firstlight_core.jobs.drift import score_token
from firstlight_core.measure.drift import drift_figures, measure_drift
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.reference import Conversation, Reference, find_reference

REPEATS = 1
"""Repeats of Firstlight's whole test of drift, a minute each; drift itself is the same every time."""
CONTROL, CONTROL_MODEL = "F16", "smollm2"
"""Weights in 16 bits drift by next to nothing, which shows that llama.cpp's logits are read right."""
QUESTIONS = (
    "What is the capital of Portugal, and what is it known for?",
    "Explain to a child why the sky is blue.",
    "Write a haiku about an empty train station.",
    "List four vegetables that grow well in cold weather.",
    "What does a compiler do?",
    "Summarise the story of Cinderella in two sentences.",
    "My bicycle chain keeps slipping. What should I check first?",
    "Translate 'Good morning, how are you?' into French.",
    "What is 17 times 6? Show how you get there.",
    "Name a book by Jane Austen and say what it is about.",
    "Write a polite email that cancels a dentist appointment.",
    "How is cheese made?",
    "Give two arguments for and two against working from home.",
    "What is the difference between a virus and a bacterium?",
    "Write a Python function that reverses a string.",
    "Which planets of the solar system have rings?",
    "Suggest a simple dinner with rice and eggs.",
    "Why do leaves change colour in autumn?",
    "Describe the taste of a lemon to somebody who has never had one.",
    "Who was Ada Lovelace?",
)
"""Of many kinds; none is among those that `int4-calibrated` is rounded on."""
_CONVERSATIONS: list[Conversation] = [[{"role": "user", "content": text}] for text in QUESTIONS]


async def measure_drifts(model: PeerModel, folders: Folders, llama: LlamaCpp) -> DriftTest:
    """Measure the drift of every subject on one model, and the time of Firstlight's own test."""
    watch = InterferenceWatch(ours=seconds_with_children)
    whole: list[float] = []
    forward: list[float] = []
    with tempfile.TemporaryDirectory(dir=folders.made) as temporary:
        work = Path(temporary)
        for number in range(REPEATS):
            watch.begin([])
            begun = time.perf_counter()
            reference = await find_reference(
                folders.source, _CONVERSATIONS, template=folders.int4, cache=work / f"{number}"
            )
            own = await _artifact_drift(folders.int4, reference)
            whole.append(time.perf_counter() - begun)
            forward.append(reference.forward_s + _forward_seconds(folders.int4, reference))
            watch.end()
        drifts = [_entry(INT4, own)]
        for name, folder in {**folders.artifacts, OLIVE: folders.olive_model}.items():
            if name != INT4:
                drifts.append(_entry(name, await _token_drift(folder, reference)))
        for quantisation in (*LLAMA_FORMATS, *((CONTROL,) if model.key == CONTROL_MODEL else ())):
            command = llama.logits_program(folders.gguf(quantisation), CONTEXT)
            figures = _llama_drift(command, reference, work / "rows.bin")
            drifts.append(_entry(llama_name(quantisation), figures))
    return {
        "model": model.key,
        "machine": folders.machine,
        "prompts": len(reference.prompts),
        "drifts": drifts,
        "whole_s": whole,
        "forward_s": forward,
        "void_reasons": watch.notes(),
    }


async def _token_drift(folder: Path, reference: Reference) -> DriftFigures:
    """Return the drift of an artifact on the reference's tokens; it needs no chat template for that."""
    scored: list[TokenScores] = []
    async with open_engine(folder, max_length=CONTEXT) as engine:
        for passage in reference.prompts:
            request = jobs_engine.CompareRequest(
                rows=str(reference.rows),
                vocab=reference.vocab,
                first_row=passage["first_row"],
                prompt_tokens=passage["prompt_tokens"],
                ids=passage["ids"],
            )
            scored.append(await engine.call(jobs_engine.COMPARE(request)))
    return drift_figures(scored)


async def _artifact_drift(folder: Path, reference: Reference) -> DriftFigures:
    async with open_engine(folder, max_length=CONTEXT) as engine:
        return await measure_drift(engine, reference, _CONVERSATIONS)


def _forward_seconds(folder: Path, reference: Reference) -> float:
    """Return the seconds that a bare loop needs for the prompts and for as many tokens of answers."""
    loop = BareLoop(folder, session_options({}))
    seconds = 0.0
    try:
        for passage in reference.prompts:
            prompt = passage["ids"][: passage["prompt_tokens"]]
            # One token more than is decoded: the rate is that of the steps after the first.
            tokens = len(passage["ids"]) - len(prompt) + 1
            answer = loop.answer(prompt, tokens, CONTEXT)
            seconds += len(prompt) / answer["prefill_tps"] + (tokens - 1) / answer["decode_tps"]
    finally:
        loop.close()
    return seconds


def _llama_drift(command: Sequence[str], reference: Reference, rows: Path) -> DriftFigures:
    scored: list[TokenScores] = []
    originals = np.memmap(reference.rows, dtype=np.float32, mode="r").reshape(-1, reference.vocab)
    with LlamaProcess(command) as process:
        for passage in reference.prompts:
            process.compute(rows, passage["ids"], prompt_tokens=passage["prompt_tokens"])
            own = np.fromfile(rows, dtype=np.float32).reshape(-1, process.vocab)
            scores = TokenScores(kl=[], agree=[], logprob=[], reference=[], top=[])
            answer = passage["ids"][passage["prompt_tokens"] :]
            for index, token in enumerate(answer):
                score_token(scores, own[index], originals[passage["first_row"] + index], token)
            scored.append(scores)
    return drift_figures(scored)


def _entry(subject: str, figures: DriftFigures) -> Drift:
    return {
        "subject": subject,
        "kl_mean": figures["kl_mean"],
        "kl_interval": list(figures.get("kl_interval", [])),
        "top1_agreement": figures["top1_agreement"],
        "tokens": figures.get("tokens", 0),
    }
