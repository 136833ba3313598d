"""Foundry Local's own runtime, in a process of its own: register, list, load, ask, serve, unregister.

It must never share a process with onnxruntime-genai: both bring their own native runtime (FACTS.md).
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firstlight_core.documents import jobs_foundry
from firstlight_core.documents.jobs_foundry import (
    AskRequest,
    FoundryAnswer,
    FoundryLoaded,
    FoundryRequest,
    ModelId,
    RegisteredModel,
    RegisteredModels,
    RegisterRequest,
    Served,
    Unregistered,
    UnregisterRequest,
)
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import (
    FirstlightError,
    InputRefused,
    JobFailed,
    StateProblem,
    TemplateRefused,
    ToolchainMissing,
    UsageError,
)
from firstlight_core.files import state_problem
from firstlight_core.process.context import JobContext, peak_rss
from firstlight_core.process.operations import Empty, Handler, Operation, ReplyT, RequestT
from firstlight_core.text import one_line, visible

APP_NAME = "firstlight"


class FoundryRoom:
    """One Foundry Local manager with its local catalog."""

    def __init__(self, app_folder: Path, *, index: Path, port: int = 0) -> None:
        try:
            import foundry_local_sdk as sdk
        except ImportError as error:
            raise ToolchainMissing(
                "foundry-local-sdk is not installed, so Foundry Local cannot be asked.",
                hint=f"Install it: {install_line('foundry')}",
            ) from error
        if not hasattr(sdk, "CatalogType"):
            raise ToolchainMissing(
                "This foundry-local-sdk is older than 2.1 and cannot register a model.",
                hint=f"Install a newer one: {install_line('foundry')}",
            )
        self.sdk = sdk
        try:
            index.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise state_problem(error, index) from error
        with translated("start"):
            sdk.FoundryLocalManager.initialize(
                sdk.Configuration(
                    app_name=APP_NAME,
                    app_data_dir=str(app_folder),
                    model_cache_dir=str(index),
                    logs_dir=str(app_folder / "logs"),
                    log_level=sdk.LogLevel.WARNING,
                    web=sdk.Configuration.WebService(urls=f"http://127.0.0.1:{port}"),
                    additional_settings={"DisableRegionFallback": "true"},
                    disable_nonessential_telemetry=True,
                )
            )
            self.manager: Any = sdk.FoundryLocalManager.instance
            self.catalog: Any = self.manager.get_catalog(sdk.CatalogType.LOCAL)

    def register(self, request: RegisterRequest) -> ModelId:
        """Register `folder` under `id` (name:version)."""
        with translated("register"), self.sdk.ModelInfoBuilder() as about:
            about.set_string_property("task", "chat-completion")
            about.set_string_property("display_name", str(request["id"]).partition(":")[0])
            self.catalog.register_model(str(request["folder"]), str(request["id"]), about)
        return {"id": request["id"]}

    def list(self, request: Empty) -> RegisteredModels:
        """Return every registered model."""
        with translated("list"):
            models = [
                RegisteredModel(
                    id=str(variant.id),
                    alias=str(variant.alias),
                    path=str(variant.get_path()),
                    loaded=bool(variant.is_loaded),
                )
                for model in self.catalog.list_models()
                for variant in model.variants
            ]
        return {"models": models}

    def _variant(self, identifier: str) -> Any:
        with translated("list"):
            variant = self.catalog.get_model_variant(identifier)
        if variant is None:
            raise InputRefused(
                f"Foundry Local does not list {one_line(identifier, 90)}.",
                hint="Deploy the artifact again.",
            )
        return variant

    def load(self, request: ModelId) -> FoundryLoaded:
        """Load a model."""
        model = self._variant(request["id"])
        began = time.perf_counter_ns()
        with translated("load"):
            model.load()
        if not model.is_loaded:
            raise JobFailed("Foundry Local did not load the model, and said nothing about why.")
        seconds = (time.perf_counter_ns() - began) / 1e9
        return {
            "id": str(model.id),
            "alias": str(model.alias),
            "seconds": seconds,
            "rss_bytes": peak_rss(),
        }

    def ask(self, request: AskRequest) -> FoundryAnswer:
        """Return one greedy answer."""
        sdk, model = self.sdk, self._variant(request["id"])
        # top_k 1 is what makes the runtime deterministic; without max_output_tokens it wants 2048 (FACTS.md).
        search = sdk.SearchOptions(
            temperature=0.0, top_k=1, max_output_tokens=int(request["max_tokens"])
        )
        began = time.perf_counter_ns()
        with translated("answer"), sdk.ChatSession(model) as session:
            session.set_options(sdk.RequestOptions(search=search))
            question = sdk.Request()
            for message in request["messages"]:
                make = getattr(sdk.MessageItem, str(message["role"]))
                question.add_item(make(str(message["content"])))
            with question, session.process_request(question) as response:
                text = "".join(
                    part.text
                    for item in response
                    for part in (item.parts if isinstance(item, sdk.MessageItem) else [item])
                    if isinstance(part, sdk.TextItem)
                )
                usage = response.get_usage()
                finish = sdk.FinishReason(response.finish_reason).name.lower()
        return {
            "text": visible(text),
            "finish_reason": finish,
            "prompt_tokens": int(usage.prompt_tokens),
            "new_tokens": int(usage.completion_tokens),
            "seconds": (time.perf_counter_ns() - began) / 1e9,
        }

    def unload(self, request: ModelId) -> Empty:
        """Give a model's memory back."""
        model = self._variant(request["id"])
        with translated("unload"):
            if model.is_loaded:
                model.unload()
        return {}

    def unregister(self, request: UnregisterRequest) -> Unregistered:
        """Remove every registration of `name` that points at `folder` or at nothing; there may be none."""
        name, folder = str(request["name"]), Path(str(request["folder"]))
        ids = [
            model["id"]
            for model in self.list({})["models"]
            if model["id"].partition(":")[0] == name
            and (Path(model["path"]) == folder or not Path(model["path"]).exists())
        ]
        with translated("unregister"):
            for identifier in ids:
                self.catalog.unregister_model(identifier)
        return {"removed": ids}

    def serve(self, request: Empty) -> Served:
        """Start the OpenAI-compatible service on loopback."""
        with translated("serve"):
            if self.manager.urls is None:
                self.manager.start_web_service()
        # The plain /v1 routes show the public catalog only (FACTS.md).
        return {"base_url": f"{self.manager.urls[0].rstrip('/')}/catalogs/local/v1"}

    def stop(self, request: Empty) -> Empty:
        """Stop the service."""
        with translated("serve"):
            if self.manager.urls is not None:
                self.manager.stop_web_service()
        return {}

    def close(self) -> None:
        """Release the native manager before the process ends."""
        with contextlib.suppress(Exception):
            self.manager.close()


