"""The open job that talks to a running OpenAI-compatible server: Foundry Local, Ollama, vLLM, llama.cpp.

Operations: `find` (which addresses answer), `load` (choose a model), `chat`, `measure` (one benchmark repetition),
`crowd` (several clients at once). A job without network may connect to this machine alone; the worker's audit hook
holds that. Times are taken here, with `perf_counter_ns`, when bytes arrive.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from firstlight_core.errors import FirstlightError, InputRefused, UsageError
from firstlight_core.inference.servers import PROBE, ServerLimits, model_ids
from firstlight_core.jobs.server_call import Call, Stopped, read_json
from firstlight_core.jobs.server_stream import Heard, listen
from firstlight_core.process.context import JobContext
from firstlight_core.process.events import Progress, Stage, Tokens
from firstlight_core.text import one_line, visible

LIST_LIMIT = 1_000_000
"""Bytes of a list of models."""


class Server:
    """One server and the model that is asked."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.base_url = ""
        self.model = ""
        self.limits = ServerLimits()
        self._key: str | None = None

    def find(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Look at addresses side by side. Asked: servers [{name, base_url}], key (for them all, or None)."""
        entries: list[Mapping[str, str]] = asked["servers"]
        with ThreadPoolExecutor(max(1, len(entries))) as pool:
            found = pool.map(lambda entry: self._look(entry, asked.get("key")), entries)
            return {"servers": list(found)}

    def _look(self, entry: Mapping[str, str], key: str | None) -> dict[str, Any]:
        """One address: its models, or what stands in the way."""
        began = time.perf_counter_ns()
        seen = {"name": entry["name"], "base_url": entry["base_url"], "models": []}
        try:
            models = self._models(Call(entry["base_url"], limits=PROBE, key=key, stop=self._stop))
        except (FirstlightError, Stopped) as error:
            return {**seen, "ok": False, "sentence": str(error), "hint": getattr(error, "hint", "")}
        seconds = (time.perf_counter_ns() - began) / 1e9
        return {**seen, "ok": True, "models": models, "seconds": seconds}

    def load(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List the models and choose one. Asked: base_url, model (may be None), key, limits."""
        self.context.emit(Stage("load", "Asking the server for its models"))
        self.base_url = str(asked["base_url"])
        self.limits = ServerLimits(**asked.get("limits", {}))
        self._key = asked.get("key")
        began = time.perf_counter_ns()
        listed = self._models(self._call())
        taken = (time.perf_counter_ns() - began) / 1e9
        wanted = asked.get("model")
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
            "load_s": taken,
            "model": visible(self.model),
            "models": [visible(m) for m in listed],
        }

    def chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Stream one answer. Asked: messages, max_tokens, options (of the OpenAI API)."""

        def hear(text: str, number: int) -> None:
            self.context.emit(Tokens([text], [-1], number))

        self.context.emit(Progress(0, None, "tokens"))
        return self._ask(asked, hear).document()

    def measure(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One repetition: the chat's stats with its text and finish_reason. Asked: as `chat`."""
        document = self._ask(asked, None).document()
        return {**document.pop("stats"), **document}

    def crowd(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Several clients at once, each asking its next question when it has an answer.

        Asked: as `chat`, but `conversations` (a list of messages), and clients. Returns seconds, answers (stats of
        each) and faults (a sentence each).
        """
        waiting = list(reversed(asked["conversations"]))
        answers: list[dict[str, Any]] = []
        faults: list[str] = []
        total = len(waiting)

        def client(number: int) -> None:
            while waiting and not self._stop.is_set():
                try:
                    messages = waiting.pop()
                except IndexError:
                    return
                try:
                    answers.append(self._ask({**asked, "messages": messages}, None).stats())
                except (FirstlightError, Stopped) as error:
                    faults.append(one_line(str(error) or "stopped", 160))
                self.context.emit(Progress(len(answers) + len(faults), total, "requests"))

        began = time.perf_counter_ns()
        with ThreadPoolExecutor(int(asked["clients"])) as pool:
            list(pool.map(client, range(int(asked["clients"]))))
        return {
            "seconds": (time.perf_counter_ns() - began) / 1e9,
            "answers": answers,
            "faults": faults,
        }

    @property
    def _stop(self) -> Any:
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

    def _ask(self, asked: Mapping[str, Any], hear: Any) -> Heard:
        body = {
            "model": self.model,
            "messages": asked["messages"],
            "max_tokens": int(asked["max_tokens"]),
            "stream": True,
            "stream_options": {"include_usage": True},
            **asked.get("options", {}),
        }
        began = time.perf_counter_ns()
        try:
            return listen(self._call(), body, self._stop, hear=hear)
        except Stopped:
            nothing = Heard(began=began, limit=int(asked["max_tokens"]), finish="cancelled")
            nothing.ended = time.perf_counter_ns()
            return nothing


def endpoint(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Serve questions to one server until the parent closes the job."""
    server = Server(context)
    return context.serve(
        {
            "find": server.find,
            "load": server.load,
            "chat": server.chat,
            "measure": server.measure,
            "crowd": server.crowd,
        }
    )
