"""Foundry Local's own runtime, in a process of its own: register, list, load, ask, serve, unregister.

It must never share a process with onnxruntime-genai: both bring their own native runtime (FACTS.md).
"""

import contextlib
import time
from pathlib import Path
from typing import Any

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
from firstlight_core.process.context import Handler, JobContext, peak_rss
from firstlight_core.text import one_line, visible

APP_NAME = "firstlight"
OPERATIONS = ("register", "list", "load", "ask", "unload", "unregister", "serve", "stop")


class FoundryRoom:
    """One Foundry Local manager with its local catalog."""

    def __init__(self, app_folder: Path, *, index: Path, port: int = 0) -> None:
        try:
            import foundry_local_sdk as sdk
        except ImportError as error:
            raise ToolchainMissing(
                "foundry-local-sdk is not installed, so Foundry Local cannot be asked.",
                hint='Install it: pip install "firstlight[foundry]"',
            ) from error
        if not hasattr(sdk, "CatalogType"):
            raise ToolchainMissing(
                "This foundry-local-sdk is older than 2.1 and cannot register a model.",
                hint="Install a newer one: pip install 'foundry-local-sdk>=2.2.1,<2.3'",
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

    def register(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Register `folder` under `id` (name:version)."""
        with translated("register"), self.sdk.ModelInfoBuilder() as about:
            about.set_string_property("task", "chat-completion")
            about.set_string_property("display_name", str(asked["id"]).partition(":")[0])
            self.catalog.register_model(str(asked["folder"]), str(asked["id"]), about)
        return {"id": asked["id"]}

    def list(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Every registered model: `models[]: {id, alias, path, loaded}`."""
        with translated("list"):
            models = [
                {
                    "id": str(variant.id),
                    "alias": str(variant.alias),
                    "path": str(variant.get_path()),
                    "loaded": bool(variant.is_loaded),
                }
                for model in self.catalog.list_models()
                for variant in model.variants
            ]
        return {"models": models}

    def _variant(self, asked: dict[str, Any]) -> Any:
        with translated("list"):
            found = self.catalog.get_model_variant(str(asked["id"]))
        if found is None:
            raise InputRefused(
                f"Foundry Local does not list {one_line(str(asked['id']), 90)}.",
                hint="Deploy the artifact again.",
            )
        return found

    def load(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Load a model: `{id, alias, seconds, rss_bytes}`."""
        model = self._variant(asked)
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

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One greedy answer: `{text, finish_reason, prompt_tokens, new_tokens, seconds}`."""
        sdk, model = self.sdk, self._variant(asked)
        # top_k 1 is what makes the runtime deterministic; without max_output_tokens it wants 2048 (FACTS.md).
        search = sdk.SearchOptions(
            temperature=0.0, top_k=1, max_output_tokens=int(asked["max_tokens"])
        )
        began = time.perf_counter_ns()
        with translated("answer"), sdk.ChatSession(model) as session:
            session.set_options(sdk.RequestOptions(search=search))
            request = sdk.Request()
            for message in asked["messages"]:
                make = getattr(sdk.MessageItem, str(message["role"]))
                request.add_item(make(str(message["content"])))
            with request, session.process_request(request) as response:
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

    def unload(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Give a model's memory back."""
        model = self._variant(asked)
        with translated("unload"):
            if model.is_loaded:
                model.unload()
        return {}

    def unregister(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Forget every registration of `name` that points at `folder`, or at nothing: `{removed[]}`; none is no error."""
        name, folder = str(asked["name"]), Path(str(asked["folder"]))
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

    def serve(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Start the OpenAI-compatible service on loopback: `{base_url}`."""
        with translated("serve"):
            if self.manager.urls is None:
                self.manager.start_web_service()
        # The plain /v1 routes show the public catalog only (FACTS.md).
        return {"base_url": f"{self.manager.urls[0].rstrip('/')}/catalogs/local/v1"}

    def stop(self, asked: dict[str, Any]) -> dict[str, Any]:
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
"""What Foundry Local says (lower case is compared) → error, sentence, hint."""


@contextlib.contextmanager
def translated(act: str) -> Any:
    """Turn what the runtime throws into one sentence; its own words stay as the detail."""
    try:
        yield
    except FirstlightError:
        raise
    except Exception as error:
        said = str(error)
        for needle, kind, sentence, hint in _SENTENCES:
            if needle.lower() in said.lower():
                raise kind(sentence, hint=hint, detail=visible(said[-2000:])) from error
        raise JobFailed(
            f"Foundry Local could not {act} the model: {one_line(said, 300)}",
            hint="The log of the job has its own words.",
            detail=visible(said[-2000:]),
        ) from error


def foundry(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """An open job; the request names the application `folder`, the folder of the `index`, and `port` (0: any free one).

    The runtime starts with the first question, so that its refusal is an answer and not the job's end.
    """
    rooms: list[FoundryRoom] = []

    def ask(name: str) -> Handler:
        def handle(asked: dict[str, Any]) -> dict[str, Any]:
            if not rooms:
                folder, index = Path(str(request["folder"])), Path(str(request["index"]))
                rooms.append(FoundryRoom(folder, index=index, port=int(request["port"])))
            answer: dict[str, Any] = getattr(rooms[0], name)(asked)
            return answer

        return handle

    try:
        return context.serve({name: ask(name) for name in OPERATIONS})
    finally:
        for room in rooms:
            room.close()
