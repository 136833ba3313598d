"""The open job that talks to a running OpenAI-compatible server: Foundry Local, Ollama, vLLM, llama.cpp.

Operations: `find` (which addresses answer), `load` (choose a model), `chat`, `measure` (one benchmark repetition),
`crowd` (several clients at once). A job without network may connect to this machine alone; the worker's audit hook
holds that. Times are taken here, with `perf_counter_ns`, when bytes arrive.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from firstlight_core.documents import jobs_endpoint
from firstlight_core.documents.inference import ChatAnswer, FoundServer, TokenTimes
from firstlight_core.documents.jobs_endpoint import (
    ClientsAnswered,
    ClientsRequest,
    FindRequest,
    FoundServers,
    LoadServer,
    ServerAddress,
    ServerChatRequest,
    ServerLoaded,
)
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.messages import Message
from firstlight_core.errors import FirstlightError, InputRefused, UsageError
from firstlight_core.inference.servers import PROBE, ServerLimits, model_ids
from firstlight_core.jobs.server_call import Call, Stopped, read_json
from firstlight_core.jobs.server_stream import ChatBody, StreamedAnswer, listen
from firstlight_core.process.context import JobContext
from firstlight_core.process.events import Progress, Stage, Tokens
from firstlight_core.process.operations import Empty
from firstlight_core.text import one_line, visible

LIST_LIMIT = 1_000_000
"""Bytes of a list of models."""


class Server:
    """One server and the model that is request."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.base_url = ""
        self.model = ""
        self.limits = ServerLimits()
        self._key: str | None = None

    def find(self, request: FindRequest) -> FoundServers:
        """Look at addresses side by side."""
        entries = request["servers"]
        with ThreadPoolExecutor(max(1, len(entries))) as pool:
            servers = pool.map(lambda entry: self._look(entry, request["key"]), entries)
            return {"servers": list(servers)}

    def _look(self, entry: ServerAddress, key: str | None) -> FoundServer:
        """Return the models at one address, or the reason why there are none."""
        began = time.perf_counter_ns()
        try:
            models = self._models(Call(entry["base_url"], limits=PROBE, key=key, stop=self._stop))
        except (FirstlightError, Stopped) as error:
            return {
                "name": entry["name"],
                "base_url": entry["base_url"],
                "ok": False,
                "models": [],
                "sentence": str(error),
                "hint": getattr(error, "hint", ""),
            }
        return {
            "name": entry["name"],
            "base_url": entry["base_url"],
            "ok": True,
            "models": models,
            "seconds": (time.perf_counter_ns() - began) / 1e9,
        }

    def load(self, request: LoadServer) -> ServerLoaded:
        """List the models and choose one."""
        self.context.emit(Stage("load", "Asking the server for its models"))
        self.base_url = str(request["base_url"])
        self.limits = ServerLimits(**request["limits"])
        self._key = request["key"]
        began = time.perf_counter_ns()
        listed = self._models(self._call())
        seconds = (time.perf_counter_ns() - began) / 1e9
        wanted = request["model"]
        known = ", ".join(one_line(name, 60) for name in listed[:8]) or "none"
        if wanted is None and len(listed) != 1:
            raise UsageError(
                f"The server offers {len(listed)} models, so one must be named.",
                hint=f"Write the address as {one_line(self.base_url, 120)}#MODEL; it offers: {known}.",
            )
        self.model = str(wanted or listed[0])
        if listed and self.model not in listed:
            raise InputRefused(
                f"The server has no model {one_line(self.model, 80)!r}.",
                hint=f"It offers: {known}.",
            )
        return {
            "load_s": seconds,
            "model": visible(self.model),
            "models": [visible(m) for m in listed],
        }

    def chat(self, request: ServerChatRequest) -> ChatAnswer:
        """Stream one answer."""

        def on_text(text: str, number: int) -> None:
            self.context.emit(Tokens([text], [-1], number))

        self.context.emit(Progress(0, None, "tokens"))
        return self._ask(request["messages"], request, on_text).document()

    def measure(self, request: ServerChatRequest) -> Repetition:
        """Run one repetition: the chat's stats with its text and finish_reason."""
        answer = self._ask(request["messages"], request, None).document()
        repetition = cast(Repetition, answer["stats"])
        repetition["text"], repetition["finish_reason"] = answer["text"], answer["finish_reason"]
        return repetition

    def measure_clients(self, request: ClientsRequest) -> ClientsAnswered:
        """Several clients at once, each asking its next question when it has an answer."""
        waiting = list(reversed(request["conversations"]))
        answers: list[tuple[int, TokenTimes]] = []
        faults: list[str] = []
        total = len(waiting)

        def client(number: int) -> None:
            while waiting and not self._stop.is_set():
                try:
                    messages = waiting.pop()
                except IndexError:
                    return
                try:
                    answers.append((number, self._ask(messages, request, None).stats()))
                except (FirstlightError, Stopped) as error:
                    faults.append(one_line(str(error) or "stopped", 160))
                self.context.emit(Progress(len(answers) + len(faults), total, "requests"))

        began = time.perf_counter_ns()
        with ThreadPoolExecutor(int(request["clients"])) as pool:
            list(pool.map(client, range(int(request["clients"]))))
        return {
            "seconds": (time.perf_counter_ns() - began) / 1e9,
            "answers": [answer for _, answer in answers],
            "asked_by": [number for number, _ in answers],
            "faults": faults,
        }

    @property
    def _stop(self) -> threading.Event:
        return self.context.cancelled

    def _call(self) -> Call:
        return Call(
            self.base_url,
            limits=self.limits,
            key=self._key,
            stop=self._stop,
            tell=lambda words: self.context.emit(Stage("wait", words)),
        )

    def _models(self, call: Call) -> list[str]:
        with call.ask("GET", "/models") as response:
            return model_ids(read_json(response.read(LIST_LIMIT)))

    def _ask(
        self,
        messages: list[Message],
        request: ServerChatRequest | ClientsRequest,
        on_text: Callable[[str, int], None] | None,
    ) -> StreamedAnswer:
        body: ChatBody = {
            "model": self.model,
            "messages": messages,
            "max_tokens": int(request["max_tokens"]),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body.update(cast(ChatBody, request.get("options", {})))
        began = time.perf_counter_ns()
        try:
            return listen(self._call(), body, self._stop, on_text=on_text)
        except Stopped:
            nothing = StreamedAnswer(
                began=began, limit=int(request["max_tokens"]), finish="cancelled"
            )
            nothing.ended = time.perf_counter_ns()
            return nothing


def endpoint(request: Empty, context: JobContext) -> Mapping[str, object]:
    """Serve questions to one server until the parent closes the job."""
    server = Server(context)
    return context.serve(
        [
            jobs_endpoint.FIND.by(server.find),
            jobs_endpoint.LOAD.by(server.load),
            jobs_endpoint.CHAT.by(server.chat),
            jobs_endpoint.MEASURE.by(server.measure),
            jobs_endpoint.CLIENTS.by(server.measure_clients),
        ]
    )
