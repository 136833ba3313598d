"""Services of the wizard that are functions with fixed answers: no processes, no models."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight_core.artifact.target import Target
from firstlight_core.documents.inference import Alternative, LoadedModel, RenderedPrompt
from firstlight_core.documents.messages import Message
from firstlight_core.environment.doctor import CheckResult
from firstlight_core.errors import InputRefused
from firstlight_core.model.sources import FoundModel
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Progress, Reply, Stage, Token
from firstlight_core.workflow.services import Services
from tests.support.wizard_documents import (
    BENCHMARK,
    DEPLOYMENT,
    ENVIRONMENT,
    INFERENCE_MODEL,
    MODEL,
    PREVIEW,
    QUALITY,
    TEMPLATE,
    conversion,
)


def rendered_prompt(text: str, prompt_tokens: int | None = None) -> RenderedPrompt:
    """Return a prompt whose tokens are its words; `prompt_tokens` takes the place of their number."""
    pieces = text.split()
    return {
        "text": text,
        "ids": [*range(1, len(pieces) + 1)],
        "pieces": pieces,
        "special_ids": [1],
        "prompt_tokens": len(pieces) if prompt_tokens is None else prompt_tokens,
        "truncated": False,
    }


class FakeEngine:
    """Answers every question with the same words, one token a time."""

    pid = None
    alive = True
    loaded: LoadedModel = {"load_s": 0.2, "max_length": 1024, "context_length": 1024}

    def __init__(self, answer: str = "INT4 stores each weight in four bits.") -> None:
        self.answer = answer
        self.stopped = asyncio.Event()
        self.requests: list[list[Message]] = []
        self.options: list[dict[str, Any]] = []

    async def chat(self, messages: list[Message], **options: Any) -> AsyncIterator[Event]:
        self.requests.append(messages)
        self.options.append(options)
        words = self.answer.split(" ")
        for index, word in enumerate(words):
            yield Token(word + " ", sum(map(ord, word)), index)
        yield Reply(
            {
                "text": self.answer,
                "finish_reason": "stop",
                "stats": {
                    "prompt_tokens": 12,
                    "new_tokens": len(words),
                    "ttft_s": 0.012,
                    "decode_tps": 410.0,
                    "context_used": 20,
                },
            }
        )

    async def cancel(self) -> None:
        self.stopped.set()

    async def render(self, messages: list[Message]) -> RenderedPrompt:
        return rendered_prompt("<|im_start|> user")

    async def alternatives(self, messages: list[Message], tokens: list[int]) -> list[Alternative]:
        self.requests.append(messages)
        likely = [("INT4 ", 0.9), ("It ", 0.1)]
        return [
            {"id": sum(map(ord, text.strip())), "text": text, "probability": chance}
            for text, chance in likely
        ]

    async def check_form(self, **form: Any) -> None:
        if form.get("regex") == "(":
            raise InputRefused("Answers cannot follow this regex: unclosed group", hint="Mend it.")


@dataclass
class Called:
    """Which services were called, with what."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    engine: FakeEngine = field(default_factory=FakeEngine)

    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


def fake_services(called: Called, **overrides: Any) -> Services:
    """Services that answer at once."""

    def answering(name: str, document: Any) -> Callable[..., Any]:
        async def answer(*arguments: Any, **options: Any) -> Any:
            called.calls.append((name, arguments, options))
            if (hear := options.get("on_event")) is not None:
                hear(Stage("work", "Working"))
                hear(Progress(1, 2, "parts"))
            return document

        return answer

    async def run_checks(*, on_result: Any = None, only: Any = None) -> Any:
        called.calls.append(("run_checks", (), {}))
        for row in ENVIRONMENT["checks"]:
            on_result(CheckResult(**row))
        return ENVIRONMENT

    async def convert(source: Path, output: Path, *, precision: str, **options: Any) -> Any:
        called.calls.append(("convert", (source, output), {"precision": precision, **options}))
        options["on_event"](Stage("build", "Building the graph"))
        return conversion(precision)

    async def convert_many(source: Path, outputs: dict[str, Path], **options: Any) -> Any:
        called.calls.append(("convert", (source, outputs), options))
        for precision in outputs:
            options["on_event"](Stage("build", "Building the graph"))
            options["on_done"](precision, conversion(precision))
        return {"failures": []}

    @asynccontextmanager
    async def open_target(target: Target, **options: Any) -> AsyncIterator[FakeEngine]:
        called.calls.append(("open_target", (target,), options))
        yield called.engine

    def inspect(folder: Path) -> Any:
        called.calls.append(("inspect", (folder,), {}))
        return MODEL

    answers: dict[str, Any] = {
        "run_checks": run_checks,
        "find_models": lambda: [
            FoundModel(
                name="sample",
                path=find_paths().sample,
                origin="sample",
                architecture="Qwen2ForCausalLM",
                weight_bytes=4_598_232,
            )
        ],
        "inspect": inspect,
        "convert": convert,
        "convert_many": convert_many,
        "default_inference_model": lambda artifact, name: INFERENCE_MODEL,
        "check_template": answering("check_template", TEMPLATE),
        "settle_template": answering("settle_template", TEMPLATE),
        "preview_template": answering("preview_template", PREVIEW),
        "deploy": answering("deploy", DEPLOYMENT),
        "undo": answering("undo", {"kind": "removed", "name": "sample-int4", "removed": []}),
        "open_target": open_target,
        "benchmark": answering("benchmark", BENCHMARK),
        "check_quality": answering("check_quality", QUALITY),
        "write_report": lambda run: {
            "markdown": "report.md",
            "json": "report.json",
            "html": "report.html",
        },
        "write_run_toml": lambda run, session: Path("run.toml"),
    }
    return Services(**{**answers, **overrides})
