"""An answer as it streams in: its text, its end, and when its tokens arrived."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

from firstlight_core.documents.inference import (
    ChatAnswer,
    ChatStats,
    ServerOptions,
    TokenTimes,
)
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused, JobFailed
from firstlight_core.jobs.server_call import Call, read_json, unusable
from firstlight_core.text import one_line, visible

LINE_LIMIT = 1_000_000
STREAM_LIMIT = 64_000_000
"""Bytes of a whole stream: some 250,000 tokens with what is written around each."""
TEXT_LIMIT = 4_000_000
"""Characters of a whole answer."""
FEWEST_ARRIVALS = 3
LARGEST_PORTION = 4
"""Tokens that arrive in fewer portions, or in larger ones on average, were buffered somewhere, and say nothing about
the decode rate."""


Chunk = Mapping[str, object]
"""One event of a stream, as the server sends it."""


class StreamOptions(TypedDict):
    """Options of a stream, of the OpenAI API."""

    include_usage: bool


class ChatBody(ServerOptions):
    """The body of a question, of the OpenAI API."""

    model: str
    messages: list[Message]
    max_tokens: int
    stream: bool
    stream_options: StreamOptions


def piece_limit(max_tokens: int) -> int:
    """Pieces of text after which an answer of `max_tokens` is cut; a server may split a token's text."""
    return 2 * max_tokens + 16


@dataclass(slots=True)
class StreamedAnswer:
    """One streamed answer. Times in nanoseconds of `perf_counter_ns`."""

    began: int
    limit: int
    """The requested limit of tokens."""
    texts: list[str] = field(default_factory=list)
    pieces: int = 0
    """Portions of text, thinking included, which is not part of the answer."""
    usage: Mapping[str, object] = field(default_factory=dict)
    """As the server says it."""
    finish: str = ""
    first: int | None = None
    last: int | None = None
    first_portion: int = 0
    """Pieces that came with the first arrival."""
    arrivals: int = 0
    ended: int = 0

    def take(self, at: int) -> None:
        """One piece has arrived."""
        self.pieces += 1
        if at != self.last:
            self.arrivals += 1
        if self.first is None:
            self.first = at
        if at == self.first:
            self.first_portion += 1
        self.last = at

    def document(self) -> ChatAnswer:
        """Return the answer."""
        return {
            "text": visible("".join(self.texts)),
            "finish_reason": self.finish or "stop",
            "stats": cast(ChatStats, self.stats()),
        }

    def stats(self) -> TokenTimes:
        """Counts from the server where it gives them; times as this machine sees them; nothing that was not measured."""
        counted = _count(self.usage.get("completion_tokens"), 0, self.limit)
        new = self.pieces if counted is None else counted
        stats: TokenTimes = {
            "new_tokens": new,
            "counted_by": "chunks" if counted is None else "server",
            "total_s": (self.ended - self.began) / 1e9,
        }
        if (prompt := _count(self.usage.get("prompt_tokens"), 1, 100_000_000)) is not None:
            stats["prompt_tokens"] = prompt
        if self.first is None or self.last is None:
            return stats
        stats["ttft_s"] = (self.first - self.began) / 1e9
        if prompt is not None:
            stats["prefill_tps"] = prompt / stats["ttft_s"]
        if self.arrivals >= max(FEWEST_ARRIVALS, self.pieces / LARGEST_PORTION):
            # The tokens of the first arrival took no part in the time after it.
            later = new * (self.pieces - self.first_portion) / self.pieces
            stats["decode_tps"] = later * 1e9 / (self.last - self.first)
        return stats


def _count(value: Any, low: int, high: int) -> int | None:
    """Return a count that can be true."""
    usable = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return value if usable else None


def listen(
    call: Call,
    body: ChatBody,
    stop: threading.Event,
    *,
    on_text: Callable[[str, int], None] | None = None,
) -> StreamedAnswer:
    """Request one streamed answer and collect it; `on_text` gets each text and its index.

    A server that goes on past `max_tokens` is cut there, with the finish reason `length`.

    Raises:
        InputRefused: the server refuses the question, or reports an error in its answer.
        JobFailed: the answer cannot be used, breaks off, or takes too long.
        Stopped: the user stopped it; only before the first byte, afterwards the answer is `cancelled`.
    """
    answer = StreamedAnswer(began=time.perf_counter_ns(), limit=int(body["max_tokens"]))
    most = piece_limit(answer.limit)
    size = 0
    with call.ask("POST", "/chat/completions", body) as response:
        try:
            for chunk in _events(response, call, answer, stop):
                usage = chunk.get("usage")
                answer.usage = usage if isinstance(usage, dict) else answer.usage
                for text in _texts(chunk, answer):
                    answer.take(response.arrivals.at)
                    if text:
                        answer.texts.append(text)
                        size += len(text)
                        if on_text is not None:
                            on_text(text, len(answer.texts) - 1)
                if answer.pieces > most:
                    answer.finish = "length"
                    break
                if size > TEXT_LIMIT or response.arrivals.bytes > STREAM_LIMIT:
                    raise JobFailed(
                        f"{call.where} sends an answer of more than {TEXT_LIMIT // 1_000_000} MB.",
                        hint="Check the server; no model answers like this.",
                    )
        except OSError:
            # A read that was hung up on purpose ends like a broken one.
            if not stop.is_set():
                raise
            answer.finish = "cancelled"
    answer.ended = time.perf_counter_ns()
    return answer


def _events(
    response: Any, call: Call, answer: StreamedAnswer, stop: threading.Event
) -> Iterator[Chunk]:
    """Yield the objects of a stream of server-sent events, to its end."""
    some = False
    while line := response.readline(LINE_LIMIT + 1):
        if len(line) > LINE_LIMIT:
            raise JobFailed(f"{call.where} sent a line without end.", hint="Check the server.")
        name, _, value = line.strip().partition(b":")
        if name != b"data":
            continue
        if value.strip() == b"[DONE]":
            return
        chunk = read_json(value)
        if not isinstance(chunk, dict):
            raise unusable(ValueError("an event is no JSON object"))
        if chunk.get("error"):
            raise InputRefused(
                f"The server reports: {call.error_words(value)}.", hint="Its own log may say more."
            )
        some = True
        yield chunk
    if stop.is_set():
        answer.finish = "cancelled"
    elif call.late:
        raise TimeoutError
    elif not some:
        raise JobFailed(
            f"{call.where} answers, but not with a stream of events.",
            hint="Is it an OpenAI-compatible address? It usually ends in /v1.",
        )
    elif not answer.finish:
        raise JobFailed(
            f"{call.where} broke off in the middle of its answer.",
            hint="The server may have crashed: look at its log, then ask again.",
        )


def _texts(chunk: Chunk, answer: StreamedAnswer) -> Iterator[str]:
    """Yield the pieces in one event: text of the answer, or an empty one for a piece of thinking."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(delta, dict | None):
            raise unusable(ValueError("a choice is of the wrong shape"))
        answer.finish = one_line(str(choice.get("finish_reason") or answer.finish), 40)
        text = (delta or {}).get("content")
        thought = (delta or {}).get("reasoning_content") or (delta or {}).get("reasoning")
        if isinstance(text, str) and text:
            yield text
        elif isinstance(thought, str) and thought:
            yield ""
