"""A wizard whose services are functions: fixed answers, a fixed machine, no processes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from firstlight_core.artifact.target import Target
from firstlight_core.errors import InputRefused
from firstlight_core.model.sources import FoundModel
from firstlight_core.monitor import History, Sample
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Progress, Reply, Stage, Token
from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.state.services import Services

GIB = 2**30
ENVIRONMENT = {
    "verdict": "warnings",
    "checks": [
        {
            "id": "python",
            "title": "Python",
            "status": "ok",
            "found": "3.11.7",
            "needed": ">= 3.11",
            "why": "wheels",
            "fix": "",
        },
        {
            "id": "cmake",
            "title": "CMake",
            "status": "missing",
            "found": "not found",
            "needed": ">= 3.31",
            "why": "only to build onnxruntime-genai from source",
            "fix": "pip install cmake",
        },
    ],
}
MODEL = {
    "architecture": "Qwen2ForCausalLM",
    "supported": True,
    "parameters": 2_298_112,
    "dtype": "bfloat16",
    "parameters_by_kind": {"embedding": 524_288, "body": 1_773_824, "head": 0},
    "layers": 3,
    "hidden_size": 256,
    "attention_heads": 4,
    "key_value_heads": 2,
    "head_size": 64,
    "intermediate_size": 512,
    "vocab_size": 2_048,
    "tied_embeddings": True,
    "context_length": 1024,
    "weight_bytes": 4_598_232,
    "template": "chat_template.jinja",
    "fingerprint": "f" * 64,
    "warnings": ["A warning with \x1b[31m escapes and [b]markup[/b]"],
    "estimates": {
        key: {
            "bytes": size,
            "peak_ram_bytes": GIB // 2,
            "seconds": 12.0,
            "available": key != "fp16",
            "reason": "Not with this genai." if key == "fp16" else "",
            "assumes": "the formulas of FACTS",
        }
        for key, size in (
            ("fp32", 9_300_000),
            ("fp16", 4_700_000),
            ("int8", 4_980_000),
            ("int8-compact", 3_010_000),
            ("int4", 1_740_000),
            ("int4-compact", 1_500_000),
            ("int4-quality", 2_100_000),
            ("int4-calibrated", 2_180_000),
        )
    },
}


def age(app: WizardApp, name: str, seconds: float) -> None:
    """Let running work have begun `seconds` earlier."""
    app.works[name].begun -= seconds


def conversion(precision: str, folder: str = "/models/out") -> dict[str, Any]:
    return {
        "artifact": f"{folder}/{precision}",
        "precision": precision,
        "bytes": 1_740_000,
        "seconds": 14.2,
        "peak_rss_bytes": 600 * 2**20,
        "command": ["olive", "run"],
        "smoke": {"tokens": 8, "text": "INT4 stores each weight"},
    }


INFERENCE_MODEL = {
    "Name": "sample-int4",
    "Description": "",
    "Version": "1",
    "PromptTemplate": {
        "system": "<|im_start|>system\n{Content}<|im_end|>\n",
        "user": "<|im_start|>user\n{Content}<|im_end|>\n",
        "assistant": "<|im_start|>assistant\n{Content}<|im_end|>\n",
        "prompt": "<|im_start|>user\n{Content}<|im_end|>\n<|im_start|>assistant\n",
    },
    "ModelConfig": {
        "max_length": 1024,
        "temperature": 0.7,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
    },
}
TEMPLATE = {
    "locked": True,
    "differences": [],
    "inference_model": INFERENCE_MODEL,
    "shapes": [
        {
            "id": "single",
            "label": "one question",
            "genai": "same",
            "prompt_template": "same",
            "text": "x",
            "tokens": {"reference": 17, "genai": 17, "prompt_template": 17},
        },
        {
            "id": "tools",
            "label": "an odd one",
            "genai": "differs",
            "prompt_template": "cannot",
            "text": "y",
            "tokens": {"reference": 20, "genai": 21},
        },
    ],
    "stop_tokens": {
        "ok": True,
        "sentence": "The model stops at <|im_end|>, where the template ends a turn.",
    },
}
DEPLOYMENT = {
    "name": "sample-int4",
    "id": "sample-int4:1",
    "path": "/models/custom/sample-int4",
    "verified": True,
    "commands": [{"command": "firstlight chat sample-int4", "does": "talk to it"}],
    "answer": "INT4 stores each weight in four bits.",
    "artifact_answer": "INT4 stores each weight in four bits.",
}
FIGURE = {"median": 0.02, "min": 0.01, "max": 0.03}
BENCHMARK = {
    "machine": {"cores": 2},
    "notes": [],
    "results": [
        {
            "target": "/models/out/int4",
            "load_s": 0.21,
            "rss_bytes": {"baseline": 1, "loaded": 2, "peak": 80 * 2**20},
            "cases": [
                {
                    "prompt_tokens": 32,
                    "new_tokens": 16,
                    "ttft_s": FIGURE,
                    "prefill_tps": {"median": 900.0, "min": 850.0, "max": 950.0},
                    "decode_tps": {"median": 410.0, "min": 400.0, "max": 420.0},
                }
            ],
        }
    ],
}
QUALITY = {
    "verdict": "Close to the original.",
    "checks": [
        {"id": name, "title": name, "status": "pass", "evidence": {"summary": "8 of 8"}}
        for name in (
            "domain-answers",
            "answer-format",
            "memory-leak",
            "consistent-speed",
            "edge-cases",
        )
    ],
    "drift": {
        "top1_agreement": 0.99,
        "kl_mean": 0.01,
        "kl_p95": 0.03,
        "perplexity_ratio": 1.01,
        "worst": [],
    },
}


class FakeEngine:
    """Answers every question with the same words, one token a time."""

    pid = None
    alive = True
    loaded = {"load_s": 0.2, "max_length": 1024, "context_length": 1024}

    def __init__(self, answer: str = "INT4 stores each weight in four bits.") -> None:
        self.answer = answer
        self.stopped = asyncio.Event()
        self.asked: list[list[dict[str, str]]] = []
        self.options: list[dict[str, Any]] = []

    async def chat(self, messages: list[dict[str, str]], **options: Any) -> AsyncIterator[Event]:
        self.asked.append(messages)
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

    async def render(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        return {"text": "<|im_start|>user", "ids": [1, 2], "pieces": ["<|im_start|>", "user"]}

    async def alternatives(
        self, messages: list[dict[str, str]], tokens: list[int]
    ) -> list[dict[str, Any]]:
        self.asked.append(messages)
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
            on_result(row)
        return ENVIRONMENT

    async def convert(source: Path, output: Path, *, precision: str, **options: Any) -> Any:
        called.calls.append(("convert", (source, output), {"precision": precision, **options}))
        options["on_event"](Stage("build", "Building the graph"))
        return conversion(precision)

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
        "default_inference_model": lambda artifact, name: INFERENCE_MODEL,
        "check_template": answering("check_template", TEMPLATE),
        "settle_template": answering("settle_template", TEMPLATE),
        "deploy": answering("deploy", DEPLOYMENT),
        "undo": answering("undo", {"name": "sample-int4"}),
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


FULL = Session(
    environment=ENVIRONMENT,
    source=str(find_paths().sample),
    model=MODEL,
    precisions=("int4",),
    artifacts=(conversion("int4"),),
    artifact="/models/out/int4",
    template=TEMPLATE,
    deployment=DEPLOYMENT,
    chat=None,
    benchmark=BENCHMARK,
    quality=QUALITY,
)


@pytest.fixture
def called() -> Called:
    return Called()


@pytest.fixture
def history() -> History:
    """A machine that never changes."""
    return History(
        read=lambda: Sample(
            cpu=37.0, memory_used=6 * GIB, memory_total=16 * GIB, disk_free=80 * GIB
        )
    )


@pytest.fixture
def wizard(called: Called, history: History) -> Callable[..., WizardApp]:
    """Build a wizard; any argument of `WizardApp` may be given."""

    def build(**overrides: Any) -> WizardApp:
        services = overrides.pop("services", None) or fake_services(called)
        return WizardApp(
            **{"services": services, "history": history, "sample_every": 3600.0, **overrides}
        )

    return build


@pytest.fixture(autouse=True)
def steady_cursor() -> Iterator[None]:
    """A blinking cursor would make pictures differ."""
    before = Input.cursor_blink
    Input.cursor_blink = False  # type: ignore[assignment]
    yield
    Input.cursor_blink = before  # type: ignore[method-assign]
