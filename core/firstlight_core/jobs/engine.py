"""The open job that talks: one artifact in one process, request again and again.

Operations: `load`, `render`, `control_tokens`, `chat`, `form` (try a grammar), `measure` (one benchmark repetition), `compare` (drift against reference
log-probabilities), `alternatives` (likeliest tokens at one place). Times are taken here, with `perf_counter_ns`.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from firstlight_core.artifact.tokenizer_files import read_added_tokens
from firstlight_core.documents import jobs_engine
from firstlight_core.documents.inference import (
    ChatAnswer,
    ControlTokenNames,
    RenderedPrompt,
    SearchOptions,
    TypedControl,
)
from firstlight_core.documents.jobs_engine import (
    Alternatives,
    AlternativesRequest,
    ChatRequest,
    CompareRequest,
    EngineLoaded,
    FormRequest,
    LoadEngine,
    MeasureRequest,
    PromptRequest,
    RenderRequest,
    Repetition,
    TemplateVariables,
    TokenScores,
)
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused, ToolchainMissing
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.jobs.genai_model import GenaiModel
from firstlight_core.jobs.prompt import EncodedPrompt, make_prompt
from firstlight_core.measure.prompt_sizer import BENCH_TEXT
from firstlight_core.process.context import JobContext, peak_rss
from firstlight_core.process.events import Progress, Stage
from firstlight_core.process.operations import Empty
from firstlight_core.template.control_tokens import ControlTokens, find_control_tokens
from firstlight_core.text import visible

PIECES_LIMIT = 20_000
"""Tokens of a prompt that are listed one by one; a frame has at most 1 MB."""


class EngineRoom:
    """The state of the process: the loaded model, its template, and what it measured on the way."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.speaker: GenaiModel | None = None
        self.folder = Path()
        self.conversation: ChatTemplate | None = None
        self.added: dict[int, str] = {}
        """The tokens that the tokenizer never splits, by their ids."""
        self.control = ControlTokens({})
        self.variables: TemplateVariables = {}
        """Variables of the chat template, for every conversation."""
        self.baseline = 0
        self.vocab_size = 0

    def load(self, request: LoadEngine) -> EngineLoaded:
        """Load the artifact."""
        self.context.emit(Stage("load", "Loading the model"))
        self.folder = Path(str(request["folder"]))
        self.variables = dict(request.get("variables") or {})
        try:
            import onnxruntime_genai  # noqa: F401
        except ImportError as error:
            raise ToolchainMissing(
                f"onnxruntime-genai cannot be imported: {error}",
                hint="Install it: pip install onnxruntime-genai",
            ) from error
        self.baseline = rss()
        began_cpu = time.process_time_ns()
        self.speaker = GenaiModel(
            self.folder, max_length=int(request["max_length"]), session=request.get("session")
        )
        self.vocab_size = request["vocab_size"]
        return {
            "load_s": self.speaker.load_s,
            "load_cpu_s": (time.process_time_ns() - began_cpu) / 1e9,
            "stop_ids": sorted(self.speaker.stop_ids),
            "rss_bytes": {"baseline": self.baseline, "loaded": rss(), "peak": peak_rss()},
            "context_length": request["context_length"],
            "max_length": request["max_length"],
            "vocab_size": request["vocab_size"],
        }

    def prompt_ids(self, request: PromptRequest) -> list[int]:
        """Return the tokens of a request that carries `ids` or `messages`."""
        if "ids" in request:
            return [int(i) for i in request["ids"]]
        return self.prompt(request["messages"]).ids

    def prompt(self, messages: Sequence[Message]) -> EncodedPrompt:
        """Encode a conversation; control tokens that a user wrote stay plain text where the tokenizer supports it."""
        speaker = self._loaded()
        prompt = make_prompt(
            self._conversation(), self.control, messages, speaker.encode, speaker.decode
        )
        # The parent's time limit for the template runs from its request to the first progress.
        self.context.emit(Progress(0, len(prompt.ids), "tokens"))
        return prompt

    def _conversation(self) -> ChatTemplate:
        if self.conversation is None:
            conversation = ChatTemplate(self.folder, variables=self.variables)
            added = read_added_tokens(self.folder)
            self.added = {token.id: token.text for token in added}
            self.control = conversation.control_tokens(added, self._loaded().stop_ids)
            self.conversation = conversation
        return self.conversation

    def control_tokens(self, request: Empty) -> ControlTokenNames:
        """Return the artifact's control tokens: all of them, and those that no answer may hold as text."""
        try:
            self._conversation()
            control = self.control
        except InputRefused:
            # Without a usable template, what the tokenizer itself calls special remains.
            added = read_added_tokens(self.folder)
            control = find_control_tokens(added, stop_ids=self._loaded().stop_ids)
        return {"tokens": list(control.tokens.values()), "faults": control.faults}

    def render(self, request: RenderRequest) -> RenderedPrompt:
        """Return the prompt as text, token ids, and the text of each token."""
        speaker = self._loaded()
        prompt = self.prompt(request["messages"])
        ids = prompt.ids[:PIECES_LIMIT]
        return {
            "text": visible(prompt.text[: 4 * PIECES_LIMIT]),
            "ids": ids,
            # Decoding an added token alone gives half a character or nothing.
            "pieces": [visible(self.added.get(i) or speaker.piece(i)) for i in ids],
            "special_ids": sorted(self.control.tokens.keys() & set(ids)),
            "prompt_tokens": len(prompt.ids),
            "truncated": len(prompt.ids) > len(ids),
            **prompt.typed_control(),
        }

    def chat(self, request: ChatRequest) -> ChatAnswer:
        """Answer a conversation."""
        speaker = self._loaded()
        prompt = self.prompt(request["messages"]) if "ids" not in request else None
        ids = prompt.ids if prompt is not None else self.prompt_ids(request)
        answer = speaker.answer(
            ids,
            request.get("search", {}),
            limit=int(request["max_tokens"]),
            context=self.context,
            stream=bool(request.get("stream", True)),
            fresh=bool(request.get("fresh", False)),
            whole=bool(request.get("whole", False)),
            guidance=request.get("guidance"),
        )
        control: TypedControl = prompt.typed_control() if prompt is not None else {}
        return answer.to_json(control, context_limit=speaker.max_length, rss_bytes=rss())

    def form(self, request: FormRequest) -> Empty:
        """Make a grammar of a JSON schema or regex, and drop it."""
        speaker = self._loaded()
        try:
            speaker.open({"do_sample": False}, request["guidance"])
        finally:
            speaker.forget()
        return {}

    def measure(self, request: MeasureRequest) -> Repetition:
        """Run one repetition: exactly `prompt_tokens` in and `new_tokens` out, nothing reused, no stop token."""
        speaker = self._loaded()
        length, new = int(request["prompt_tokens"]), int(request["new_tokens"])
        text = self._bench_ids()
        ids = (text * (length // len(text) + 1))[:length]
        # One set of options for every length, or each repetition would pay for a new generator.
        search: SearchOptions = {
            "do_sample": False,
            "min_length": speaker.max_length,
            "repetition_penalty": 1.0,
        }
        answer = speaker.answer(
            ids, search, limit=new, context=self.context, stream=False, fresh=True
        )
        repetition = cast(Repetition, answer.stats())
        repetition["finish_reason"] = answer.finish_reason
        repetition["rss_bytes"] = {"now": rss(), "peak": peak_rss()}
        return repetition

    def alternatives(self, request: AlternativesRequest) -> Alternatives:
        """Return the likeliest tokens at one place of an answer."""
        import numpy as np

        speaker = self._loaded()
        ids, answer_ids = self.prompt_ids(request), [int(i) for i in request["tokens"]]
        speaker.check_length([*ids, *answer_ids])
        row = speaker.follow(ids, answer_ids, self.context)
        if row is None:
            return {"alternatives": []}
        logits = np.asarray(row, dtype=np.float64)
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = np.argsort(-chances, kind="stable")[: int(request["count"])]
        return {
            "alternatives": [
                {
                    "id": int(token),
                    "text": visible(speaker.piece(int(token))),
                    "probability": float(chances[token]),
                }
                for token in best
            ]
        }

    def _bench_ids(self) -> list[int]:
        """Return the benchmark's text; for a tokenizer that cannot read it, the vocabulary in its order."""
        speaker = self._loaded()
        try:
            return speaker.encode(BENCH_TEXT)
        except InputRefused:
            ids = range(min(self.vocab_size, 1_000))
            return [token for token in ids if token not in speaker.stop_ids]

    def compare(self, request: CompareRequest) -> TokenScores:
        """Drift on one prompt; see `jobs.drift`."""
        from firstlight_core.jobs.drift import compare

        return compare(self._loaded(), request, self.context)

    def _loaded(self) -> GenaiModel:
        if self.speaker is None:
            raise InputRefused("No artifact is loaded.", hint="Load one first.")
        return self.speaker


def rss() -> int:
    """Resident memory of this process in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def engine(request: Empty, context: JobContext) -> Mapping[str, object]:
    """Serve one artifact until the parent closes the job."""
    room = EngineRoom(context)
    return context.serve(
        [
            jobs_engine.LOAD.by(room.load),
            jobs_engine.RENDER.by(room.render),
            jobs_engine.CONTROL_TOKENS.by(room.control_tokens),
            jobs_engine.CHAT.by(room.chat),
            jobs_engine.FORM.by(room.form),
            jobs_engine.MEASURE.by(room.measure),
            jobs_engine.COMPARE.by(room.compare),
            jobs_engine.ALTERNATIVES.by(room.alternatives),
        ]
    )
