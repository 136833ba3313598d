"""`firstlight chat`: one question to an artifact or a server, or the wizard opened on its chat."""

import asyncio
import codecs
import sys
from pathlib import Path
from typing import cast

import typer

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.target import Target, artifact_folder, find_target
from firstlight_core.documents.inference import ChatAnswer, ChatDocument, ConnectedServer
from firstlight_core.documents.messages import Message
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.inference.backend import DEFAULT_MAX_TOKENS, ChatSettings
from firstlight_core.inference.endpoint import open_endpoint
from firstlight_core.inference.open_target import open_target
from firstlight_core.inference.structured_output import read_schema
from firstlight_core.process.events import Reply, Token
from firstlight_core.shells import as_typed_here
from firstlight_core.template.variables import read_variables
from firstlight_core.text import seconds_text
from firstlight_tui.commands.output import note, note_forced, run_verb, say
from firstlight_tui.commands.painting import Painted


def chat(
    target: str = typer.Argument(
        help="An artifact folder, a deployed name, or http://host:port/v1#model."
    ),
    prompt: str | None = typer.Option(
        None, "--prompt", help="The question; - reads standard input."
    ),
    system: str | None = typer.Option(None, "--system", help="A system prompt."),
    max_tokens: int = typer.Option(
        DEFAULT_MAX_TOKENS, "--max-tokens", help="Tokens of the answer."
    ),
    max_length: int | None = typer.Option(None, "--max-length", help="Tokens of context."),
    temperature: float | None = typer.Option(None, "--temperature", help="0 is greedy."),
    top_p: float | None = typer.Option(None, "--top-p"),
    seed: int | None = typer.Option(None, "--seed", help="Sample, always the same way."),
    greedy: bool = typer.Option(False, "--greedy", help="Always the likeliest token."),
    schema: str | None = typer.Option(
        None, "--json-schema", help="The answer is JSON of this schema, written or in a file."
    ),
    regex: str | None = typer.Option(None, "--regex", help="The answer matches this pattern."),
    template_variable: list[str] = typer.Option(
        [],
        "--template-variable",
        metavar="NAME=VALUE",
        help="A variable of the chat template, for example enable_thinking=false; may be repeated.",
    ),
    network: bool = typer.Option(
        False,
        "--network",
        help="Allow an endpoint on another machine; your question leaves this one.",
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Ask an artifact or a server once; without --prompt the wizard opens on its chat."""
    if prompt is None and not json and sys.stdin.isatty() and sys.stdout.isatty():
        raise SystemExit(_open_wizard(target, network=network))
    settings: ChatSettings = {
        "max_tokens": max_tokens,
        "greedy": greedy,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
    }

    async def ask() -> ChatDocument:
        if greedy and temperature:
            raise UsageError(
                f"--greedy is a temperature of 0, not of {temperature:g}.",
                hint="Leave one of them out.",
            )
        resolved = find_target(target)
        if resolved.kind == "endpoint" and max_length is not None:
            raise UsageError(
                "A server's context is its own.", hint="Leave out --max-length, or set it there."
            )
        if schema is not None:
            settings["json_schema"] = read_schema(schema)
        if regex is not None:
            settings["regex"] = regex
        if resolved.kind == "endpoint" and settings.keys() & {"json_schema", "regex"}:
            raise UsageError(
                "A form can be asked of an artifact only, not of an endpoint.",
                hint="Leave out --json-schema and --regex.",
            )
        variables = read_variables(template_variable)
        if resolved.kind == "endpoint" and variables:
            raise UsageError(
                "A server renders its own chat template.",
                hint="Leave out --template-variable, or ask the artifact itself.",
            )
        messages: list[Message] = [{"role": "user", "content": _question(prompt)}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        note_forced(resolved)
        async with open_target(
            resolved, max_length=max_length, network=network, variables=variables
        ) as engine:
            async for event in engine.chat(messages, **settings):
                if isinstance(event, Token) and not json:
                    sys.stdout.write(event.text)
                    sys.stdout.flush()
                elif isinstance(event, Reply):
                    answer = cast(ChatAnswer, event.result)
            document = cast(ChatDocument, {**answer, "load_s": engine.loaded["load_s"]})
            if variables:
                document["template_variables"] = variables
            return document

    run_verb("chat", ask, _show, as_json=json)


_NOTHING = (
    'Add --prompt "your question", or pipe it in: echo "your question" | firstlight chat TARGET'
)


def _question(prompt: str | None) -> str:
    """Return the prompt; `-`, or none with a pipe on stdin, is read from there (at most 200 kB)."""
    if prompt is not None and prompt != "-":
        if not prompt.strip():
            raise UsageError("There is nothing to ask.", hint=_NOTHING)
        return prompt
    if prompt is None and sys.stdin.isatty():
        raise UsageError("There is nothing to ask.", hint=_NOTHING)
    raw = sys.stdin.buffer.read(200_001)
    if len(raw) > 200_000:
        raise UsageError("The prompt on standard input is longer than 200 kB.", hint="Shorten it.")
    # What a pipe of Windows adds is not the question's.
    text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    text = text.replace("\r\n", "\n").rstrip("\n")
    if not text.strip():
        raise UsageError("There is nothing to ask.", hint=_NOTHING)
    return text


def _open_wizard(target: str, *, network: bool) -> int:
    """Open the wizard on its chat; a target that cannot be opened is an error in the shell."""
    server: ConnectedServer | None = None
    artifact: Path | None = None
    try:
        resolved = find_target(target)
        if resolved.kind == "endpoint":
            server = asyncio.run(_look(resolved, network=network))
        else:
            artifact = check_artifact(artifact_folder(resolved)).folder
    except FirstlightError as error:
        note(str(error))
        note(f"  {as_typed_here(error.hint)}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    from firstlight_tui.start import start_wizard

    return start_wizard(artifact=artifact, endpoint=server)


async def _look(endpoint: Target, *, network: bool) -> ConnectedServer:
    """Return the server as the session holds it, once it has answered."""
    async with open_endpoint(endpoint, network=network) as server:
        model = endpoint.model or server.loaded["models"][0]
    return {
        "target": f"{endpoint.base_url}#{model}",
        "server": "",
        "model": model,
        "network": network,
    }


_ENDS = {
    "stop": "finished by itself",
    "length": "cut at the token limit",
    "cancelled": "stopped",
}
"""Why an answer ended, in words; a server may have reasons of its own."""


def _show(document: ChatDocument) -> None:
    stats = document["stats"]
    say()
    reason = document["finish_reason"]
    unit = "pieces" if stats.get("counted_by") == "chunks" else "tokens"
    parts = [f"{stats['new_tokens']} {unit}", _ENDS.get(reason, reason)]
    if "ttft_s" in stats:
        parts.append(f"first token after {seconds_text(stats['ttft_s'])}")
    if "decode_tps" in stats:
        parts.append(f"{stats['decode_tps']:.1f} {unit}/s")
    if "context_used" in stats:
        parts.append(f"context {stats['context_used']} of {stats['context_limit']}")
    note(Painted(" · ".join(parts), "quiet"))
