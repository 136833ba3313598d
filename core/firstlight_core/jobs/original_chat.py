"""The open job that lets the original speak through transformers, with the operations of the engine job's chat."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.artifact.tokenizer_files import read_added_tokens
from firstlight_core.documents import jobs_original
from firstlight_core.documents.inference import ChatAnswer, SearchOptions
from firstlight_core.documents.jobs_original import (
    LoadOriginal,
    OriginalChatRequest,
    OriginalLoaded,
)
from firstlight_core.errors import InputRefused
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.jobs.engine import rss
from firstlight_core.jobs.genai_model import FLUSH_NS
from firstlight_core.jobs.generation_result import Answer
from firstlight_core.jobs.prompt import make_prompt
from firstlight_core.jobs.transformers_model import (
    Forward,
    idle_cores,
    import_transformers,
    load_original,
    stop_ids,
)
from firstlight_core.model.own_files import own_files
from firstlight_core.process.context import JobContext, peak_rss
from firstlight_core.process.events import Progress, Stage, Tokens
from firstlight_core.process.operations import Empty
from firstlight_core.template.control_tokens import ControlTokens

CHUNK = 64
"""Tokens of one prefill step: stopping waits for one."""


class OriginalRoom:
    """The state of the process: the original, its tokenizer, and the template its prompts are made with."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.model: Any = None
        self.tokenizer: Any = None
        self.conversation: ChatTemplate | None = None
        self.control = ControlTokens({})
        self.stops: set[int] = set()
        self.max_length = 0

    def load(self, request: LoadOriginal) -> OriginalLoaded:
        """Load the original."""
        self.context.emit(Stage("load", "Loading the original"))
        import_transformers()
        baseline, began = rss(), time.perf_counter_ns()
        source, base = Path(str(request["source"])), request["base"]
        self.tokenizer, self.model = load_original(source, base, exact=bool(request["exact"]))
        template = request["template_folder"]
        own = own_files(source, Path(base) if base else None)
        self.conversation = (
            ChatTemplate(Path(str(template)))
            if template
            else ChatTemplate(own.template, tokens=own.tokenizer)
        )
        self.stops = stop_ids(self.model, self.tokenizer) | {int(i) for i in request["stop_ids"]}
        added = read_added_tokens(own.tokenizer)
        self.control = self.conversation.control_tokens(added, self.stops)
        self.max_length = int(request["max_length"])
        return {
            "load_s": (time.perf_counter_ns() - began) / 1e9,
            "max_length": self.max_length,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "rss_bytes": {"baseline": baseline, "loaded": rss(), "peak": peak_rss()},
        }

    def chat(self, request: OriginalChatRequest) -> ChatAnswer:
        """Answer a conversation."""
        assert self.conversation is not None
        # As the engine reads it: a control token that a user typed is text in both lanes.
        prompt = make_prompt(
            self.conversation, self.control, request["messages"], self._encode, self._decode
        )
        ids = prompt.ids
        self.context.emit(Progress(0, len(ids), "tokens"))
        if not 0 < len(ids) < self.max_length:
            raise InputRefused(
                f"The prompt has {len(ids)} tokens; this context holds {self.max_length}, the answer included.",
                hint="Shorten the prompt or drop earlier turns.",
            )
        limit = min(int(request["max_tokens"]), self.max_length - len(ids))
        answer = self._answer(ids, request["search"], limit)
        return answer.to_json(
            prompt.typed_control(), context_limit=self.max_length, rss_bytes=rss()
        )

    def _encode(self, text: str) -> list[int]:
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _answer(self, ids: list[int], search: SearchOptions, limit: int) -> Answer:
        torch, _ = import_transformers()
        torch.set_num_threads(idle_cores())
        pieces = _Pieces(self.tokenizer)
        out: list[int] = []
        texts: list[str] = []
        sent = steps = 0
        finish, first = "length", None
        began, spent = time.perf_counter_ns(), time.process_time_ns()
        now = flushed = began
        with torch.inference_mode():
            for token in self._tokens(ids, search, limit):
                if token is None:
                    finish = "cancelled"
                    break
                now, steps = time.perf_counter_ns(), steps + 1
                first = first or now
                if token in self.stops:
                    finish = "stop"
                    break
                out.append(token)
                texts.append(pieces.add(token))
                if now - flushed >= FLUSH_NS:
                    self.context.emit(
                        Tokens(texts[sent:], out[sent:], sent, (now - (first or now)) / 1e9)
                    )
                    sent, flushed = len(out), now
        spent = time.process_time_ns() - spent
        if sent < len(out):
            self.context.emit(Tokens(texts[sent:], out[sent:], sent, (now - (first or now)) / 1e9))
        return Answer(out, "".join(texts), finish, len(ids), 0, began, first, now, spent, steps)

    def _tokens(self, ids: list[int], search: SearchOptions, limit: int) -> Iterator[int | None]:
        """Yield the tokens of the answer, the stop token included; None when it was stopped."""
        choose = _chooser(search)
        forward = Forward(self.model)
        held, logits = list(ids), None
        for at in range(0, len(ids), CHUNK):
            if self.context.cancelled.is_set():
                yield None
                return
            logits = forward(ids[at : at + CHUNK])
            self.context.emit(Progress(min(at + CHUNK, len(ids)), len(ids), "tokens"))
        for _ in range(limit):
            token = choose(held, logits)
            yield token
            if self.context.cancelled.is_set():
                yield None
                return
            held.append(token)
            logits = forward([token])


class _Pieces:
    """The text that becomes complete with each token; half a character is held back."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._said = ""

    def add(self, token: int) -> str:
        self._ids.append(token)
        whole = str(self._tokenizer.decode(self._ids, skip_special_tokens=True))
        if whole.endswith("\ufffd"):
            return ""
        new, self._said = whole[len(self._said) :], whole
        # A new line starts a new window, so that a long answer does not cost more and more.
        if new.endswith("\n"):
            self._ids, self._said = [], ""
        return new


def _chooser(search: SearchOptions) -> Any:
    """`choose(tokens so far, logits) -> token` with the engine's search options."""
    torch, transformers = import_transformers()
    made = transformers.LogitsProcessorList()
    if (penalty := float(search.get("repetition_penalty", 1.0))) != 1.0:
        made.append(transformers.RepetitionPenaltyLogitsProcessor(penalty))
    sampled = bool(search.get("do_sample"))
    if sampled:
        made.append(transformers.TemperatureLogitsWarper(float(search.get("temperature", 1.0))))
        if (count := int(search.get("top_k", 0))) > 0:
            made.append(transformers.TopKLogitsWarper(count))
        if (share := float(search.get("top_p", 1.0))) < 1.0:
            made.append(transformers.TopPLogitsWarper(share))
    chance = torch.Generator()
    if (seed := int(search.get("random_seed", -1))) >= 0:
        chance.manual_seed(seed)
    else:
        chance.seed()

    def choose(held: Sequence[int], logits: Any) -> int:
        scores = made(torch.tensor([list(held)]), logits[None].clone())[0]
        if not sampled:
            return int(scores.argmax())
        return int(torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=chance))

    return choose


def original(request: Empty, context: JobContext) -> Mapping[str, object]:
    """Serve the original until the parent closes the job."""
    room = OriginalRoom(context)
    return context.serve([jobs_original.LOAD.by(room.load), jobs_original.CHAT.by(room.chat)])
