"""Foundry Local's own runtime as the judge of a deployment: listed, loaded, asked, compared."""

from collections.abc import Callable
from pathlib import Path

from firstlight_core.artifact.model_caches import ModelCache
from firstlight_core.documents import jobs_engine, jobs_foundry
from firstlight_core.documents.deploy import AnswerProof
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused
from firstlight_core.foundry.runtime import open_foundry
from firstlight_core.inference.engine import open_engine
from firstlight_core.process.events import Event, Stage

ANSWER_TOKENS = 64


async def prove(
    output: Path,
    identifier: str,
    question: str,
    *,
    cache: ModelCache,
    say: Callable[[Event], None],
    started: Callable[[int], None] | None,
) -> AnswerProof:
    """Register a published folder with Foundry Local, ask it one question, and compare with the artifact's own answer."""
    messages: list[Message] = [{"role": "user", "content": question}]
    name = identifier.partition(":")[0]
    say(Stage("register", "Registering with Foundry Local"))
    async with open_foundry(cache=cache) as job:
        if started is not None:
            started(job.pid)
        # What an earlier version, or a folder that was deleted by hand, left in the index.
        await job.call(jobs_foundry.UNREGISTER({"name": name, "folder": str(output)}))
        await job.call(jobs_foundry.REGISTER({"folder": str(output), "id": identifier}))
        listed = (await job.call(jobs_foundry.LIST({})))["models"]
        if identifier not in [model["id"] for model in listed]:
            raise InputRefused(
                f"Foundry Local registered {identifier}, but does not list it.",
                hint="Its log is in the foundry folder that `firstlight paths` shows.",
            )
        say(Stage("load", "Loading it in Foundry Local"))
        loaded = await job.call(jobs_foundry.LOAD({"id": identifier}))
        say(Stage("ask", "Asking it one question"))
        answer = await job.call(
            jobs_foundry.ASK({"id": identifier, "messages": messages, "max_tokens": ANSWER_TOKENS})
        )
    say(Stage("compare", "Asking the artifact itself"))
    own = await _own_answer(output, messages, started)
    return {
        "verified": bool(answer["text"].strip()) and answer["text"].strip() == own.strip(),
        "question": question,
        "answer": answer["text"],
        "artifact_answer": own,
        "finish_reason": answer["finish_reason"],
        "load_seconds": loaded["seconds"],
        "answer_seconds": answer["seconds"],
    }


async def _own_answer(
    folder: Path, messages: list[Message], started: Callable[[int], None] | None
) -> str:
    """Return the artifact's own greedy answer, by onnxruntime-genai without Foundry Local.

    The prompt is computed in one piece, as Foundry Local does it: of 129 tokens, or 257, the last is then computed alone, and
    a quantised model says something else than after prefilling in chunks.
    """
    async with open_engine(folder, started=started) as engine:
        answer = await engine.call(
            jobs_engine.CHAT(
                {
                    "messages": messages,
                    "max_tokens": ANSWER_TOKENS,
                    "search": {"do_sample": False},
                    "stream": False,
                    "whole": True,
                }
            ),
            template=True,
        )
    return answer["text"]