_SENTENCES: tuple[tuple[str, type[FirstlightError], str, str], ...] = (
    (
        "already registered",
        InputRefused,
        "Foundry Local already has a model of this name.",
        "Choose another name, or remove it first: firstlight deploy --name NAME --undo",
    ),
    (
        "Empty chat template",
        TemplateRefused,
        "Foundry Local finds no chat template in the artifact.",
        "Give it one: firstlight template ARTIFACT --preset chatml (or gemma, llama-3, …), or --template FILE",
    ),
    (
        "address already in use",
        UsageError,
        "The port is taken by another program.",
        "Choose another one with --port, or leave it out.",
    ),
    (
        "Read-only file system",
        StateProblem,
        "Foundry Local cannot write its folder: the file system is read-only.",
        "Set FIRSTLIGHT_HOME to a folder that can be written.",
    ),
    (
        "Permission denied",
        StateProblem,
        "Foundry Local may not read the model, or not write its own folder.",
        "Check the permissions of the artifact, or set FIRSTLIGHT_HOME to a folder that can be written.",
    ),
    (
        "unsupported or malformed local model registration index",
        StateProblem,
        "Foundry Local's index is damaged, or was written by a newer version.",
        "Update foundry-local-sdk; the index stands in the cache that `firstlight deploy --doctor` names.",
    ),
    (
        "failed to parse local model registration index",
        StateProblem,
        "Foundry Local's index is damaged.",
        "Move it away and deploy again; it stands in the cache that `firstlight deploy --doctor` names.",
    ),
    (
        "out of bounds or can not be read in full",
        InputRefused,
        "The artifact's weights are truncated.",
        "Convert the model again, or copy it again.",
    ),
    (
        "Load model from",
        InputRefused,
        "The artifact's model file cannot be loaded.",
        "Convert the model again, or copy it again.",
    ),
)
"""Text in a message of Foundry Local (compared in lower case) → error class, sentence, hint."""


@contextlib.contextmanager
def translated(act: str) -> Any:
    """Turn what the runtime throws into one sentence; its own words stay as the detail."""
    try:
        yield
    except FirstlightError:
        raise
    except Exception as error:
        message = str(error)
        for needle, kind, sentence, hint in _SENTENCES:
            if needle.lower() in message.lower():
                raise kind(sentence, hint=hint, detail=visible(message[-2000:])) from error
        raise JobFailed(
            f"Foundry Local could not {act} the model: {one_line(message, 300)}",
            hint="The log of the job has its own words.",
            detail=visible(message[-2000:]),
        ) from error


def foundry(request: FoundryRequest, context: JobContext) -> Mapping[str, object]:
    """Serve Foundry Local's runtime until the parent closes the job.

    The runtime starts with the first question, so that its refusal is an answer and not the job's end.
    """
    rooms: list[FoundryRoom] = []

    def answered(
        operation: Operation[RequestT, ReplyT], act: Callable[[FoundryRoom, RequestT], ReplyT]
    ) -> tuple[str, Handler]:
        def handle(asked: RequestT) -> ReplyT:
            if not rooms:
                folder, index = Path(request["folder"]), Path(request["index"])
                rooms.append(FoundryRoom(folder, index=index, port=request["port"]))
            return act(rooms[0], asked)

        return operation.by(handle)

    try:
        return context.serve(
            [
                answered(jobs_foundry.REGISTER, FoundryRoom.register),
                answered(jobs_foundry.LIST, FoundryRoom.list),
                answered(jobs_foundry.LOAD, FoundryRoom.load),
                answered(jobs_foundry.ASK, FoundryRoom.ask),
                answered(jobs_foundry.UNLOAD, FoundryRoom.unload),
                answered(jobs_foundry.UNREGISTER, FoundryRoom.unregister),
                answered(jobs_foundry.SERVE, FoundryRoom.serve),
                answered(jobs_foundry.STOP, FoundryRoom.stop),
            ]
        )
    finally:
        for room in rooms:
            room.close()
