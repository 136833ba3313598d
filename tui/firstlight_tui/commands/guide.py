"""Additions to the options in `--help` and the manual: examples of every verb, and its exit codes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from typer import BadParameter
from typer.core import TyperCommand

from firstlight_core.text import one_line

if TYPE_CHECKING:
    # Typer exports neither name; only their types are needed.
    from typer._click import Context, HelpFormatter

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "doctor": (
        ("firstlight doctor", "What works here, and what to do about the rest."),
        ("firstlight doctor --report > doctor.txt", "A text for a bug report."),
    ),
    "inspect": (
        ("firstlight inspect ./my-model", "What it is, and what each precision costs."),
        ("firstlight inspect sample", "The same of the sample model."),
        ("firstlight inspect owner/name --download", "Fetch it from the hub first."),
    ),
    "convert": (
        ("firstlight convert ./my-model -o int4", "The usual way."),
        ("firstlight convert ./my-model -o int8 -p int8", "Another precision."),
        ("firstlight convert ./adapter --base ./base -o int4", "A LoRA adapter."),
        ("firstlight convert sample -o int4 --dry-run", "Only say what would be run."),
    ),
    "template": (
        ("firstlight template int4", "Compare it with the original, token by token."),
        ("firstlight template int4 --mend", "Repair what can be repaired."),
        ("firstlight template int4 --preset chatml", "Write the template of a family."),
    ),
    "deploy": (
        ("firstlight deploy int4 --name my-model", "Into Foundry Local; its answer is compared."),
        (
            "firstlight deploy int4 --name my-model --target ollama --source ./my-model",
            "An export.",
        ),
        ("firstlight deploy --name my-model --undo", "Take it back."),
    ),
    "serve": (
        ("firstlight serve my-model --port 8080", "Until Ctrl-C."),
        ("firstlight serve my-model --background", "And let it run."),
        ("firstlight serve --stop", "Stop every background service."),
    ),
    "connect": (
        ("firstlight connect", "Ask the usual ports of this machine."),
        ("firstlight connect http://127.0.0.1:8080/v1", "Ask one server."),
    ),
    "chat": (
        ("firstlight chat int4", "Open the wizard's chat."),
        ('firstlight chat int4 --prompt "Where is my order?"', "One question."),
        ("echo Hello | firstlight chat int4 --json", "A question from a pipe."),
    ),
    "bench": (
        ("firstlight bench int4 int8", "Two artifacts, interleaved."),
        ("firstlight bench int4 --lengths 32,512 --repeats 5", "Chosen prompt lengths."),
        ("firstlight bench int4 --against last", "And leave with 1 when it became slower."),
        ("firstlight bench http://127.0.0.1:8080/v1#m --clients 1,2,4", "A server under load."),
    ),
    "tune": (
        ("firstlight tune int4 --apply", "The fastest threads, written into it."),
        ("firstlight tune ./my-model -o fastest", "The fastest build, published."),
    ),
    "quality": (
        ("firstlight quality int4 --reference ./my-model", "Five checks, and the drift."),
        ("firstlight quality int4 --prompts mine.jsonl", "With questions of your own."),
    ),
    "history": (
        ("firstlight history --since 7d --kind bench", "The benchmarks of a week."),
        ("firstlight history 12", "One record, with every sample."),
        ("firstlight history --export benchstat -o new.txt", "Lines for Go's benchstat."),
    ),
    "compare": (
        ("firstlight compare 12 14", "Two records of the history."),
        ("firstlight compare old.json new.json", "Two files of `bench --json`, as in CI."),
    ),
    "report": (
        ("firstlight report", "Of the last run."),
        ("firstlight report last --no-texts", "Without questions and answers."),
    ),
    "run": (
        ("firstlight run run.toml --yes", "Without a question, for CI."),
        ("firstlight run run.toml --yes --json", "And one JSON document."),
    ),
    "runs": (("firstlight runs", "The newest first."),),
    "clean": (
        ("firstlight clean", "Only list."),
        ("firstlight clean --yes", "Remove what is listed."),
    ),
    "verify": (("firstlight verify int4", "Check an artifact against its checksums."),),
    "paths": (("firstlight paths", "Where Firstlight keeps what."),),
    "glossary": (
        ("firstlight glossary TTFT", "What it means."),
        ("firstlight glossary", "Every term."),
    ),
}
"""Verb → command lines with what each is for."""

_EVERY: Mapping[int, str] = {
    0: "Done.",
    1: "It failed, or the input is not usable.",
    2: "The command line is wrong.",
    130: "Interrupted.",
}
_OWN: Mapping[str, Mapping[int, str]] = {
    "doctor": {1: "This machine cannot convert.", 3: "The toolchain is missing or broken."},
    "convert": {
        1: "It failed, or differs too much from the original.",
        3: "The toolchain is missing or broken.",
    },
    "bench": {1: "It failed, or with --against it became slower or is void."},
    "compare": {1: "Something became worse, or the two cannot be compared."},
    "tune": {3: "The toolchain is missing or broken."},
    "run": {1: "A step failed.", 3: "The toolchain is missing or broken."},
    "template": {1: "The templates differ, or the input is not usable."},
    "deploy": {1: "It failed, or the deployed model answers otherwise."},
    "quality": {1: "A check failed, or the input is not usable."},
    "verify": {1: "A file is not as it was written."},
    "serve": {130: "Stopped with Ctrl-C, its usual end."},
}


def exit_codes(verb: str) -> dict[int, str]:
    """Return what each exit code of a verb means, in order."""
    return dict(sorted({**_EVERY, **_OWN.get(verb, {})}.items()))


def plain_words(error: BadParameter) -> BadParameter:
    """Return the fault of a value in our words; Typer passes on those of the library that reads values."""
    found = getattr(error.__cause__, "errors", None)
    if found is None:
        return error
    fault = found(include_url=False)[0]
    value, limits = repr(one_line(str(fault["input"]), 40)), fault.get("ctx", {})
    match fault["type"]:
        case str(kind) if kind.startswith("int_"):
            error.message = f"{value} is no whole number."
        case str(kind) if kind.startswith(("float_", "finite_")):
            error.message = f"{value} is no number."
        case "greater_than_equal":
            error.message = f"{value} is less than {limits['ge']}."
        case "less_than_equal":
            error.message = f"{value} is more than {limits['le']}."
    return error


_USAGE: Mapping[str, list[str]] = {"convert": ["[OPTIONS]", "{source}", "-o <folder>"]}
"""Usage of the verbs with an option that is needed, or an argument that only another option spares."""


class VerbCommand(TyperCommand):
    """One verb, whose help ends with examples and exit codes."""

    def collect_usage_pieces(self, ctx: "Context") -> list[str]:
        """Return the words after the verb in the line of its usage."""
        return _USAGE.get(self.name or "") or super().collect_usage_pieces(ctx)

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Read the words of a command line."""
        try:
            return super().parse_args(ctx, args)
        except BadParameter as error:
            raise plain_words(error) from error.__cause__

    def format_epilog(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write both sections."""
        verb = self.name or ""
        if verb in EXAMPLES:
            with formatter.section("Examples"):
                for command, words in EXAMPLES[verb]:
                    formatter.write(f"  {command}\n      {words}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), words) for code, words in exit_codes(verb).items()])
