"""The headless twin: one module per verb, found by this table and imported only when it is called."""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from firstlight_tui.commands.guide import VerbCommand, plain_words
from firstlight_tui.commands.switches import with_switches

if TYPE_CHECKING:
    # Typer exports neither name; only their types are needed.
    from typer._click import Context, HelpFormatter


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: a verb of the command line.

    Its function has its name and stands in the module of its name and an underscore.
    """

    name: str
    help: str
    """One line."""
    group: str
    """Title of the section of `firstlight --help` that lists it."""

    @property
    def module(self) -> str:
        """Name of the module with its function."""
        return f"{__name__}.{self.name}_"

    def load(self) -> Callable[..., None]:
        """Import the verb's function."""
        function: Callable[..., None] = getattr(importlib.import_module(self.module), self.name)
        return function


PREPARE, USE, MEASURE = "Prepare a model", "Deploy and use it", "Measure it"
KEEP = "Runs and files"

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("doctor", "Check this machine: versions, memory, disk, toolchain.", PREPARE),
        Verb(
            "inspect",
            "Show what a model folder is, from its headers only, and what converting it costs.",
            PREPARE,
        ),
        Verb("convert", "Convert a model folder to an ONNX Runtime GenAI artifact.", PREPARE),
        Verb("template", "Check or set the prompt template of an artifact.", PREPARE),
        Verb("deploy", "Publish an artifact and prove that it answers.", USE),
        Verb("serve", "Serve a model to every OpenAI client on this machine, until Ctrl-C.", USE),
        Verb("connect", "List running OpenAI-compatible servers and their models.", USE),
        Verb("chat", "Ask an artifact, or open the wizard's chat.", USE),
        Verb("bench", "Measure load time, TTFT, prefill and decode rate, memory.", MEASURE),
        Verb("tune", "Find the fastest setting of a model on this machine.", MEASURE),
        Verb(
            "quality", "Run the course's five checks and the drift against the original.", MEASURE
        ),
        Verb("history", "List what was measured earlier, or export it.", MEASURE),
        Verb("compare", "Compare two measurements, and flag what became worse.", MEASURE),
        Verb("report", "Write the report of a run.", KEEP),
        Verb("run", "Repeat a whole run from its run.toml.", KEEP),
        Verb("runs", "List earlier runs.", KEEP),
        Verb("clean", "List leftovers with their sizes, and remove them.", KEEP),
        Verb("verify", "Check a bundle, an artifact or a report against its checksums.", KEEP),
        Verb("paths", "Show every folder that Firstlight uses.", KEEP),
        Verb("glossary", "Explain a term such as TTFT, KL or artifact; list all of them.", KEEP),
    )
}
"""Verb → its row, in the order of `firstlight --help`."""


class VerbGroup(TyperGroup):
    """Lists the verbs under the titles of their groups."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Read the words of a command line."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            raise plain_words(error) from error.__cause__

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write one section a group."""
        longest = max(map(len, VERBS))
        for title in dict.fromkeys(verb.group for verb in VERBS.values()):
            verbs = [verb for verb in VERBS.values() if verb.group == title]
            with formatter.section(title):
                formatter.write_dl([(verb.name.ljust(longest), verb.help) for verb in verbs])


def build_cli(arguments: Sequence[str] = ()) -> typer.Typer:
    """Build the command line; only the modules of verbs among `arguments` are imported."""
    lone = bool(arguments) and arguments[0] in VERBS
    cli = typer.Typer(
        name="firstlight",
        cls=VerbGroup,
        add_completion=False,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="The first deployment of a fine-tuned small language model. Without a verb: the wizard; "
        "`firstlight FOLDER` opens it on the model in that folder.",
    )

    @cli.callback(invoke_without_command=True)
    @with_switches
    def root(
        demo: bool = typer.Option(False, "--demo", help="The wizard on the sample model."),
        plain: bool = typer.Option(
            False,
            "--plain",
            help="All steps as questions, line by line, for screen readers and simple terminals.",
        ),
        web: bool = typer.Option(
            False,
            "--web",
            help="The wizard in a browser on this machine; with --demo, or a folder after it.",
        ),
        port: int = typer.Option(
            0, "--port", min=0, max=65535, help="Port of --web; 0 takes any free one."
        ),
        no_browser: bool = typer.Option(
            False, "--no-browser", help="With --web, print the address and open no page."
        ),
        model: str = typer.Option("", "--model", hidden=True),
        version: bool = typer.Option(False, "--version", help="Print the version."),
        completion: str = typer.Option(
            "", "--completion", help="Print the completion script of bash, zsh, fish or powershell."
        ),
    ) -> None:
        """The wizard and its headless twin."""
        if completion:
            _print_completion(completion)
        if plain:
            from firstlight_tui.commands.plain import walk_plainly

            walk_plainly()
        if web:
            from firstlight_tui.commands.web import serve_wizard

            serve_wizard(demo=demo, model=model or None, port=port, open_page=not no_browser)
        if port or no_browser:
            raise typer.BadParameter(
                "It belongs to --web.", param_hint="--port" if port else "--no-browser"
            )

    def named() -> None:
        """Stand in for a verb that is listed, not called."""

    for verb in [VERBS[arguments[0]]] if lone else VERBS.values():
        function = verb.load() if verb.name in arguments else named
        cli.command(verb.name, cls=VerbCommand, help=verb.help)(with_switches(function))
    return cli


def whole_cli() -> typer.Typer:
    """Build the command line with every verb imported, for completion and the manual page."""
    return build_cli(["--help", *VERBS])


def _print_completion(shell: str) -> None:
    from firstlight_core.errors import FirstlightError
    from firstlight_tui.commands.completion import completion_script
    from firstlight_tui.commands.output import fail
    from firstlight_tui.commands.syntax import command_line_syntax

    try:
        script = completion_script(shell, command_line_syntax(whole_cli()))
    except FirstlightError as error:
        fail({"schema": "firstlight/firstlight/1"}, error, as_json=False)
    # As it is: a tab or a quote made visible would be another script.
    sys.stdout.write(script)
    sys.stdout.flush()
    raise SystemExit(0)


def run_cli(arguments: Sequence[str]) -> int:
    """Run a command line; with `--json` a usage error, too, is the JSON document of its verb."""
    cli = build_cli(arguments)
    if "--json" not in arguments:
        cli(list(arguments), prog_name="firstlight")
        return 0
    try:
        cli(list(arguments), prog_name="firstlight", standalone_mode=False)
    except TyperException as error:
        from firstlight_core.errors import UsageError
        from firstlight_tui.commands.output import fail

        verb = arguments[0] if arguments[0] in VERBS else "firstlight"
        message = getattr(error, "format_message", error.__str__)()
        hint = f"firstlight {verb} --help" if verb in VERBS else "firstlight --help"
        fail({"schema": f"firstlight/{verb}/1"}, UsageError(message, hint=hint), as_json=True)
    return 0
