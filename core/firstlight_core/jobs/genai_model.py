"""One loaded model and its KV cache: prefill in chunks, reuse of the common prefix, the decode loop.

onnxruntime-genai holds the GIL through every call, so a request can be stopped only between calls; chunks
bound how long that takes. Which chunks a prompt is cut into also decides the last bits of its logits, so an answer
that must be the same each time is prefilled by `jobs.prefill_plan`.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.documents.inference import Guidance, SearchOptions
from firstlight_core.errors import InputRefused, JobFailed
from firstlight_core.files import read_json_object
from firstlight_core.inference.session_options import session_options
from firstlight_core.inference.structured_output import unusable_form
from firstlight_core.jobs.genai_sections import computes_head_once, least_cache, section_of
from firstlight_core.jobs.generation_result import Answer
from firstlight_core.jobs.prefill_plan import (
    chunk_ends,
    chunk_tokens,
    common_prefix,
    is_repeatable,
    is_seeded,
)
from firstlight_core.process.context import JobContext
from firstlight_core.process.events import Progress, Tokens
from firstlight_core.process.mapped_pages import release_mapped
from firstlight_core.text import one_line

FLUSH_NS = 30_000_000
"""Tokens travel together for at most this long: one frame a token would cost more than a fast decode step."""
PROGRESS_NS = 50_000_000


class GenaiModel:
    """A loaded model that answers prompts given as token ids."""

    def __init__(
        self, folder: Path, *, max_length: int, session: Mapping[str, str | int] | None = None
    ) -> None:
        """`session`: the session options laid over those of the artifact; None: what suits this machine."""
        import onnxruntime_genai as og

        described = read_json_object(folder / "genai_config.json")
        own = section_of(described, "model", "decoder", "session_options")
        options = session_options(own) if session is None else dict(session)
        began = time.perf_counter_ns()
        try:
            config = og.Config(str(folder))
            config.overlay(json.dumps({"model": {"decoder": {"session_options": options}}}))
            # Reading a tokenizer leaves freed memory behind, 85 MiB of Gemma's, which the weights then use.
            self.tokenizer = og.Tokenizer(config)
            self.model = og.Model(config)
        except Exception as error:
            raise InputRefused(
                f"onnxruntime-genai cannot load this artifact: {one_line(str(error), 300)}",
                hint="The folder is damaged or was made for another version: convert the model again.",
            ) from error
        self.load_s = (time.perf_counter_ns() - began) / 1e9
        release_mapped(folder.glob("*.data"))
        self.max_length = max_length
        self._cache = max(max_length, least_cache(folder))
        self.stop_ids = frozenset(int(i) for i in self.tokenizer.eos_token_ids)
        self._og = og
        self._generator: Any = None
        self._search: SearchOptions = {}
        self._guided = False
        self._defaults = section_of(described, "search")
        self.held: list[int] = []
        """The tokens in the KV cache, in order."""
        self._chunk = chunk_tokens(
            section_of(described, "model"), head_once=computes_head_once(folder)
        )
        self._planned = 0
        """Tokens at the start of the KV cache that were computed in whole chunks of the plan."""
        self._prompt = 0
        """Tokens of the last prompt; what is held beyond them came one by one."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text.

        Raises:
            InputRefused: the text holds what the tokenizer cannot take, or the tokenizer is broken.
        """
        if "\0" in text:
            # genai would silently cut the text there.
            raise InputRefused(
                "The prompt holds a NUL character.",
                hint="Remove it; it may come from a binary file.",
            )
        try:
            ids = [int(i) for i in self.tokenizer.encode(text)]
        except TypeError:
            raise InputRefused(
                "The prompt holds half a character (a lone surrogate).",
                hint="Type the text again, or save it as UTF-8.",
            ) from None
        if any(i < 0 for i in ids):
            raise InputRefused(
                "The artifact's tokenizer has no tokens for this text.",
                hint="If it is plain text, its tokenizer files are missing or damaged: convert again.",
            )
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of consecutive tokens."""
        import numpy as np

        return str(self.tokenizer.decode(np.array(list(ids), dtype=np.int32)))

    def piece(self, token: int) -> str:
        """Return the text of one token on its own."""
        return self.decode([token])

    def forget(self) -> None:
        """Drop the generator and its KV cache."""
        self._generator = None
        self.held = []
        self._planned = self._prompt = 0

    def prefill(
        self,
        ids: Sequence[int],
        context: JobContext,
        *,
        repeatable: bool = True,
        whole: bool = False,
    ) -> int:
        """Bring the KV cache of the open generator to `ids`; returns how many tokens of it were there already, -1 when stopped.

        `repeatable`: the logits are the same to the last bit whatever was asked before. Only what the plan computed is
        kept then; otherwise everything that is equal, decoded answers too. `whole`: all of it in one append.
        """
        size = len(ids) if whole else self._chunk
        equal = 0 if whole else common_prefix(self.held, ids[:-1])
        ends = chunk_ends(len(ids), size, start=0 if repeatable else equal)
        reused = equal
        if repeatable:
            known = min(equal, self._planned)
            starts = [0, *ends[:-1]]
            reused = max(start for start in starts if start <= known)
            ends = ends[starts.index(reused) :]
        self.rewind_to(reused)
        if len(self.held) < reused:
            reused, ends = 0, chunk_ends(len(ids), size)
        self._prompt = len(ids)
        reported = time.perf_counter_ns()
        at = reused
        for end in ends:
            if context.cancelled.is_set():
                return -1
            self.append(ids[at:end])
            if at == self._planned and end - at == self._chunk:
                self._planned = end
            at = end
            if (now := time.perf_counter_ns()) - reported >= PROGRESS_NS:
                reported = now
                context.emit(Progress(at, len(ids), "tokens"))
        return reused

    def follow(self, ids: Sequence[int], tokens: Sequence[int], context: JobContext) -> Any:
        """Logits after a prompt and the first tokens of an answer to it, float32 (vocabulary,), computed as they were when
        it was made: the prompt by the plan and the answer one by one. None when stopped.
        """
        spoken = list(tokens)
        wanted = [*ids, *spoken]
        if self._generator is None or self._guided:
            self.open({"do_sample": False})
        if spoken and self._prompt == len(ids) and self.held[: len(wanted) - 1] == wanted[:-1]:
            # This very answer is still in the cache.
            self.rewind_to(len(wanted) - 1)
        if spoken and self._prompt == len(ids) and self.held == wanted[:-1]:
            spoken = spoken[-1:]
        elif self.prefill(ids, context) < 0:
            return None
        for token in spoken:
            if context.cancelled.is_set():
                return None
            self.append([token])
        return self.logits()[-1]

    def answer(
        self,
        ids: Sequence[int],
        search: SearchOptions,
        *,
        limit: int,
        context: JobContext,
        stream: bool = True,
        fresh: bool = False,
        whole: bool = False,
        guidance: Guidance | None = None,
    ) -> Answer:
        """Prefill and decode up to `limit` tokens; a stopped answer keeps what it has.

        `whole`: the prompt in one append, as Foundry Local does it; it cannot be stopped then.

        Raises:
            InputRefused: the prompt is empty or does not fit in the context.
            JobFailed: onnxruntime-genai failed.
        """
        self.check_length(ids)
        limit = min(limit, self.max_length - len(ids))
        if fresh:
            self.rewind_to(0)
        repeatable = is_repeatable({**self._defaults, **search})
        try:
            self.open(search, guidance)
            return self._answer(ids, limit, context, stream, repeatable=repeatable, whole=whole)
        except BaseException as error:
            # What the generator holds after a failure is unknown; the next prompt starts afresh.
            self.forget()
            if isinstance(error, RuntimeError):
                raise JobFailed(
                    f"onnxruntime-genai failed while it computed: {one_line(str(error), 300)}",
                    hint="Try again; if it happens again, convert the model again.",
                ) from error
            raise

    def check_length(self, ids: Sequence[int]) -> None:
        """Refuse a prompt without tokens, or without room for one more.

        Raises:
            InputRefused: as said.
        """
        if not ids:
            raise InputRefused("The prompt is empty: it has no tokens.", hint="Type a question.")
        if len(ids) >= self.max_length:
            raise InputRefused(
                f"The prompt has {len(ids)} tokens; this context holds {self.max_length}, the answer included.",
                hint="Shorten the prompt or drop earlier turns.",
            )

    def _answer(
        self,
        ids: Sequence[int],
        limit: int,
        context: JobContext,
        stream: bool,
        *,
        repeatable: bool,
        whole: bool,
    ) -> Answer:
        began, spent = time.perf_counter_ns(), time.process_time_ns()
        reused = self.prefill(ids, context, repeatable=repeatable, whole=whole)
        if reused < 0:
            now, spent = time.perf_counter_ns(), time.process_time_ns() - spent
            return Answer([], "", "cancelled", len(ids), 0, began, None, now, spent, 0)
        generator, held, stop_ids = self._generator, self.held, self.stop_ids
        decoder = self.tokenizer.create_stream()
        cancelled, clock = context.cancelled.is_set, time.perf_counter_ns
        texts: list[str] = []
        out: list[int] = []
        sent = steps = 0
        first: int | None = None
        flushed = now = began
        finish = "length"
        while steps < limit:
            if cancelled():
                finish = "cancelled"
                break
            generator.generate_next_token()
            token = int(generator.get_next_tokens()[0])
            now = clock()
            steps += 1
            held.append(token)
            if first is None:
                first = now
            if token in stop_ids:
                finish = "stop"
                break
            out.append(token)
            texts.append(decoder.decode(token))
            if stream and now - flushed >= FLUSH_NS:
                context.emit(Tokens(texts[sent:], out[sent:], sent, (now - (first or now)) / 1e9))
                sent, flushed = len(out), now
        spent = time.process_time_ns() - spent
        if stream and sent < len(out):
            context.emit(Tokens(texts[sent:], out[sent:], sent, (now - (first or now)) / 1e9))
        text = "".join(texts)
        return Answer(out, text, finish, len(ids), reused, began, first, now, spent, steps)

    def logits(self) -> Any:
        """Logits of the last append: float32 array of shape (tokens, vocabulary)."""
        return self._generator.get_output("logits")[0]

    def append(self, ids: Sequence[int]) -> None:
        """Append tokens without stop or progress."""
        import numpy as np

        self._generator.append_tokens(np.array(list(ids), dtype=np.int32))
        self.held += ids

    def rewind_to(self, length: int) -> None:
        """Keep the first `length` tokens of the KV cache, or none if a sliding window has dropped part of them."""
        if self._generator is not None and length < len(self.held):
            try:
                self._generator.rewind_to(length)
            except RuntimeError:
                search = self._search
                self.forget()
                self._begin(search, None)
                return
            del self.held[length:]
            self._planned = min(self._planned, length // self._chunk * self._chunk)
            self._prompt = min(self._prompt, length)

    def open(self, search: SearchOptions, guidance: Guidance | None = None) -> None:
        """See to a generator with these search options: a new one, without KV cache, when they changed, when a
        seed asks for the random numbers from the start, or when a grammar guides the answer from its first token.

        Raises:
            InputRefused: genai cannot run the artifact with them, or can make no grammar of `guidance`.
        """
        wanted: SearchOptions = {
            **search,
            "max_length": self._cache,
            "batch_size": 1,
            "num_beams": 1,
            "num_return_sequences": 1,
        }
        seeded = is_seeded({**self._defaults, **wanted})
        if self._generator is None or wanted != self._search or seeded or guidance or self._guided:
            self.forget()
            self._begin(wanted, guidance)

    def _begin(self, search: SearchOptions, guidance: Guidance | None) -> None:
        parameters = self._og.GeneratorParams(self.model)
        try:
            parameters.set_search_options(**search)
            if guidance:
                parameters.set_guidance(guidance["type"], guidance["grammar"])
            self._generator = self._og.Generator(self.model, parameters)
        except Exception as error:
            if guidance and "grammar: " in str(error):
                raise unusable_form(guidance, str(error)) from error
            raise InputRefused(
                f"onnxruntime-genai cannot run this artifact so: {one_line(str(error), 300)}",
                hint="Choose other settings; if it stays so, convert the model again.",
            ) from error
        self._search, self._guided = search, bool(guidance)
