"""Foundry Local's OpenAI-compatible service on loopback, in its own process."""

import errno
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.deployments import find_deployment
from firstlight_core.artifact.inference_model import check_name
from firstlight_core.artifact.target import artifact_folder, find_target
from firstlight_core.artifact.tokenizer_files import no_chat_template, read_chat_template
from firstlight_core.documents import jobs_foundry
from firstlight_core.documents.foundry import ServiceDocument, Snippets
from firstlight_core.errors import UsageError
from firstlight_core.foundry.runtime import open_foundry
from firstlight_core.process.events import Event, Stage
from firstlight_core.process.runner import OpenJob
from firstlight_core.shells import post_json, set_variable
from firstlight_core.template.parity import default_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service; it ends with the block that opened it."""

    base_url: str
    model: str
    """The id that a client names in its requests."""
    pid: int
    job: OpenJob

    def to_json(self) -> ServiceDocument:
        """Return the document of `firstlight serve`."""
        return {
            "kind": "service",
            "base_url": self.base_url,
            "model": self.model,
            "pid": self.pid,
            "snippets": snippets(self.base_url, self.model),
        }


def snippets(base_url: str, model: str) -> Snippets:
    """Client snippets, quoted for the user's shell; each names `max_tokens`, which the runtime requires (FACTS.md)."""
    body = (
        f'{{"model": "{model}", "max_tokens": 64, '
        '"messages": [{"role": "user", "content": "Hello"}]}'
    )
    return {
        "curl": post_json(f"{base_url}/chat/completions", body),
        "python": (
            "from openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{base_url}", api_key="not-needed")\n'
            "answer = client.chat.completions.create(\n"
            f'    model="{model}", max_tokens=64, messages=[{{"role": "user", "content": "Hello"}}]\n'
            ")\n"
            "print(answer.choices[0].message.content)\n"
        ),
        "environment": "".join(
            set_variable(name, value) + "\n"
            for name, value in (("OPENAI_BASE_URL", base_url), ("OPENAI_API_KEY", "not-needed"))
        ),
        "javascript": (
            f'const answer = await fetch("{base_url}/chat/completions", {{\n'
            '  method: "POST",\n  headers: { "Content-Type": "application/json" },\n'
            f'  body: JSON.stringify({{ model: "{model}", max_tokens: 64,\n'
            '    messages: [{ role: "user", content: "Hello" }] }),\n});\n'
            "console.log((await answer.json()).choices[0].message.content);\n"
        ),
        # Its OpenAIChatClient speaks the Responses API, this one the Chat Completions API.
        "agent_framework": (
            "# pip install agent-framework-openai\n"
            "import asyncio\n\n"
            "from agent_framework import Agent\n"
            "from agent_framework.openai import OpenAIChatCompletionClient\n\n"
            f'client = OpenAIChatCompletionClient(base_url="{base_url}", api_key="not-needed", model="{model}")\n'
            'agent = Agent(client=client, instructions="You are helpful.", default_options={"max_tokens": 64})\n'
            'print(asyncio.run(agent.run("Hello")))\n'
        ),
    }


def check_port(port: int) -> int:
    """Return the port if it is free on loopback; 0 means any port.

    Raises:
        UsageError: it is out of range, taken, or kept for the system.
    """
    hint = "Choose another one, or 0 for any free one."
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is no port: they go from 1 to 65535.", hint=hint)
    if port:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Without it a port that has just been left counts as taken; on Windows with it a taken one counts as free.
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except PermissionError as error:
                why = f"Port {port} is kept for the system's own services."
                raise UsageError(
                    why, hint="Choose one from 1024 on, or 0 for any free one."
                ) from error
            except OSError as error:
                problem = (
                    "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
                )
                raise UsageError(f"Port {port} cannot be used: {problem}.", hint=hint) from error
    return port


def folder_id(folder: Path) -> str:
    """Return the id under which Foundry Local serves an artifact folder that is not deployed.

    Raises:
        UsageError: the folder's name makes no legal one.
    """
    return f"{check_name(default_name(folder))}:1"


@asynccontextmanager
async def open_service(
    target: str, *, port: int = 0, on_event: Callable[[Event], None] | None = None
) -> AsyncIterator[Service]:
    """Serve a deployed name or an unchanged artifact folder until the block ends.

    Raises:
        UsageError: the target names nothing, or the port is taken.
        InputRefused: the artifact cannot be opened.
        ToolchainMissing: foundry-local-sdk is not installed.
    """
    say = on_event or (lambda event: None)
    check_port(port)
    service_target = find_target(target)
    folder = artifact_folder(service_target)
    check_artifact(folder)
    if read_chat_template(folder) is None:
        raise no_chat_template(folder)
    deployed = find_deployment(target) if service_target.kind == "deployment" else None
    async with AsyncExitStack() as stack:
        app_folder: Path | None = None
        if deployed is None or deployed.target != "foundry":
            # A folder that is only served gets a registration that goes with the service.
            app_folder = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(
                        prefix="firstlight-serve-", ignore_cleanup_errors=True
                    )
                )
            )
        cache = deployed.home if app_folder is None and deployed is not None else None
        job = await stack.enter_async_context(
            open_foundry(folder=app_folder, cache=cache, port=port)
        )
        if app_folder is None and deployed is not None:
            identifier = deployed.id
        else:
            identifier = folder_id(folder)
            await job.call(
                jobs_foundry.REGISTER({"folder": str(folder.absolute()), "id": identifier})
            )
        say(Stage("load", "Loading it in Foundry Local"))
        loaded = await job.call(jobs_foundry.LOAD({"id": identifier}))
        served = await job.call(jobs_foundry.SERVE({}))
        yield Service(base_url=served["base_url"], model=loaded["id"], pid=job.pid, job=job)
