"""The headless twin: one module per verb, found by this table and imported only when it is called."""

import importlib
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

VERBS: dict[str, str] = {
    "doctor": "Check this machine: versions, memory, disk, toolchain.",
    "inspect": "Show what a model folder is, from its headers only, and what converting it costs.",
    "convert": "Convert a model folder to an ONNX Runtime GenAI artifact.",
    "template": "Check or set the prompt template of an artifact.",
    "deploy": "Publish an artifact and prove that it answers.",
    "serve": "Serve a model to every OpenAI client on this machine, until Ctrl-C.",
    "connect": "List running OpenAI-compatible servers and their models.",
    "chat": "Ask an artifact, or open the wizard's chat.",
    "bench": "Measure load time, TTFT, prefill and decode rate, memory.",
    "tune": "Find the fastest setting of a model on this machine.",
    "quality": "Run the course's five checks and the drift against the original.",
    "report": "Write the report of a run.",
    "run": "Repeat a whole run from its run.toml.",
    "runs": "List earlier runs.",
    "clean": "List leftovers with their sizes, and remove them.",
    "verify": "Check a bundle, an artifact or a report against its checksums.",
    "paths": "Show every folder that Firstlight uses.",
}
"""Verb → one line of help. The verb's function has its name and stands in the module of its name and an underscore."""


def build_cli(verb: str | None = None) -> typer.Typer:
    """The command line; with a known `verb` only that verb's module is imported."""
    cli = typer.Typer(
        name="firstlight",
        add_completion=verb is None,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="The first deployment of a fine-tuned small language model. Without a verb: the wizard.",
    )

    @cli.callback(invoke_without_command=True)
    def root(
        demo: bool = typer.Option(False, "--demo", help="The wizard on the sample model."),
        version: bool = typer.Option(False, "--version", help="Print the version."),
    ) -> None:
        """The wizard and its headless twin."""

    for name in [verb] if verb in VERBS else VERBS:
        module = importlib.import_module(f"firstlight_tui.commands.{name}_")
        cli.command(name, help=VERBS[str(name)])(getattr(module, str(name)))
    return cli


def run_cli(arguments: Sequence[str]) -> int:
    """Run a command line; with `--json` a wrong one is told as the JSON document of its verb, too."""
    cli = build_cli(arguments[0])
    if "--json" not in arguments:
        cli(prog_name="firstlight")
        return 0
    try:
        cli(prog_name="firstlight", standalone_mode=False)
    except TyperException as error:
        from firstlight_core.errors import UsageError
        from firstlight_tui.commands.output import fail

        verb = arguments[0] if arguments[0] in VERBS else "firstlight"
        message = getattr(error, "format_message", error.__str__)()
        hint = f"firstlight {verb} --help" if verb in VERBS else "firstlight --help"
        fail({"schema": f"firstlight/{verb}/1"}, UsageError(message, hint=hint), as_json=True)
    return 0
